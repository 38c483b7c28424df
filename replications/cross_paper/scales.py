"""At which scale the grid is run: networks, data sets, sparsities, recipes and their lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """Everything that a run has beside its finder, its check and the tricks of its recipe.

    Attributes:
        protocol: of the records.
        datasets: names.
        data: section ``data`` without the name.
        model: section ``model`` without the scheme of the first weights.
        sparsities: the two targets, each reached by whole rounds.
        per_round: fraction of the weights still there that a round of an iterative finder removes.
        train: section ``train`` of the plain recipe, which also trains inside finders.
        rewind_epoch: the dense training's epoch (from 0) after which rewound weights are taken.
        gradual_every: steps between two prunings of gradual magnitude pruning.
        synflow_rounds: of SynFlow.
        snip_images: images that a round of iterative SNIP scores.
        search: what the recipes of all mask searches share.
        searches: what is different for each finder that searches for a mask.
        searched: options of those finders beside their recipe.
        lrsi: options of the layer-wise re-scaled initialisation.
        seeds: of every run.
    """

    protocol: str
    datasets: tuple[str, ...]
    data: Config
    model: Config
    sparsities: tuple[float, float]
    per_round: float
    train: Config
    rewind_epoch: int
    gradual_every: int
    synflow_rounds: int
    snip_images: int
    search: Config
    searches: Mapping[str, Config]
    searched: Mapping[str, Config]
    lrsi: Config
    seeds: tuple[int, ...] = (0, 1, 2)


def after_rounds(per_round: float, few: int, many: int) -> tuple[float, float]:
    """Return the sparsities after few and after many rounds."""
    kept = 1 - per_round
    return round(1 - kept**few, 6), round(1 - kept**many, 6)


QUICK_EPOCHS, QUICK_SEARCH_EPOCHS, QUICK_BATCH = 4, 8, 64
QUICK_RATE = 0.01
QUICK = Scale(
    protocol="quick",
    datasets=("digits",),
    data={"normalization": "default", "augment": None},
    model={"name": "conv2", "width_mult": 0.125, "image_size": 16},
    sparsities=after_rounds(0.6, 2, 3),
    per_round=0.6,
    train={
        "epochs": QUICK_EPOCHS,
        "batch_size": QUICK_BATCH,
        # Nets without norm layers: at high sparsity the gradients are too small for plain SGD.
        "optimizer": "adam",
        "lr": QUICK_RATE,
        "weight_decay": 1e-4,
        "schedule": "step",
        "milestones": [3],
        "evaluate_every": QUICK_EPOCHS,
    },
    rewind_epoch=0,
    gradual_every=4,
    synflow_rounds=20,
    snip_images=200,
    search={
        "epochs": QUICK_SEARCH_EPOCHS,
        "batch_size": QUICK_BATCH,
        "select": "last",
        "patience": None,
        "evaluate_every": QUICK_SEARCH_EPOCHS,
    },
    searches={
        "edge_popup": {"optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4, "schedule": "cosine"},
        "gem_miner": {"optimizer": "adam", "lr": 0.03, "schedule": "cosine"},
        "hypercube": {"optimizer": "adam", "lr": 0.03, "schedule": "cosine"},
        "aslp": {"optimizer": "sgd", "lr": 200.0, "momentum": 0.9},
        "supermask": {"optimizer": "sgd", "lr": 200.0, "momentum": 0.9},
    },
    searched={
        "gem_miner": {"prune_period": 2, "regularization": "L2", "lambda": 3e-4},
        "hypercube": {"regularization": "L2", "lambda": 3e-4},
    },
    # The step in question is one of the optimiser that trains the ticket.
    lrsi={"alg": "adam", "eta": QUICK_RATE, "iters": 10, "batch_size": 16},
)

STUDY = Scale(
    protocol="study",
    datasets=("cifar10", "cifar100", "fashion_mnist"),
    data={"normalization": "default", "augment": {"crop_padding": 4, "horizontal_flip": True}},
    model={"name": "resnet20"},
    sparsities=after_rounds(0.2, 11, 18),
    per_round=0.2,
    train={
        "epochs": 160,
        "batch_size": 128,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "step",
        "milestones": [80, 120],
    },
    rewind_epoch=1,
    gradual_every=100,
    synflow_rounds=100,
    snip_images=1000,
    search={"epochs": 150, "batch_size": 128, "select": "last", "patience": None},
    searches={
        "edge_popup": {"optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4, "schedule": "cosine"},
        "gem_miner": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "schedule": "cosine"},
        "hypercube": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "schedule": "cosine"},
        "aslp": {"optimizer": "sgd", "lr": 50.0, "momentum": 0.9},
        "supermask": {"optimizer": "sgd", "lr": 50.0, "momentum": 0.9},
    },
    searched={
        "gem_miner": {"prune_period": 5, "regularization": "L2", "lambda": 3e-5},
        "hypercube": {"regularization": "L2", "lambda": 3e-5},
    },
    lrsi={},
)
