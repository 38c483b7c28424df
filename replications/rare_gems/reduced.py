"""Runs that a CPU can afford: all methods on the bundled digits, and a few epochs of CIFAR-10."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from replications.rare_gems.recipes import CIFAR10, RESNET20, Config, recipe
from replications.rare_gems.runs import CHECKS, label, sparsity_of

SEEDS = [0, 1, 2]
DENSITIES = (5, 2)
PENALTY = {5: 1e-4, 2: 3e-4}
SEARCH_EPOCHS, TUNE_EPOCHS, BATCH = 12, 5, 50
EDGE_POPUP_EPOCHS = 8

# A round keeps 38 % of the weights, so that few rounds end at the density of the searches; warm
# rounds go back to the middle of the first one's single epoch.
IMP_ROUNDS, IMP_EPOCHS, IMP_WARM_STEP = 4, 1, 10

MODEL: Config = {
    "name": "resnet8",
    "width": 12,
    "shortcut": "A",
    "bn_affine": False,
    "classifier_bias": False,
    "classifier": "conv",
}
DATA: Config = {"name": "digits", "normalization": "default", "augment": None}
TUNE = recipe(*(TUNE_EPOCHS, BATCH, 0.05, 1e-4), milestones=[3, 4], evaluate_every=TUNE_EPOCHS)
SEARCH = recipe(
    *(SEARCH_EPOCHS, BATCH, 0.03, 0.0),
    optimizer="adam",
    schedule="cosine",
    evaluate_every=4,
)


def _digits(
    method: str,
    variant: str,
    find: Config,
    density: float | None = None,
    *,
    init: str = "kaiming_normal",
    transform: list[str] | None = None,
    train: Config = TUNE,
) -> Config:
    return {
        **label("digits", "quick", method, variant, density),
        "data": DATA,
        "model": MODEL | {"init": init},
        "find": find,
        "transform": transform or [],
        "train": train,
        "seeds": SEEDS,
    }


def _gem(density: int, check: str) -> Config:
    find: Config = {
        "name": "gem_miner",
        "sparsity": sparsity_of(density),
        "prune_period": 2,
        "regularization": "L2",
        "lambda": PENALTY[density],
        "search": SEARCH,
    }
    if check == "invert_scores":
        find["invert"] = True
    return _digits(
        *("gem_miner", check, find, density), init="signed_constant", transform=CHECKS[check]
    )


def _edge_popup(variant: str, density: int, **options: Any) -> Config:
    search = recipe(
        *(EDGE_POPUP_EPOCHS, BATCH, 0.1, 5e-4), schedule="cosine", select="last", evaluate_every=4
    )
    find = {"name": "edge_popup", "sparsity": sparsity_of(density), **options, "search": search}
    return _digits("edge_popup", variant, find, density, init="signed_constant")


def _iterative(method: str, density: int, rewind: Config) -> Config:
    kept = (density / 100) ** (1 / IMP_ROUNDS)
    find: Config = {
        "name": "imp",
        "sparsity": sparsity_of(density),
        "fraction_per_round": round(1 - kept, 6),
        "epochs_per_round": IMP_EPOCHS,
        "rewind": rewind,
        "train": TUNE,
    }
    return _digits(method, "short", find, density)


def quick() -> Iterator[Config]:
    """Yield the reduced runs that show the directions of the claims."""
    lowest = min(DENSITIES)
    yield _digits("dense", "standard", {"name": "dense"})
    for density in DENSITIES:
        for check in CHECKS:
            if check != "invert_scores" or density == lowest:
                yield _gem(density, check)
        smart: Config = {"name": "smart_ratio", "sparsity": sparsity_of(density)}
        yield _digits("smart_ratio", "standard", smart, density)
    yield _edge_popup("layerwise", lowest, rule="floor")
    yield _edge_popup("global", lowest, scope="global")
    yield _edge_popup("global_gradual", lowest, scope="global", gradual=True, prune_period=2)
    yield _iterative("imp_warm", lowest, {"to": "step", "step": IMP_WARM_STEP})
    yield _iterative("imp_cold", lowest, {"to": "init"})
    yield _iterative("lrr", lowest, {"to": "none"})
    for method in ("snip", "grasp", "synflow"):
        for check in ("standard", "shuffle_mask"):
            score: Config = {"name": method, "sparsity": sparsity_of(lowest)}
            yield _digits(method, check, score, lowest, transform=CHECKS[check])


SHORT_EPOCHS, SHORT_TUNE_EPOCHS = 6, 3
SHORT = f"cpu_{SHORT_EPOCHS}_and_{SHORT_TUNE_EPOCHS}_epochs"


def _short(method: str, variant: str, init: str, find: Config, lr: float) -> Config:
    return {
        **label("cpu-short", SHORT, method, variant, 1.44),
        "data": CIFAR10,
        "model": RESNET20.model | {"init": init},
        "find": {"name": method, "sparsity": sparsity_of(1.44), **find},
        "transform": CHECKS[variant],
        "train": recipe(SHORT_TUNE_EPOCHS, RESNET20.batch, lr, 1e-4),
        "seeds": [0],
    }


def cifar10_short() -> Iterator[Config]:
    """Yield ResNet-20 at 1.44 %: a gem and two of its checks, and a random ticket.

    So few steps need Adam to carry the scores across the threshold.
    """
    search = recipe(SHORT_EPOCHS, RESNET20.batch, 0.01, 0.0, optimizer="adam", schedule="cosine")
    find: Config = {
        "prune_period": 1,
        "regularization": "L2",
        "lambda": 1e-5,
        "search": search,
    }
    for variant in ("standard", "shuffle_mask", "reinit_weights"):
        yield _short("gem_miner", variant, "signed_constant", find, 0.05)
    yield _short("smart_ratio", "standard", "kaiming_normal", {}, 0.1)
