"""The paper's settings as short tables: how networks are trained, masks found, tricks combined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]

SOFT: Config = {"soft_activation": {"name": "swish"}}
GHOSTS: Config = {"ghost_skip": {}}
SMOOTH: Config = {"label_smoothing": 0.1, "smoothing_form": "exclude_target"}
LRSI: Config = {"lrsi": {}}
KEPT_SOFT: Config = {"soft_activation": {"name": "swish", "decay": "none"}}
KEPT_GHOSTS: Config = {"ghost_skip": {"decay": "none"}}

TRICKS: Mapping[str, Config] = {
    "default": {},
    "tost": {**SOFT, **GHOSTS, **SMOOTH, **LRSI},
    "tost_noghost": {**SOFT, **SMOOTH, **LRSI},
    "tost_keep": {**KEPT_SOFT, **KEPT_GHOSTS, **SMOOTH, **LRSI},
}
"""The recipes that a whole table compares: the dense one, all tricks, all but ghosts, all kept."""

FUNCTIONS = ("swish", "mish", "pswish", "gelu", "elu", "softplus", "lisht")

SINGLE: Mapping[str, Config] = {
    **{name: {"soft_activation": {"name": name}} for name in ("swish", "mish")},
    **{f"{name}_keep": {"soft_activation": {"name": name, "decay": "none"}} for name in FUNCTIONS},
    "pswish3_keep": {"soft_activation": {"name": "pswish", "beta": 3.0, "decay": "none"}},
    "ghosts": GHOSTS,
    "ghosts_keep": KEPT_GHOSTS,
    "ls": SMOOTH,
    "lrsi": LRSI,
    "lrsi_dense": {"lrsi": {"order": "scale_then_mask"}},
    "ghosts_ls": {**GHOSTS, **SMOOTH},
    "ghosts_ls_keep": {**KEPT_GHOSTS, **SMOOTH},
    "lrsi_ls": {**LRSI, **SMOOTH},
}
"""One trick, or those that a script of the authors combines (spec 7, E3 and E4)."""


def recipe_of(variant: str) -> Config:
    """Return what a variant adds to section ``train``."""
    return dict(TRICKS[variant] if variant in TRICKS else SINGLE[variant])


@dataclass(frozen=True)
class Protocol:
    """How all networks of a protocol are trained and scored.

    Attributes:
        train: section ``train`` without tricks.
        data: section ``data`` without the name and the constants.
        constants: ``data.normalization`` of every data set.
        scoring: which images the scores see.
    """

    train: Config
    data: Config
    constants: Mapping[str, str]
    scoring: Config


CROPS: Config = {"crop_padding": 4, "crop_size": 32, "horizontal_flip": True}
SCORED: Config = {
    "sampling": "loader",
    "batch_size": 128,
    "score_batches": None,
    "bn_mode": "train",
}

TOST = Protocol(
    train={
        "epochs": 182,
        "batch_size": 128,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 2e-4,
        "schedule": "step",
        "milestones": [90, 135],
        "select": "best_validation",
    },
    data={"validation": 5000, "validation_choice": "first", "augment": CROPS},
    constants={"cifar10": "legacy", "cifar100": "cifar10_legacy"},
    scoring=SCORED,
)
"""The released training scripts (spec 5), which normalise CIFAR-100 by CIFAR-10's constants."""

GRASP = Protocol(
    train={
        **TOST.train,
        "epochs": 160,
        "milestones": [80, 120],
        "weight_decay": 1e-4,
        "select": "last",
    },
    data={"validation": 0, "augment": CROPS},
    constants={"cifar10": "legacy", "cifar100": "legacy"},
    scoring=SCORED,
)
"""Where the baselines' numbers may come from (spec 5): all images, 160 epochs."""


def masks(method: str, protocol: Protocol) -> Config:
    """Return section ``find`` of a method, without its sparsity (spec 2.3 and 2.4)."""
    train = protocol.train
    trained: Config = {"pretrain": train, "rewinding": "init"}
    counted: Config = {"count": "threshold"}
    scored = counted | protocol.scoring
    found: Mapping[str, Config] = {
        "dense": {},
        "random": counted,
        "magnitude": counted | trained,
        "taylor": scored | trained,
        "snip": scored,
        "grasp": scored | {"reinit_linear": False},
        "synflow": counted,
        "gmp": {"train": {key: value for key, value in train.items() if key != "select"}},
        "imp": iterative(train) | {"hit_target": True},
    }
    return {"name": method, **found[method]}


def iterative(train: Config) -> Config:
    """Return section ``find`` of iterative magnitude pruning of convolutions, from the start."""
    return {
        "name": "imp",
        "fraction_per_round": 0.2,
        "scope": "conv",
        "rewind": {"to": "init", "scope": "all"},
        "train": train,
    }
