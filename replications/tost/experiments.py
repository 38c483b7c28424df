"""Every run of the paper's tables and studies, and the reduced ones.

``python -m replications.tost.experiments`` writes them as JSON configs. A config sweeps over the
sparsities of its curve; the recipes of one mask share the phases that find it. Presets:

``quick``        reduced runs on the bundled digits, minutes on two CPU cores
``paper``        tables 2 and 3 and the studies of single tricks (spec 7, E1 to E5)
``grasp``        table 2 by the protocol that its baselines may come from (spec 5)
``lth_local``    the second lottery-ticket code (spec 7, E7)
``cpu_cifar10``  random and SNIP masks on CIFAR-10 in few epochs
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from replications.tost.recipes import (
    FUNCTIONS,
    GRASP,
    SINGLE,
    TOST,
    TRICKS,
    Config,
    Protocol,
    iterative,
    masks,
    recipe_of,
)
from replications.tost.reduced import cpu_cifar10, quick
from replications.tost.runs import run_config

TABLE_2 = (0.9, 0.95, 0.98)
TABLE_3 = (0.85, 0.9, 0.95)
TABLE_2_MASKS = ("random", "snip", "grasp", "synflow", "imp")
OTHER_MASKS = ("magnitude", "taylor", "gmp")
LEVELS = tuple(round(1 - 0.8**number, 6) for number in range(1, 17))
"""Sparsities after rounds of 20 % at which the authors' studies look at a ticket."""

CYCLES = tuple(round(1 - 0.9**number, 6) for number in range(1, 35))
"""Nominal sparsities after cycles of 10 % of the second lottery-ticket code."""

TINY_CROPS: Config = {"crop_padding": 4, "crop_size": 64, "horizontal_flip": True}


def images(name: str, protocol: Protocol) -> Config:
    """Return section ``data`` of a data set under a protocol."""
    if name == "tiny_imagenet":
        held_out = {"validation": 10000, "validation_choice": "stratified"}
        return {"name": name, **held_out, "augment": TINY_CROPS}
    return {"name": name, "normalization": protocol.constants[name], **protocol.data}


def _table(
    experiment: str,
    networks: Iterable[str],
    names: Iterable[str],
    methods: Sequence[str],
    variants: Iterable[str],
    sparsities: Sequence[float],
    protocol: Protocol = TOST,
    label: str = "paper",
) -> Iterator[Config]:
    """Yield masks of all methods under all recipes, and the dense network where methods say so."""
    for network in networks:
        for name in names:
            for method in methods:
                for variant in ("none",) if method == "dense" else variants:
                    tricks = {} if method == "dense" else recipe_of(variant)
                    yield run_config(
                        *(experiment, method, variant),
                        protocol=label,
                        sweep=None if method == "dense" else {"find.sparsity": list(sparsities)},
                        data=images(name, protocol),
                        model={"name": network},
                        find=masks(method, protocol),
                        train=protocol.train | tricks,
                    )


def paper() -> Iterator[Config]:
    """Yield the paper's tables and studies."""
    cifar = ("cifar10", "cifar100")
    yield from _table(
        *("mask_x_tost_cifar", ("resnet32_w32", "resnet50"), cifar),
        ("dense", *TABLE_2_MASKS),
        TRICKS,
        TABLE_2,
    )
    pair = ("default", "tost")
    yield from _table(
        *("other_masks_cifar", ("resnet32_w32",), ("cifar10",), OTHER_MASKS, pair, TABLE_2)
    )
    tiny = ("resnet32_w32",), ("tiny_imagenet",), ("dense", "snip", "imp")
    yield from _table("mask_x_tost_tinyimagenet", *tiny, pair, TABLE_3)
    yield from _tweaks()
    networks = ("resnet34", "vgg16_bn", "mobilenet_v1", "resnet104", "resnet32")
    yield from _table("generality_cifar", networks, cifar, ("imp",), pair, TABLE_2)


def _tweaks() -> Iterator[Config]:
    """Yield the studies of single tricks on ResNet-18: chains found with them, and a plain chain.

    The authors' scripts pass the activation to all trainings of a chain, so the masks of their
    curves differ; all other tricks train the masks of the plain network here.
    """
    place: Config = {"data": images("cifar100", TOST), "model": {"name": "resnet18"}}
    rounds = {"find.sparsity": list(LEVELS)}
    kept = (f"{function}_keep" for function in (*FUNCTIONS, "pswish3"))
    for name in ("default", *kept, "swish", "mish"):
        train = TOST.train | recipe_of(name)
        yield run_config(
            *("tweaks_resnet18_cifar100", "imp", name if name == "default" else f"{name}_chain"),
            sweep=rounds,
            **place,
            find=iterative(train),
            train=train,
        )
    of_chains = {f"{function}_keep" for function in (*FUNCTIONS, "pswish3")} | {"mish"}
    single = (name for name in SINGLE if name == "swish_keep" or name not in of_chains)
    for name in (*single, *(name for name in TRICKS if name != "default")):
        yield run_config(
            *("tweaks_resnet18_cifar100", "imp", name),
            sweep=rounds,
            **place,
            find=iterative(TOST.train),
            train=TOST.train | recipe_of(name),
        )


def grasp() -> Iterator[Config]:
    """Yield table 2's ResNet-32 by the protocol of GraSP's experiments."""
    yield from _table(
        *("mask_x_tost_cifar", ("resnet32_w32",), ("cifar10", "cifar100")),
        ("dense", *TABLE_2_MASKS),
        ("default", "tost"),
        TABLE_2,
        GRASP,
        "grasp",
    )


LOCAL_NETWORKS: dict[str, Callable[[int], Config]] = {
    "fc": lambda side: {"name": "fc", "image_size": side},
    "lenet5": lambda side: {
        "name": "lenet5",
        "variant": "mnist" if side == 28 else "cifar",
        "image_size": side,
    },
    "resnet18": lambda side: {"name": "resnet18"},
}


def lth_local() -> Iterator[Config]:
    """Yield the curves of the second lottery-ticket code: 35 cycles of 10 % in every tensor."""
    for name, side in (("mnist", 28), ("fashion_mnist", 28), ("cifar10", 32), ("cifar100", 32)):
        for model in LOCAL_NETWORKS.values():
            for variant, options in (("lt", {}), ("reinit", {"reinit": True})):
                train: Config = {
                    "epochs": 100,
                    "batch_size": 60,
                    "optimizer": "adam",
                    "lr": 1.2e-3,
                    "momentum": 0.0,
                    "weight_decay": 1e-4,
                    "schedule": "constant",
                }
                yield run_config(
                    *("lth_local", "lth_local", variant),
                    sweep={"find.sparsity": list(CYCLES)},
                    seeds=[0],
                    data={"name": name, "augment": None},
                    model=model(side) | {"init": "xavier_noisy"},
                    find={"name": "lth_local", "train": train, **options},
                    train=train,
                )


PRESETS: dict[str, Callable[[], Iterator[Config]]] = {
    "quick": quick,
    "paper": paper,
    "grasp": grasp,
    "lth_local": lth_local,
    "cpu_cifar10": cpu_cifar10,
}


if __name__ == "__main__":
    from common.launch.config_files import write_paper_configs

    write_paper_configs("tost")
