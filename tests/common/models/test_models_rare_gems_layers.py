"""Rare Gems' networks, layer by layer in the order of the forward pass, without biases."""

import pytest
import torch
from torch import nn

from common.models import build_model, prunable_parameters, shortcut_weights
from common.models.prunable import CONV_TYPES

BARE = {"bn_affine": False, "classifier_bias": False}


def cifar_resnet(width, blocks, num_classes):
    """Return the sizes of a CIFAR ResNet of basic blocks without shortcut weights."""
    w1, w2, w3 = width, 2 * width, 4 * width
    stages = [
        *[9 * w1 * w1] * (2 * blocks),
        *[9 * w1 * w2, *[9 * w2 * w2] * (2 * blocks - 1)],
        *[9 * w2 * w3, *[9 * w3 * w3] * (2 * blocks - 1)],
    ]
    return [27 * width, *stages, w3 * num_classes]


def mobilenet_v2(num_classes):
    """Return the sizes of MobileNet-V2; shortcuts come last in their block."""
    groups = [
        *[(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2)],
        *[(6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)],
    ]
    sizes, channels = [3 * 32 * 9], 32
    for expansion, out, repeats, first_stride in groups:
        for stride in [first_stride, *[1] * (repeats - 1)]:
            hidden = expansion * channels
            sizes += [channels * hidden, 9 * hidden, hidden * out]
            if stride == 1 and channels != out:
                sizes.append(channels * out)
            channels = out
    return [*sizes, 320 * 1280, 1280 * num_classes]


def wide_resnet(num_classes):
    """Return the sizes of the wide ResNet 28-2."""
    sizes = [432]
    for before, after in ((16, 32), (32, 64), (64, 128)):
        sizes += [9 * before * after, 9 * after * after, before * after]
        sizes += [9 * after * after] * 6
    return [*sizes, 128 * num_classes]


def resnet18(stem, num_classes):
    """Return the sizes of ResNet-18 with a stem of so many weights."""
    sizes = [stem, *[9 * 64 * 64] * 4]
    for width in (128, 256, 512):
        full = 9 * width * width
        sizes += [full // 2, full, width * width // 2, full, full]
    return [*sizes, 512 * num_classes]


def resnet50(num_classes):
    """Return the sizes of ResNet-50 with the large stem."""
    sizes, channels = [3 * 64 * 49], 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            sizes += [channels * width, 9 * width * width, 4 * width * width]
            if block == 0:
                sizes.append(4 * channels * width)
            channels = 4 * width
    return [*sizes, 2048 * num_classes]


VGG16 = [1728, 36864, 73728, 147456, 294912, *[589824] * 2, 1179648, *[2359296] * 5, 5120]
LARGE = {"stem": "imagenet"}
NETWORKS = [
    ("resnet20", 10, {"shortcut": "A"}, cifar_resnet(16, 3, 10)),
    ("resnet32", 100, {"shortcut": "A"}, cifar_resnet(16, 5, 100)),
    ("resnet32_w32", 100, {"shortcut": "A"}, cifar_resnet(32, 5, 100)),
    ("mobilenet_v2", 10, {}, mobilenet_v2(10)),
    ("vgg16", 10, {}, VGG16),
    ("wide_resnet28_2", 10, {}, wide_resnet(10)),
    ("resnet18", 10, {}, resnet18(27 * 64, 10)),
    ("resnet18", 200, LARGE, resnet18(147 * 64, 200)),
    ("resnet50", 1000, LARGE, resnet50(1000)),
    ("resnet50", 200, LARGE, resnet50(200)),
    ("resnet50", 101, LARGE, resnet50(101)),
]


@pytest.mark.parametrize("classifier", ["linear", "conv"])
@pytest.mark.parametrize(("name", "num_classes", "options", "expected"), NETWORKS)
def test_sizes_in_the_order_of_layers(name, num_classes, options, expected, classifier):
    with torch.device("meta"):
        model = build_model(name, num_classes=num_classes, classifier=classifier, **options, **BARE)
    assert [weight.numel() for weight in prunable_parameters(model).values()] == expected


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet20", {"shortcut": "A", "width": 4}),
        ("mobilenet_v2", {"width_mult": 0.06}),
        ("vgg16", {"width_mult": 0.06}),
        ("wide_resnet28_2", {"width": 4}),
        ("resnet18", {"width": 4}),
        ("resnet50", {"width": 4, **LARGE}),
        ("resnet50", {"width": 4, **LARGE, "head": "two_layer", "head_width": 3}),
    ],
)
def test_the_order_of_registration_is_that_of_the_forward_pass(name, options):
    model = build_model(name, num_classes=5, classifier="conv", **options).eval()
    ran = []
    for layer, module in model.named_modules():
        if isinstance(module, (*CONV_TYPES, nn.Linear)):
            module.register_forward_hook(
                lambda _m, _i, _o, layer=layer: ran.append(f"{layer}.weight")
            )
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32))
    assert ran == list(prunable_parameters(model))


@pytest.mark.parametrize(
    ("name", "options", "sizes"),
    [
        ("resnet20", {"shortcut": "A"}, []),
        ("mobilenet_v2", {}, [32 * 16, 16 * 24, 64 * 96, 160 * 320]),
        ("wide_resnet28_2", {}, [512, 2_048, 8_192]),
        ("resnet18", LARGE, [8_192, 32_768, 131_072]),
        ("resnet50", LARGE, [16_384, 131_072, 524_288, 2_097_152]),
    ],
)
def test_a_convolutional_classifier_is_no_shortcut(name, options, sizes):
    with torch.device("meta"):
        model = build_model(name, num_classes=10, classifier="conv", **options, **BARE)
    weights = prunable_parameters(model)
    assert [weights[shortcut].numel() for shortcut in shortcut_weights(model)] == sizes
