"""Runs that a CPU can afford: all recipes on the bundled digits, and a few epochs of CIFAR-10."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replications.tost.recipes import Config, iterative, recipe_of
from replications.tost.runs import run_config

EVERY_TRICK = (
    *("default", "swish", "swish_keep", "ghosts", "ghosts_keep", "ls", "lrsi"),
    *("tost_noghost", "tost", "tost_keep"),
)
WHOLE = ("default", "tost_noghost", "tost", "tost_keep")
PAIR = ("default", "tost_noghost")

DIGITS: Config = {"name": "digits", "normalization": "default", "augment": None}
DIGITS_MODEL: Config = {"name": "resnet8", "width": 8}
DIGITS_SPARSITY = 0.95
DIGITS_EPOCHS = 6

REAL: Config = {
    "name": "cifar10",
    "normalization": "legacy",
    "subset": {"count": 10000},
    "augment": {"crop_padding": 4, "crop_size": 32, "horizontal_flip": True},
}
REAL_MODEL: Config = {"name": "resnet8"}
REAL_EPOCHS = 12


def _recipe(epochs: int, batch: int, milestones: Sequence[int]) -> Config:
    """Return section ``train``: the paper's but for its length; the last network counts."""
    return {
        "epochs": epochs,
        "batch_size": batch,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 2e-4,
        "schedule": "step",
        "milestones": list(milestones),
        "evaluate_every": epochs,
    }


def _short(variant: str, iters: int, batch: int) -> Config:
    """Return a variant's tricks with as many iterations of LRsI as fit a short training."""
    tricks = recipe_of(variant)
    return tricks | ({"lrsi": {"iters": iters, "batch_size": batch}} if "lrsi" in tricks else {})


def quick() -> Iterator[Config]:
    """Yield every trick on random masks, and all tricks together on those of other finders."""
    train = _recipe(DIGITS_EPOCHS, 64, (4, 5))
    chain = iterative(train) | {"fraction_per_round": 0.8, "hit_target": True}
    finders: dict[str, tuple[Config, Sequence[str]]] = {
        "dense": ({"name": "dense"}, ("none",)),
        "random": ({"name": "random"}, EVERY_TRICK),
        "snip": ({"name": "snip"}, WHOLE),
        "synflow": ({"name": "synflow", "rounds": 20}, PAIR),
        "imp": (chain, PAIR),
    }
    for method, (find, variants) in finders.items():
        target = {} if method == "dense" else {"sparsity": DIGITS_SPARSITY}
        for variant in variants:
            yield run_config(
                *("digits", method, variant),
                protocol="quick",
                data=DIGITS,
                model=DIGITS_MODEL,
                find=find | target,
                train=train | ({} if method == "dense" else _short(variant, 10, 32)),
            )


def cpu_cifar10() -> Iterator[Config]:
    """Yield random and SNIP masks at two high sparsities under four recipes."""
    train = _recipe(REAL_EPOCHS, 64, (6, 9))
    for method in ("random", "snip"):
        for variant in WHOLE:
            yield run_config(
                *("cifar10_short", method, variant),
                protocol=f"cpu_{REAL_EPOCHS}_epochs",
                data=REAL,
                model=REAL_MODEL,
                sweep={"find.sparsity": [0.98]},
                find={"name": method},
                train=train | _short(variant, 30, 64),
            )
