"""The default options of a model give the weights they always gave: records depend on them."""

import hashlib

import pytest
import torch

from common.models import build_model


def digest(model):
    """Return a hash of all names, shapes and bytes of a state dict."""
    found = hashlib.sha256()
    for name, value in model.state_dict().items():
        found.update(f"{name}{tuple(value.shape)}".encode())
        found.update(value.numpy().tobytes())
    return found.hexdigest()[:16]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet20", "6e89498e5047620a"),
        ("vgg16", "fdb64926ef7dbed4"),
        ("resnet18", "79198679ab870def"),
    ],
)
def test_signed_constants_bit_for_bit(name, expected):
    # Their signs are integers, so they have the same bits on every processor.
    model = build_model(name, num_classes=10, init="signed_constant", classifier_bias=False)
    assert digest(model) == expected


@pytest.mark.parametrize(
    ("name", "layer", "expected"),
    [
        ("resnet20", "conv1", [-0.0695153, 0.1136902, -0.1778788]),
        ("resnet20", "classifier", [0.119856, -0.0242334, 0.0195609]),
        ("vgg16", "features.conv1", [-0.2419402, -0.1971485, 0.1172869]),
        ("vgg16", "classifier", [-0.0745763, 0.0149483, -0.0144073]),
        ("resnet18", "classifier", [-0.0321948, 0.0264269, 0.0230687]),
    ],
)
def test_some_weights_of_the_default_scheme(name, layer, expected):
    weight = build_model(name, num_classes=10).get_submodule(layer).weight.detach().flatten()
    torch.testing.assert_close(weight[-3:], torch.tensor(expected), atol=1e-6, rtol=1e-5)
