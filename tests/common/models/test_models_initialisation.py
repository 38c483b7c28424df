"""The initial weights have the distributions that the papers give them."""

import math

import pytest
import torch
from torch import nn

from common.errors import UserError
from common.models import SCHEMES, build_model, initialise, prunable_parameters
from common.models.draws import Fans, to_signed_constant


class Probe(nn.Module):
    """A convolution and a linear layer large enough to see a distribution, and norm layers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(64, 128, 3)
        self.norm = nn.BatchNorm2d(128)
        self.groups = nn.GroupNorm(4, 128)
        self.linear = nn.Linear(400, 200)


def drawn(scheme, seed=0, **options):
    model = Probe()
    initialise(model, scheme, torch.Generator().manual_seed(seed), **options)
    return model


def std(tensor):
    return tensor.detach().double().pow(2).mean().sqrt().item()


CONV_IN, CONV_OUT, LINEAR_IN, LINEAR_OUT = 576, 1152, 400, 200
XAVIER_CONV = math.sqrt(2 / (CONV_IN + CONV_OUT))
XAVIER_LINEAR = math.sqrt(2 / (LINEAR_IN + LINEAR_OUT))
DEFAULT_LINEAR = math.sqrt(1 / (3 * LINEAR_IN))


@pytest.mark.parametrize(
    ("scheme", "conv", "linear"),
    [
        ("torch_default", math.sqrt(1 / (3 * CONV_IN)), DEFAULT_LINEAR),
        ("grasp", math.sqrt(2 / CONV_OUT), 0.01),
        ("su_vgg", math.sqrt(2 / CONV_IN), 0.01),
        ("kaiming_normal", math.sqrt(2 / CONV_IN), math.sqrt(2 / LINEAR_IN)),
        ("kaiming_normal_fan_out", math.sqrt(2 / CONV_OUT), DEFAULT_LINEAR),
        ("vgg_fan_out", math.sqrt(2 / CONV_OUT), DEFAULT_LINEAR),
        ("kaiming_uniform", math.sqrt(2 / CONV_IN), math.sqrt(2 / LINEAR_IN)),
        ("xavier_normal", XAVIER_CONV, XAVIER_LINEAR),
        ("xavier_conv", XAVIER_CONV, DEFAULT_LINEAR),
        ("xavier_noisy", XAVIER_CONV, XAVIER_LINEAR),
        ("xavier_constant", XAVIER_CONV, XAVIER_LINEAR),
        ("signed_constant", math.sqrt(2 / CONV_IN), math.sqrt(2 / LINEAR_IN)),
        ("unsigned_constant", math.sqrt(2 / CONV_IN), math.sqrt(2 / LINEAR_IN)),
        ("signed_constant_empirical", math.sqrt(2 / CONV_IN), math.sqrt(2 / LINEAR_IN)),
    ],
)
def test_standard_deviation_of_the_weights(scheme, conv, linear):
    model = drawn(scheme)
    # 73,728 and 80,000 weights: three standard errors are 0.8 %.
    assert std(model.conv.weight) == pytest.approx(conv, rel=0.01)
    assert std(model.linear.weight) == pytest.approx(linear, rel=0.01)
    if scheme != "unsigned_constant":
        assert model.linear.weight.mean().item() == pytest.approx(0, abs=4 * linear / 80_000**0.5)


def test_every_scheme_is_listed_above():
    marks = test_standard_deviation_of_the_weights.pytestmark
    assert {case[0] for case in marks[0].args[1]} == set(SCHEMES)


@pytest.mark.parametrize("scheme", ["torch_default", "kaiming_uniform"])
def test_uniform_schemes_are_bounded(scheme):
    model = drawn(scheme)
    for weight in (model.conv.weight, model.linear.weight):
        assert weight.abs().max().item() == pytest.approx(math.sqrt(3) * std(weight), rel=0.01)


@pytest.mark.parametrize(
    "scheme", ["grasp", "su_vgg", "xavier_normal", "xavier_conv", "vgg_fan_out"]
)
def test_convolution_biases_are_zero(scheme):
    assert drawn(scheme).conv.bias.abs().sum() == 0


@pytest.mark.parametrize("scheme", ["grasp", "su_vgg", "xavier_normal"])
def test_classifier_bias_is_zero(scheme):
    assert drawn(scheme).linear.bias.abs().sum() == 0


@pytest.mark.parametrize(
    "scheme", ["torch_default", "kaiming_normal", "signed_constant", "signed_constant_empirical"]
)
def test_biases_as_the_framework(scheme):
    model = drawn(scheme)
    for bias, fan_in in ((model.conv.bias, CONV_IN), (model.linear.bias, LINEAR_IN)):
        bound = 1 / math.sqrt(fan_in)
        assert 0.9 * bound < bias.abs().max() <= bound
        assert std(bias) == pytest.approx(bound / math.sqrt(3), rel=0.15)


def test_norm_layers_restart_as_the_identity():
    model = Probe()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(5)
    model.norm(torch.ones(2, 128, 3, 3))
    initialise(model, "kaiming_normal", torch.Generator().manual_seed(0))
    for norm in (model.norm, model.groups):
        assert (norm.weight == 1).all()
        assert (norm.bias == 0).all()
    assert (model.norm.running_mean == 0).all()
    assert (model.norm.running_var == 1).all()
    assert model.norm.num_batches_tracked == 0


def test_noisy_norm_scales():
    model = drawn("xavier_noisy")
    assert std(model.norm.weight - 1) == pytest.approx(0.02, rel=0.25)
    assert (model.norm.bias == 0).all()
    assert std(model.linear.bias) == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize(
    ("layer", "magnitude"),
    [
        (nn.Conv2d(3, 16, 3), 0.272166),
        (nn.Conv2d(16, 16, 3), 0.117851),
        (nn.Conv2d(32, 16, 3), 0.083333),
        (nn.Conv2d(64, 16, 3), 0.058926),
        (nn.Conv2d(64, 10, 1), 0.176777),
        (nn.Linear(64, 10), 0.176777),
        (nn.Conv2d(24, 24, 3, groups=24), 0.471405),
        (nn.Conv2d(3, 64, 7), 0.116642),
        (nn.Conv2d(512, 10, 1), 0.0625),
        (nn.Linear(512, 10), 0.0625),
    ],
)
def test_magnitude_of_the_constants(layer, magnitude):
    model = nn.Sequential(layer)
    initialise(model, "signed_constant", torch.Generator().manual_seed(0))
    assert layer.weight.abs().unique().numel() == 1
    assert layer.weight.abs().max().item() == pytest.approx(magnitude, abs=5e-7)
    assert layer.weight.sign().unique().tolist() == [-1, 1]
    initialise(model, "unsigned_constant", torch.Generator().manual_seed(0))
    assert layer.weight.min().item() == pytest.approx(magnitude, abs=5e-7)
    assert layer.weight.unique().numel() == 1


def test_signs_are_fair_coins():
    positive = (drawn("signed_constant").conv.weight > 0).double().mean().item()
    assert positive == pytest.approx(0.5, abs=4 * 0.5 / 73_728**0.5)


def test_empirical_constant_by_hand():
    weight = torch.tensor([0.3, -0.1, 0.2, -0.4], dtype=torch.float64)
    expected = torch.tensor([1.0, -1, 1, -1], dtype=torch.float64) * 0.316228
    torch.testing.assert_close(to_signed_constant(weight), expected, atol=5e-7, rtol=0)
    assert to_signed_constant(torch.tensor([0.0, 1.0, -1.0]))[0] == 0


def test_empirical_constant_is_the_kaiming_draw_made_constant():
    plain, constant = drawn("kaiming_normal"), drawn("signed_constant_empirical")
    for name in ("conv", "linear"):
        before = plain.get_submodule(name).weight.detach()
        after = constant.get_submodule(name).weight.detach()
        assert torch.equal(after, before.sign() * before.std(correction=1))


@pytest.mark.parametrize("scheme", ["signed_constant", "signed_constant_empirical"])
def test_scope_conv_leaves_linear_weights_normal(scheme):
    model = drawn(scheme, scope="conv")
    assert model.conv.weight.abs().unique().numel() == 1
    assert model.linear.weight.abs().unique().numel() > 10_000
    assert std(model.linear.weight) == pytest.approx(math.sqrt(2 / LINEAR_IN), rel=0.01)


@pytest.mark.parametrize(
    "scheme", ["kaiming_normal", "signed_constant", "signed_constant_empirical", "kaiming_uniform"]
)
def test_scaled_fan_multiplies_the_deviation_and_leaves_biases(scheme):
    plain, thinned = drawn(scheme), drawn(scheme, fan_scale=0.25)
    torch.testing.assert_close(thinned.conv.weight, 2 * plain.conv.weight)
    torch.testing.assert_close(thinned.linear.weight, 2 * plain.linear.weight)
    assert torch.equal(thinned.linear.bias, plain.linear.bias)


def test_bias_option():
    assert (drawn("kaiming_normal", bias="zero").linear.bias == 0).all()
    assert (drawn("kaiming_normal", bias=0.5).conv.bias == 0.5).all()
    assert drawn("grasp", bias="default").conv.bias.abs().max() > 0.5 / math.sqrt(CONV_IN)


def test_fans_of_a_grouped_convolution():
    assert Fans.of(nn.Conv2d(8, 12, 3, groups=4).weight.shape) == Fans(18, 108)


@pytest.mark.parametrize(
    ("name", "stds"),
    [
        (
            "conv2",
            {
                "features.conv1.weight": 0.272166,
                "features.conv2.weight": 0.0589256,
                "fc1.weight": 0.0110485,
                "fc2.weight": 0.0883883,
                "classifier.weight": 0.0883883,
            },
        ),
        ("conv4", {"features.conv4.weight": 0.0416667, "fc1.weight": 0.015625}),
        ("conv6", {"features.conv6.weight": 0.0294628, "fc1.weight": 0.0220971}),
    ],
)
def test_default_weights_of_the_conv_nets(name, stds):
    model = build_model(name, num_classes=10)
    parameters = dict(model.named_parameters())
    for key, expected in stds.items():
        tolerance = 4 / math.sqrt(2 * parameters[key].numel())
        assert std(parameters[key]) == pytest.approx(expected, rel=tolerance)
    bound = {"conv2": 0.0078125, "conv4": 0.0110485, "conv6": 0.015625}[name]
    assert 0.9 * bound < parameters["fc1.bias"].abs().max() <= bound * (1 + 1e-5)


@pytest.mark.parametrize(
    ("name", "options", "key", "expected"),
    [
        ("resnet32_w32", {}, "layer3.1.conv1.weight", math.sqrt(2 / (9 * 128))),
        ("resnet32_w32", {}, "classifier.weight", 0.01),
        ("vgg19", {"width_mult": 0.25}, "features.conv3.weight", math.sqrt(2 / (9 * 32))),
        (
            "vgg19",
            {"width_mult": 0.25, "conv_bias": True, "init": "su_vgg"},
            "features.conv3.weight",
            math.sqrt(2 / (9 * 16)),
        ),
        (
            "vgg19",
            {"width_mult": 0.25, "conv_bias": True, "init": "xavier_conv"},
            "features.conv3.weight",
            math.sqrt(2 / (9 * 16 + 9 * 32)),
        ),
        ("resnet20", {}, "layer3.1.conv1.weight", math.sqrt(2 / (9 * 64))),
        ("resnet18", {"width": 16}, "layer4.1.conv1.weight", math.sqrt(1 / (3 * 9 * 128))),
    ],
)
def test_default_and_chosen_schemes_of_models(name, options, key, expected):
    parameter = dict(build_model(name, num_classes=10, **options).named_parameters())[key]
    tolerance = 4 / math.sqrt(2 * parameter.numel())
    assert std(parameter) == pytest.approx(expected, rel=tolerance)


def test_initialise_again_gives_what_building_gave():
    model = build_model("resnet8", num_classes=10, init="signed_constant")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        for weight in prunable_parameters(model).values():
            weight.zero_()
    model(torch.ones(2, 3, 16, 16))
    initialise(model, "signed_constant", torch.Generator().manual_seed(0))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_initialise_leaves_no_trace_in_autograd():
    model = drawn("kaiming_normal")
    assert all(p.requires_grad and p.is_leaf and p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("scheme", "options", "message"),
    [
        ("kaimng_normal", {}, r"init: unknown name 'kaimng_normal'; did you mean 'kaiming_normal'"),
        ("grasp", {"scope": "conv"}, r"init_options of 'grasp': unknown name 'scope'"),
        ("grasp", {"bias": True}, r"init_options\.bias: True"),
        ("grasp", {"fan_scale": "big"}, r"init_options\.fan_scale: 'big'"),
    ],
)
def test_bad_schemes_and_options(scheme, options, message):
    with pytest.raises(UserError, match=message):
        initialise(Probe(), scheme, torch.Generator(), **options)
