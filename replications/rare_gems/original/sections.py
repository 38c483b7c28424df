"""The sections of a run that do not hang on its method: images, network, recipes."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from common.errors import UserError
from replications.rare_gems.original.given import Given

Section = dict[str, Any]


@dataclass(frozen=True)
class Network:
    """A network of the original: its name and options here.

    Attributes:
        name: of our model.
        options: those that make the same layers.
        large: with the stem for large images, whose shortcuts are not pruned.
        plain: without batch norm and with a bias in every layer, if asked for.
    """

    name: str
    options: Section = field(default_factory=dict)
    large: bool = False
    plain: bool = False


NETWORKS = {
    "resnet20": Network("resnet20", {"shortcut": "A"}),
    "resnet32": Network("resnet32", {"shortcut": "A"}),
    "resnet32_double": Network("resnet32_w32", {"shortcut": "A"}),
    "MobileNetV2": Network("mobilenet_v2"),
    "vgg16": Network("vgg16"),
    "WideResNet28": Network("wide_resnet28_2"),
    "cResNet18": Network("resnet18", {"stem": "cifar"}),
    "cResNet50": Network("resnet50", {"stem": "cifar"}),
    "TinyResNet18": Network("resnet18", {"stem": "imagenet"}, large=True),
    "ResNet18": Network("resnet18", {"stem": "imagenet"}, large=True),
    "ResNet50": Network("resnet50", {"stem": "imagenet"}, large=True),
    "ResNet101": Network("resnet101", {"stem": "imagenet"}, large=True),
    **{name: Network(name.lower(), plain=True) for name in ("Conv2", "Conv4", "Conv6")},
}

CROPS = {"crop_padding": 4, "horizontal_flip": True}
DATA: dict[str, Section] = {
    "cifar10": {"normalization": "rounded", "augment": CROPS},
    "cifar100": {"normalization": "legacy", "augment": CROPS},
    "tiny_imagenet_half": {"normalization": "rounded", "augment": CROPS},
    "caltech101": {"normalization": "default", "augment": None},
    "imagenet": {"normalization": "default", "augment": {"crop": "resized"}, "stream": True},
    "mnist": {"normalization": "default", "augment": None},
}
HELD_OUT = {"cifar10": 5000, "cifar100": 5000, "mnist": 5000, "imagenet": 10000}
"""Validation images that the original takes from the training set, unless use_full_data is true."""


def network(given: Given) -> Network:
    """Return the network that ``arch`` names."""
    if "arch" not in given:
        raise UserError(
            "arch: is missing, and the original's default, TwoLayerFC, is no network of the paper "
            f"(known: {', '.join(NETWORKS)})"
        )
    return NETWORKS[given["arch"]]


def model_section(given: Given) -> Section:
    """Return the section ``model``: the network, its norm layers, its head and its weights."""
    chosen = network(given)
    section: Section = {"name": chosen.name, **chosen.options}
    if chosen.plain:
        section["bias"] = given["bias"]
        if given["arch"] == "Conv4":
            section["width_mult"] = float(given["width"])
        if given["dataset"] == "mnist":
            section["image_size"] = 28
    elif given["bias"]:
        raise UserError(f"bias: true is refused: {given['arch']} has no biases here")
    elif given["transfer_learning"]:
        section |= _pretrained(given, chosen)
    else:
        if "bn_type" not in given:
            given.notes.append("bn_type: not given; NonAffineBatchNorm, as in the paper's runs")
        affine = bool(given["bn_type"])
        section |= {"bn_affine": affine, "classifier": "conv", "classifier_bias": False}
    # Asked for, since other values than these are refused already.
    _ = given["mode"], given["nonlinearity"]
    section["init"] = given["init"]
    if given["scale_fan"]:
        scale = float(1 - Decimal(str(given["prune_rate"])))
        if scale <= 0:
            raise UserError(
                f"scale_fan: true makes the fans 0 with prune_rate {given['prune_rate']}"
            )
        section["init_options"] = {"fan_scale": scale}
        given.notes.append(
            f"scale_fan: the fans are multiplied by 1 - prune_rate = {scale:g}, as in the original "
            "when it builds the network; the paper's Gem-Miner runs have false"
        )
    return section


def _pretrained(given: Given, chosen: Network) -> Section:
    """Return the options of the Caltech-101 runs: published weights, dropout, a new head."""
    if not chosen.large:
        raise UserError(
            f"transfer_learning: true is refused: there are no published weights for "
            f"{given['arch']}, but for ResNet18, ResNet50, ResNet101"
        )
    if "bn_type" in given and not given["bn_type"]:
        raise UserError(
            "bn_type: transfer_learning keeps the published norm layers, so it must be "
            "AffineBatchNorm"
        )
    return {
        "bn_affine": True,
        "classifier": "conv",
        "classifier_bias": given["bias_fc"],
        "dropout": 0.4,
        "head": "two_layer" if given["uv_decomp"] else "linear",
        "pretrained": "imagenet1k_v1",
    }


def data_section(given: Given) -> Section:
    """Return the section ``data``: the images, their constants, how many are held out."""
    if "dataset" not in given:
        raise UserError(
            "dataset: is missing, and the original's default, MNIST, is none of the paper's"
        )
    name = given["dataset"]
    validation = 0 if given["use_full_data"] else HELD_OUT.get(name, 0)
    if validation and "use_full_data" not in given:
        given.notes.append(
            f"use_full_data: not given, so {validation:,} training images are held out, as in the "
            "original; the paper's results are those of true"
        )
    return {"name": name, **DATA[name], "validation": validation}


def recipe(given: Given, epochs: int, *, fine_tune: bool) -> Section:
    """Return a recipe: of the search (or the one training there is), or of the fine-tuning."""
    before = "fine_tune_" if fine_tune else ""
    section: Section = {
        "epochs": epochs,
        "batch_size": given["batch_size"],
        "optimizer": given[f"{before}optimizer"],
        "lr": float(given[f"{before}lr"]),
    }
    momentum, nesterov = given["momentum"], given["nesterov"]
    if section["optimizer"] == "sgd":
        section["momentum"] = float(momentum)
        section |= {"nesterov": True} if nesterov else {}
    section["weight_decay"] = float(given["fine_tune_wd" if fine_tune else "wd"])
    section["schedule"] = given[f"{before}lr_policy"] or "constant"
    if section["schedule"] == "multistep":
        section |= _steps(given, epochs)
    if given["label_smoothing"]:
        section["label_smoothing"] = float(given["label_smoothing"])
    return section


def _steps(given: Given, epochs: int) -> Section:
    section: Section = {}
    if "milestones" in given:
        section["milestones"] = given["milestones"]
        given.notes.append("milestones: the original parses and ignores them; here they work")
    gamma = given["gamma"] if "gamma" in given or epochs != 6 else given["lr_gamma"]
    if epochs != 6 and given["lr_gamma"] != 0.1:
        raise UserError(
            f"lr_gamma: {given['lr_gamma']} is refused: the original reads it in trainings of 6 "
            "epochs only; gamma works here"
        )
    if gamma != 0.1:
        section["gamma"] = float(gamma)
        given.notes.append(f"gamma: multistep schedules fall by a factor of {gamma:g} here")
    return section
