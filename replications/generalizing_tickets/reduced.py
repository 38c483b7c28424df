"""Runs that a CPU can afford: the bundled digits, and real transfers with few levels and epochs.

All follow the paper's own way (masks and start weights travel, convolutions are pruned), but for
one curve by the replication's code that shows what its random tickets are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from replications.generalizing_tickets.recipes import Config, images, pruning
from replications.generalizing_tickets.runs import RANDOM, curve

QUICK_SEEDS = [0, 1, 2]
QUICK_EPOCHS, QUICK_BATCH = 6, 50
QUICK_MODEL: Config = {"name": "small_cnn", "width": 12}

# Halving rounds for the curves over the levels; where only ends are compared, rounds that leave a
# quarter reach the same sparsity with half the trainings.
FINE, COARSE = 0.5, 0.75
FINE_LEVELS, COARSE_LEVELS = (0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3)


def _digits(name: str) -> Config:
    return {"name": name, "normalization": "half", "augment": None}


def _small(epochs: int, batch: int, optimizer: str = "sgd", evaluate_every: int = 1) -> Config:
    """Return a recipe that drops the learning rate once, at two thirds."""
    sgd: Config = {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9}
    adam: Config = {"optimizer": "adam", "lr": 2e-3}
    return {
        "epochs": epochs,
        "batch_size": batch,
        **(sgd if optimizer == "sgd" else adam),
        "weight_decay": 5e-4,
        "schedule": "step",
        "milestones": [round(epochs * 2 / 3)],
        "evaluate_every": evaluate_every,
    }


def _quick(
    experiment: str,
    variant: str,
    *,
    data: str,
    method: str = "imp",
    levels: Iterable[int] = COARSE_LEVELS,
    rate: float = COARSE,
    source: str | None = None,
    found_by: str = "sgd",
    optimizer: str = "sgd",
    transform: Sequence[str] = (),
    find: Config | None = None,
) -> Config:
    train = _small(QUICK_EPOCHS, QUICK_BATCH, optimizer, QUICK_EPOCHS)
    there = _small(QUICK_EPOCHS, QUICK_BATCH, found_by, QUICK_EPOCHS)
    config = curve(
        *(experiment, "quick", method, variant),
        levels=levels,
        rate=rate,
        seeds=QUICK_SEEDS,
        data=_digits(data),
        model=QUICK_MODEL,
        find=find or pruning(there, "conv", fraction_per_round=rate),
        train=train,
    )
    if transform:
        config |= {"transform": list(transform)}
    if source is not None:
        config |= {"transfer": {"source": _digits(source), "mask": "source"}}
    return config


def quick() -> Iterator[Config]:
    """Yield the reduced runs that show the directions of the claims."""
    experiment, half = "digits_within_distribution", "digits_b"
    fine: Config = {"levels": FINE_LEVELS, "rate": FINE}
    yield _quick(experiment, "digits_a", data=half, source="digits_a", **fine)
    yield _quick(experiment, "digits_b", data=half, **fine)
    back: Config = {"levels": FINE_LEVELS[::2], "rate": FINE}
    yield _quick(experiment, "digits_b", data="digits_a", source="digits_b", **back)
    yield _quick(experiment, "digits_a", data="digits_a", **back)
    for variant, transform in RANDOM.items():
        yield _quick(
            *(experiment, variant),
            data=half,
            method="random_ticket",
            transform=transform,
            levels=FINE_LEVELS[2:],
            rate=FINE,
        )
    train = _small(QUICK_EPOCHS, QUICK_BATCH, evaluate_every=QUICK_EPOCHS)
    trained_on = pruning(train, "all_weights", fraction_per_round=COARSE) | {
        "permute": "global",
        "rewind": {"to": "none"},
    }
    yield _quick(
        experiment, "random_replication", data=half, method="random_ticket", find=trained_on
    )
    for trained in ("sgd", "adam"):
        experiment = f"digits_optimizer_transfer_target_{trained}"
        for found in ("sgd", "adam"):
            yield _quick(
                *(experiment, f"found_by_{found}"),
                data=half,
                optimizer=trained,
                found_by=found,
                levels=COARSE_LEVELS if trained == found else COARSE_LEVELS[1:],
            )
    yield from _quick_snip()


def _quick_snip() -> Iterator[Config]:
    experiment, data = "digits_snip_vs_imp", "digits_b"
    train = _small(QUICK_EPOCHS, QUICK_BATCH, evaluate_every=QUICK_EPOCHS)
    snip: Config = {"name": "snip", "sampling": "minibatch", "batch_size": 200}
    iterative: Config = {
        "name": "iterative_snip",
        "train": train,
        "fraction_per_round": COARSE,
        "batch_size": 200,
    }
    for method, variant, find in (
        ("snip", "model", snip),
        ("snip", "xavier_redraw", snip | {"score_weights": "xavier_redraw"}),
        ("iterative_snip", "nested", iterative),
    ):
        yield _quick(
            experiment, variant, data=data, method=method, find=find, levels=COARSE_LEVELS[1:]
        )
    yield _quick(experiment, "own", data=data, levels=COARSE_LEVELS[1:])
    yield _quick(
        *(experiment, "random_global"),
        data=data,
        method="random_ticket",
        transform=RANDOM["random_global"],
        levels=COARSE_LEVELS[1:],
    )


NARROW_VGG: Config = {
    "name": "vgg19",
    "conv_bias": True,
    "init": "xavier_conv",
    "width_mult": 0.125,
}
CPU_BATCH = 128


def _transfer(
    experiment: str, data: Config, source: Config, epochs: int, seeds: Sequence[int], subset: Config
) -> Iterator[Config]:
    """Yield own, transferred and random tickets of one pair of data sets."""
    train = _small(epochs, CPU_BATCH) | {"lr": 0.05}
    searched = train | ({"subset": subset} if subset else {})
    own = data["name"]
    for variant, transform in {source["name"]: [], own: [], **RANDOM}.items():
        config = curve(
            *(experiment, f"cpu_{epochs}_epochs", "random_ticket" if transform else "imp", variant),
            levels=COARSE_LEVELS[1:] if transform else COARSE_LEVELS,
            rate=COARSE,
            seeds=seeds,
            data=data,
            model=NARROW_VGG,
            find=pruning(searched, "conv", fraction_per_round=COARSE),
            train=train,
        )
        if transform:
            config |= {"transform": transform}
        elif variant != own:
            config |= {"transfer": {"source": source, "mask": "source"}}
        yield config


def cpu_mnist() -> Iterator[Config]:
    """Yield MNIST to Fashion-MNIST: five epochs a level on 12,000 images of each."""
    few: Config = {"count": 12000}
    data, source = (
        images(name, padded_test=True, subset=few) for name in ("fashion_mnist", "mnist")
    )
    yield from _transfer("mnist_to_fashion", data, source, 5, [0, 1, 2], few)


def cpu_cifar10() -> Iterator[Config]:
    """Yield CIFAR-10a to CIFAR-10b: six epochs a level on all images of the halves."""
    data, source = (images(name) for name in ("cifar10_b", "cifar10_a"))
    yield from _transfer("cifar10a_to_cifar10b", data, source, 6, [0], {})
