"""The networks, data sections, recipes and pruning levels that the runs are put together from.

Every number is that of spec sections 2.3, 3, 4 and 5. ``REPLICATION`` is how the replication's code
does it, whose logs are ``reported.csv``; ``PAPER`` is what is known of the paper's own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]

NAME = "generalizing_tickets"
RATE = 0.2
LEVELS = 30
PUBLISHED_LEVELS = (0, 1, 2, 3, 4, 5, 6, 9, 12, 15, 18, 21, 24, 28, 30)
"""The levels that the replication's plots show, of the 31 it ran."""

LATE_EPOCH = 1
SEEDS = [1, 2, 3, 4, 5, 6]


def level(number: int, rate: float = RATE) -> float:
    """Return the sparsity of a level: 1 - (1 - rate)^number, with six digits."""
    return round(1 - (1 - rate) ** number, 6)


@dataclass(frozen=True)
class Network:
    """A network and how it is trained.

    Attributes:
        name: as in ``reported.csv``.
        model: section ``model``.
        epochs: of a level.
        milestones: epochs, from 0, at which the learning rate falls by 10.
        constructor: section ``model`` with the weights as the original's constructor draws them,
            which is what its random runs start from.
    """

    name: str
    model: Config
    epochs: int
    milestones: tuple[int, ...]
    constructor: Config


_VGG: Config = {"name": "vgg19", "conv_bias": True}
VGG19 = Network(
    *("vgg19", _VGG | {"init": "xavier_conv"}, 160, (79, 119), _VGG | {"init": "vgg_fan_out"})
)
_RESNET: Config = {"name": "resnet50", "stem": "imagenet", "init": "kaiming_normal_fan_out"}
RESNET50 = Network("resnet50", _RESNET, 90, (49, 64, 79), _RESNET)
_ALEXNET: Config = {"name": "alexnet", "init": "xavier_conv"}
ALEXNET = Network("alexnet", _ALEXNET, 500, (449, 469, 479, 489), _ALEXNET)

OPTIMIZERS: dict[str, Config] = {
    "sgd": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    "adam": {"optimizer": "adam", "lr": 3e-4, "weight_decay": 1e-4},
    "sgd_fork": {"optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 4e-3},
    "sgd_fork_iterative_snip": {
        "optimizer": "sgd",
        "lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
    },
}


def recipe(network: Network, optimizer: str = "sgd") -> Config:
    """Return section ``train`` of a network: batches of 512, one level."""
    return {
        "epochs": network.epochs,
        "batch_size": 512,
        **OPTIMIZERS[optimizer],
        "schedule": "step",
        "milestones": list(network.milestones),
    }


AUGMENT: Config = {"crop_padding": 4, "crop_size": 32, "horizontal_flip": True}
IMAGES: Config = {"normalization": "half", "channels": 3, "augment": AUGMENT}
"""All sets alike: flips, crops of 32x32 from four pixels of padding, values in [-1, 1]."""

FASHION = "fashion_mnist"


def images(name: str, *, padded_test: bool = False, **options: Any) -> Config:
    """Return section ``data`` of a data set; small test images are padded where told."""
    section: Config = {"name": name, **IMAGES, **options}
    if padded_test and name in (FASHION, "mnist"):
        section["test_padding"] = 2
    return section


def pruning(train: Config, scope: str, **options: Any) -> Config:
    """Return section ``find`` of iterative magnitude pruning with late resetting.

    The sparsity is not in it: configs sweep over that.
    """
    find: Config = {
        "name": "imp",
        "fraction_per_round": RATE,
        "scope": scope,
        "count": "percentile",
        "train": train,
        "rewind": {"to": "epoch", "epoch": LATE_EPOCH - 1, "scope": "all", "restart": True},
    }
    return find | options
