"""Every curve of the replication and of the paper's claims, and the reduced ones.

``python -m replications.generalizing_tickets.experiments`` writes them as JSON configs. A config is
a curve: its key ``sweep`` lists the levels, each of which is a run, and all runs of a curve share
the trainings of their chain. Presets:

``quick``        reduced runs on the bundled digits, minutes on two CPU cores
``replication``  the curves of ``reported.csv`` as the replication's code makes them (spec 7)
``paper``        the claims' experiments as far as the paper's own way is known, with six seeds
``fork``         the recipes of the fork's scripts where they differ
``cpu_mnist``    MNIST to Fashion-MNIST with a narrow VGG, few levels and epochs
``cpu_cifar10``  CIFAR-10a to CIFAR-10b, likewise
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from replications.generalizing_tickets.recipes import (
    ALEXNET,
    FASHION,
    LEVELS,
    PUBLISHED_LEVELS,
    RESNET50,
    SEEDS,
    VGG19,
    Config,
    Network,
    images,
    pruning,
    recipe,
)
from replications.generalizing_tickets.reduced import cpu_cifar10, cpu_mnist, quick
from replications.generalizing_tickets.runs import RANDOM, SPELLED, curve

ALL_LEVELS = tuple(range(LEVELS + 1))

TARGETS_OF: dict[str, tuple[str, ...]] = {
    "vgg19": ("cifar10", "cifar100", "svhn"),
    "resnet50": ("cifar10", "cifar100", "svhn", FASHION),
}
"""The data sets that the replication transferred to; its VGG19 on Fashion-MNIST has no numbers."""

NATURAL = ("cifar10", "cifar100", "svhn", FASHION)


def _replicated(
    experiment: str,
    network: Network,
    target: Config,
    source: Config | None,
    variant: str,
    *,
    optimizer: str = "sgd",
    found_by: str | None = None,
) -> Config:
    """Return a curve by the replication's code: start weights travel, masks are the target's."""
    train = recipe(network, optimizer)
    dense: Config = (
        {"dense": recipe(network, found_by)} if found_by not in (None, optimizer) else {}
    )
    config = curve(
        *(experiment, "replication", "imp", variant),
        levels=ALL_LEVELS,
        seeds=[1],
        data=target,
        model=network.model,
        find=pruning(train, "all_weights", **dense),
        train=train,
    )
    if source is None or source == target:
        return config
    transfer = {
        "source": source,
        "mask": "target",
        "classifier": "copy_if_equal",
        "mismatch": "carry_over",
    }
    return config | {"transfer": transfer}


def _replicated_random(
    experiment: str, network: Network, target: Config, optimizer: str = "sgd"
) -> Config:
    """Return what ``--random`` does: permuted masks on weights that are trained on and on."""
    train = recipe(network, optimizer)
    find = pruning(train, "all_weights", permute="global", rewind={"to": "none"})
    return curve(
        *(experiment, "replication", "random_ticket", "random_replication"),
        levels=ALL_LEVELS,
        seeds=[1],
        data=target,
        model=network.constructor,
        find=find,
        train=train,
    )


def _halves(network: Network) -> Iterator[Config]:
    """Yield Experiment 1; it was evaluated on the half that was not trained on (spec 4, 8.3)."""
    experiment = f"exp1_within_distribution_{network.name}"
    frozen = images("cifar10_b", test_split="other_half_train")
    frozen["augment"] = frozen["augment"] | {"frozen": True}
    for half in ("cifar10_a", "cifar10_b"):
        yield _replicated(experiment, network, frozen, frozen | {"name": half}, half)
    # Its granularity shows that this one was evaluated on the 10,000 test images.
    split = "test" if network is VGG19 else "other_half_train"
    yield _replicated_random(experiment, network, frozen | {"test_split": split})


def replication() -> Iterator[Config]:
    """Yield a config for each of the 36 curves of ``reported.csv``."""
    for network in (VGG19, RESNET50):
        yield from _halves(network)
        for target in TARGETS_OF[network.name]:
            experiment = f"exp2_dataset_transfer_{network.name}_{SPELLED.get(target, target)}"
            for source in dict.fromkeys(("cifar10", "cifar100", target)):
                yield _replicated(
                    *(experiment, network, images(target), images(source)),
                    source,
                )
            yield _replicated_random(experiment, network, images(target))
    for trained in ("sgd", "adam"):
        experiment = f"exp3_optimizer_transfer_target_{trained}"
        for found in ("sgd", "adam"):
            yield _replicated(
                *(experiment, VGG19, images("cifar10"), None, f"found_by_{found}"),
                optimizer=trained,
                found_by=found,
            )
        yield _replicated_random(experiment, VGG19, images("cifar10"), trained)


def _paper(
    experiment: str,
    network: Network,
    target: str,
    variant: str,
    *,
    source: str | None = None,
    optimizer: str = "sgd",
    found_by: str = "sgd",
    transform: Sequence[str] = (),
) -> Config:
    """Return a curve in the paper's way: masks and start weights travel together."""
    config = curve(
        *(experiment, "paper", "random_ticket" if transform else "imp", variant),
        levels=PUBLISHED_LEVELS,
        seeds=SEEDS,
        data=images(target, padded_test=True),
        model=network.model,
        find=pruning(recipe(network, found_by), "conv"),
        train=recipe(network, optimizer),
    )
    if transform:
        config["transform"] = list(transform)
    if source not in (None, target):
        config["transfer"] = {
            "source": images(str(source), padded_test=True),
            "mask": "source",
            "classifier": "fresh_each_level",
        }
    return config


