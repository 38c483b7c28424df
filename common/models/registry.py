"""Every model by its name: how it is built, its options, and its default initialisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from common.errors import UserError, nearest, unknown_name
from common.models.alexnet import AlexNet
from common.models.conv import LeNet5, PairedConvNet, SmallCNN
from common.models.fully_connected import FullyConnected
from common.models.initialisation import initialise, resolve_scheme
from common.models.mobilenet import MobileNetV1, MobileNetV2
from common.models.options import (
    Option,
    choice,
    count,
    factor,
    flag,
    fraction,
    is_count,
    optional_choice,
    sizes,
)
from common.models.released import RELEASES, Released
from common.models.resnet import ResNet
from common.models.resnet_cifar import CifarResNet
from common.models.vgg import VGG
from common.models.wide_resnet import WideResNet28x2


@dataclass(frozen=True)
class ModelSpec:
    """One model of the registry.

    Args:
        build: called with ``num_classes``, ``in_channels`` and all options by keyword.
        options: the options that ``build`` takes, with their defaults and allowed values.
        init: the initialisation scheme used where the option ``init`` names no other.
        description: one line for people.
        released: the published weights that the option ``pretrained`` names, where there are any.
    """

    build: Callable[..., nn.Module]
    options: Mapping[str, Option]
    init: str
    description: str
    released: Released | None = None


#: What every model with batch norm, a global pool and one layer behind it takes.
_POOLED = {
    "bn_affine": flag(True),
    "classifier": choice("linear", "conv"),
    "classifier_bias": flag(True),
}


def _vgg(plan: str, conv_bias: bool, init: str, description: str) -> ModelSpec:
    options = {
        "width_mult": factor(1.0),
        "conv_bias": flag(conv_bias),
        "batch_norm": flag(True),
        **_POOLED,
    }
    return ModelSpec(partial(VGG, plan=plan), options, init, description)


def _cifar_resnet(depth: int, width: int, init: str) -> ModelSpec:
    options = {
        "width": count(width),
        "shortcut": choice("B", "A"),
        "bottleneck": flag(depth >= 54),
        **_POOLED,
    }
    description = f"CIFAR ResNet of depth {depth}, widths {width}, {2 * width} and {4 * width}"
    return ModelSpec(partial(CifarResNet, depth=depth), options, init, description)


def _untrained_resnet(*, pretrained: object, **options: Any) -> ResNet:
    """Build a ResNet; ``build_model`` loads published weights after it has drawn the others."""
    return ResNet(**options)


def _resnet(depth: int) -> ModelSpec:
    options = {
        "width": count(64),
        "stem": choice("cifar", "imagenet"),
        "shortcut": choice("B", "A"),
        **_POOLED,
        "dropout": fraction(0.0),
        "head": choice("linear", "two_layer"),
        "head_width": count(512),
        "pretrained": optional_choice(*RELEASES),
    }
    build = partial(_untrained_resnet, depth=depth)
    description = f"four-stage ResNet of depth {depth}"
    return ModelSpec(build, options, "torch_default", description, Released(depth))


def _conv_net(widths: tuple[int, ...]) -> ModelSpec:
    options = {"width_mult": factor(1.0), "image_size": count(32), "bias": flag(True)}
    description = f"{2 * len(widths)} convolutions and three linear layers, no batch norm"
    return ModelSpec(partial(PairedConvNet, widths=widths), options, "kaiming_normal", description)


_MOBILENET = {"width_mult": factor(1.0), **_POOLED}

MODELS: dict[str, ModelSpec] = {
    "vgg11": _vgg("vgg11", False, "grasp", "VGG11, eight convolutions, one linear layer"),
    "vgg16": _vgg("vgg16", False, "kaiming_normal", "VGG16, 13 convolutions, one linear layer"),
    "vgg16_bn": _vgg("vgg16", True, "grasp", "VGG16 whose convolutions have biases"),
    "vgg19": _vgg("vgg19", False, "grasp", "VGG19, 16 convolutions, one linear layer"),
    **{
        f"resnet{depth}": _cifar_resnet(depth, 16, "kaiming_normal_fan_out")
        for depth in (8, 14, 20, 32, 44, 56, 104, 110)
    },
    **{f"resnet{depth}_w32": _cifar_resnet(depth, 32, "grasp") for depth in (8, 32, 56)},
    **{f"resnet{depth}": _resnet(depth) for depth in (18, 34, 50, 101, 152)},
    "wide_resnet28_2": ModelSpec(
        WideResNet28x2,
        {"width": count(16), **_POOLED},
        "kaiming_normal",
        "wide ResNet 28-2 with pre-activation blocks",
    ),
    "mobilenet_v1": ModelSpec(
        MobileNetV1, _MOBILENET, "torch_default", "MobileNet-V1, 13 depthwise-separable pairs"
    ),
    "mobilenet_v2": ModelSpec(
        MobileNetV2, _MOBILENET, "kaiming_normal", "MobileNet-V2, 17 inverted residual blocks"
    ),
    "alexnet": ModelSpec(
        AlexNet,
        {"width_mult": factor(1.0), "image_size": count(32), "dropout": fraction(0.5)},
        "xavier_conv",
        "AlexNet with 3x3 convolutions and dropout",
    ),
    "conv2": _conv_net((64,)),
    "conv4": _conv_net((64, 128)),
    "conv6": _conv_net((64, 128, 256)),
    "small_cnn": ModelSpec(
        SmallCNN,
        {"width": count(12), **_POOLED},
        "kaiming_normal_fan_out",
        "six convolutions, for runs of seconds on one core",
    ),
    "lenet5": ModelSpec(
        LeNet5,
        {"variant": choice("cifar", "mnist"), "image_size": count(32)},
        "xavier_noisy",
        "LeNet-5 (cifar) or a wide relative of it (mnist)",
    ),
    "fc": ModelSpec(
        FullyConnected,
        {"hidden": sizes(300, 100), "image_size": count(28), "bias": flag(True)},
        "kaiming_normal",
        "fully connected, hidden layers of 300 and 100",
    ),
}


def model_names() -> list[str]:
    """Return the names of all models, sorted."""
    return sorted(MODELS)


def model_options(name: str) -> dict[str, object]:
    """Return the options of a model and their defaults, ``init`` and ``init_options`` included.

    Raises:
        UserError: no such model.
    """
    spec = _spec(name)
    defaults = {option: declared.default for option, declared in spec.options.items()}
    return {**defaults, "init": spec.init, "init_options": {}}


def check_options(name: str, options: Mapping[str, object]) -> None:
    """Check a model's name and options without building it.

    Raises:
        UserError: an unknown model or option, or a value that is not allowed.
    """
    _split_options(name, _spec(name), options)


def build_model(
    name: str,
    *,
    num_classes: int,
    in_channels: int = 3,
    generator: torch.Generator | None = None,
    **options: object,
) -> nn.Module:
    """Build a model and draw its initial weights.

    The same generator state gives the same weights, whatever the global random state, which stays
    as it is. Inside ``with torch.device("meta")`` only shapes are made.

    Args:
        name: a model of the registry, as listed by ``model_names``.
        num_classes: number of outputs, at least 2.
        in_channels: channels of the images.
        generator: a CPU generator; None means a fresh one with seed 0.
        options: options of that model, as listed by ``model_options``. Every model takes ``init``
            (a scheme of ``common.models.initialisation``) and ``init_options`` (its options).
            Where a model takes ``pretrained``, the scheme draws what is not loaded.

    Returns:
        A plain module in training mode that maps images (N, in_channels, H, W) to logits
        (N, num_classes); its last layer is called ``classifier``.

    Raises:
        UserError: an unknown model or option, or a value that is not allowed; or published
            weights that are not there and cannot be fetched.
    """
    spec = _spec(name)
    if not is_count(num_classes) or num_classes < 2:
        raise UserError(f"model.num_classes: {num_classes!r} is not an integer of at least 2")
    if not is_count(in_channels):
        raise UserError(f"model.in_channels: {in_channels!r} is not a positive integer")
    init, init_options, own = _split_options(name, spec, options)
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        # What a constructor draws is drawn again below; a fixed state keeps it from mattering.
        torch.default_generator.manual_seed(0)
        model = spec.build(num_classes=num_classes, in_channels=in_channels, **own)
    initialise(model, init, generator, **init_options)
    if spec.released is not None:
        spec.released.load(model, own)
    return model


def _spec(name: str) -> ModelSpec:
    if name not in MODELS:
        raise unknown_name("model.name", name, MODELS)
    return MODELS[name]


def _split_options(
    name: str, spec: ModelSpec, options: Mapping[str, object]
) -> tuple[str, Mapping[str, object], dict[str, object]]:
    """Return the scheme, its options, and the model's own options filled up with defaults."""
    allowed = [*spec.options, "init", "init_options"]
    for option in options:
        if option not in allowed:
            guess = nearest(option, allowed)
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise UserError(
                f"model.{option}: {name} has no such option{hint} "
                f"(known: {', '.join(sorted(allowed))})"
            )
    own = {option: options.get(option, known.default) for option, known in spec.options.items()}
    for option, value in own.items():
        spec.options[option].check(f"model.{option}", value)
    if spec.released is not None:
        spec.released.check(own)
    init = options.get("init", spec.init)
    if not isinstance(init, str):
        raise UserError(f"model.init: {init!r} is not the name of a scheme")
    init_options = options.get("init_options", {})
    if not isinstance(init_options, Mapping):
        raise UserError(f"model.init_options: {init_options!r} is not a table of options")
    resolve_scheme(init, init_options, "model.init")
    return init, init_options, own