def _snip_against_imp() -> Iterator[Config]:
    """Yield what the fork is for: one-shot and iterative SNIP beside IMP and random tickets."""
    experiment, network = "snip_vs_imp", VGG19
    train, data = recipe(network), images("cifar10")
    common: Config = {"data": data, "model": network.model, "train": train}
    snip: Config = {"name": "snip", "sampling": "minibatch", "batch_size": 512}
    iterative: Config = {"name": "iterative_snip", "train": train}
    fork: Config = {
        "nested": False,
        "score_weights": "xavier_redraw",
        "stack_gates": True,
        "ties": "kept",
    }
    for method, variant, find in (
        ("snip", "model", snip),
        ("snip", "xavier_redraw", snip | {"score_weights": "xavier_redraw", "ties": "kept"}),
        ("iterative_snip", "nested", iterative),
        ("iterative_snip", "fork", iterative | fork),
    ):
        yield curve(
            *(experiment, "paper", method, variant),
            levels=PUBLISHED_LEVELS[1:],
            seeds=SEEDS,
            find=find,
            **common,
        )
    yield _paper(experiment, network, "cifar10", "own")
    for variant, transform in RANDOM.items():
        yield _paper(experiment, network, "cifar10", variant, transform=transform)


def paper() -> Iterator[Config]:
    """Yield the claims' experiments (spec 7.1) under the paper's protocol."""
    for network in (VGG19, RESNET50):
        experiment = f"within_distribution_{network.name}"
        for half in ("cifar10_a", "cifar10_b"):
            yield _paper(experiment, network, "cifar10_b", half, source=half)
        for variant, transform in RANDOM.items():
            yield _paper(experiment, network, "cifar10_b", variant, transform=transform)
        for target in NATURAL:
            experiment = f"dataset_transfer_{network.name}_{SPELLED.get(target, target)}"
            for source in NATURAL:
                yield _paper(experiment, network, target, source, source=source)
            yield _paper(
                experiment, network, target, "random_global", transform=RANDOM["random_global"]
            )
    for trained in ("sgd", "adam"):
        experiment = f"optimizer_transfer_target_{trained}"
        for found in ("sgd", "adam"):
            yield _paper(
                *(experiment, VGG19, "cifar10", f"found_by_{found}"),
                optimizer=trained,
                found_by=found,
            )
        yield _paper(
            *(experiment, VGG19, "cifar10", "random_global"),
            optimizer=trained,
            found_by=trained,
            transform=RANDOM["random_global"],
        )
    yield from _snip_against_imp()


def fork() -> Iterator[Config]:
    """Yield the fork's own recipes: its SGD, its iterative SNIP, its AlexNet (spec 2.7 to 2.9)."""
    data = images("cifar10")
    for network in (VGG19, RESNET50, ALEXNET):
        slow, experiment = recipe(network, "sgd_fork"), f"fork_{network.name}"
        common: Config = {"data": data, "model": network.model, "seeds": [1]}
        yield curve(
            *(experiment, "fork", "imp", "own"),
            levels=PUBLISHED_LEVELS,
            find=pruning(slow, "all_weights"),
            train=slow,
            **common,
        )
        train = recipe(network)
        snip: Config = {
            "name": "snip",
            "sampling": "minibatch",
            "batch_size": 512,
            "score_weights": "xavier_redraw",
            "ties": "kept",
        }
        one = curve(
            *(experiment, "fork", "snip", "one_shot"),
            levels=PUBLISHED_LEVELS[1:],
            find=snip,
            train=train,
            **common,
        )
        one["sweep"] = {"find.sparsity": [0.5, 0.9, 0.95, 0.98]}
        yield one
        often = recipe(network, "sgd_fork_iterative_snip")
        find: Config = {
            "name": "iterative_snip",
            "train": often,
            "score_weights": "xavier_redraw",
            "ties": "kept",
            "nested": False,
        }
        for variant, options in (
            ("carried_weights", {"stack_gates": True}),
            ("reinit", {"reinit": True}),
        ):
            yield curve(
                *(experiment, "fork", "iterative_snip", variant),
                levels=PUBLISHED_LEVELS[1:],
                find=find | options,
                train=often,
                **common,
            )
        magnitude: Config = {"name": "oneshot_magnitude", "train": slow}
        one = curve(
            *(experiment, "fork", "oneshot_magnitude", "own"),
            levels=(),
            find=magnitude,
            train=slow,
            **common,
        )
        yield one | {"sweep": {"find.sparsity": [0.5, 0.9]}}


PRESETS: dict[str, Callable[[], Iterator[Config]]] = {
    "quick": quick,
    "replication": replication,
    "paper": paper,
    "fork": fork,
    "cpu_mnist": cpu_mnist,
    "cpu_cifar10": cpu_cifar10,
}


if __name__ == "__main__":
    from common.launch.config_files import write_paper_configs

    write_paper_configs("generalizing_tickets")
