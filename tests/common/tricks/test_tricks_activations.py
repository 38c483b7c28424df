"""Soft activations: their values, their way to ReLU, and that networks come back plain."""

import pytest
import torch
from torch import nn

from common.config.recipe import TrainConfig
from common.config.tricks import SoftActivationConfig
from common.errors import UserError
from common.models import build_model
from common.tricks import SOFT_ACTIVATIONS, Dressing, SoftActivation, swap_relus
from common.tricks.dressing import faded

POINTS = (-3.0, -1.0, -0.5, 0.5, 1.0, 3.0)
VALUES = {
    "swish": (-0.142278, -0.268941, -0.188770, 0.311230, 0.731059, 2.857722),
    "mish": (-0.145647, -0.303401, -0.220744, 0.375245, 0.865098, 2.986535),
    "pswish": (-0.007418, -0.119203, -0.134471, 0.365529, 0.880797, 2.992582),
    "gelu": (-0.004050, -0.158655, -0.154269, 0.345731, 0.841345, 2.995950),
    "lisht": (2.985164, 0.761594, 0.231059, 0.231059, 0.761594, 2.985164),
}


@pytest.mark.parametrize("name", sorted(VALUES))
def test_the_values_of_the_paper_s_functions(name):
    x = torch.tensor(POINTS, dtype=torch.float64)
    expected = torch.tensor(VALUES[name], dtype=torch.float64)
    assert torch.allclose(SoftActivation(name)(x), expected, atol=1e-6)


def test_parametric_swish_with_slope_3():
    expected = (-0.000370, -0.047426, -0.091213, 0.408787, 0.952574, 2.999630)
    found = SoftActivation("pswish", beta=3.0)(torch.tensor(POINTS, dtype=torch.float64))
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6)


def test_functions_that_the_original_defines_but_never_offers():
    x = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    bent = SOFT_ACTIVATIONS["bent_identity"](x)
    assert torch.allclose(bent[2], 2 + (torch.tensor(5.0).double().sqrt() - 1) / 2)
    smooth = SOFT_ACTIVATIONS["smooth_relu"](x)
    assert smooth[0] == 0
    assert torch.allclose(smooth[2], 2 - torch.log(torch.tensor(401.0).double()) / 200)
    kept = SOFT_ACTIVATIONS["smooth_gradient_relu"](x)
    assert torch.equal(kept, x.clamp(min=0))
    kept.sum().backward()
    assert torch.allclose(x.grad, torch.sigmoid(10 * x.detach()))


@pytest.mark.parametrize("name", sorted(set(SOFT_ACTIVATIONS) - {"smooth_gradient_relu"}))
def test_derivatives_agree_with_finite_differences(name):
    x = torch.tensor([-2.1, -0.7, 0.3, 1.9], dtype=torch.float64, requires_grad=True)
    fade = torch.tensor(0.3, dtype=torch.float64)
    for fading in ("none", "linear"):
        assert torch.autograd.gradcheck(SoftActivation(name, fading, fade), (x,))


def test_annealed_swish_has_slope_1_over_1_minus_u():
    soft = SoftActivationConfig(end=0.5)
    fade = torch.tensor(0.0, dtype=torch.float64)
    module = SoftActivation("swish", soft.fading, fade)
    x = torch.tensor(POINTS, dtype=torch.float64)
    for done, slope in ((0.25, 2.0), (0.4, 5.0)):
        fade.fill_(faded(soft, soft.fading, int(done * 1000), 1000, 100))
        assert torch.allclose(module(x), x * torch.sigmoid(slope * x))
    assert faded(soft, soft.fading, 500, 1000, 100) == 1.0


def test_a_fade_by_epochs_waits_for_the_next_epoch():
    by_epoch = SoftActivationConfig(end=0.5, per_step=False)
    assert faded(by_epoch, "beta", 199, 1000, 100) == faded(by_epoch, "beta", 100, 1000, 100) == 0.2
    assert faded(by_epoch, "step", 499, 1000, 100) == 0.0
    assert faded(by_epoch, "none", 1000, 1000, 100) == 0.0


def test_what_float32_cannot_tell_from_the_end_is_the_end():
    """A fade of 1 in float32 would give Swish an infinite slope, and 0 times that."""
    soft = SoftActivationConfig(end=0.33333334)
    assert faded(soft, "beta", 32, 96, 16) == 1.0
    assert 0.9 < faded(soft, "beta", 31, 96, 16) < 1.0


def test_a_network_without_relus_has_nothing_to_soften():
    recipe = TrainConfig.model_validate({"soft_activation": {}})
    with pytest.raises(UserError, match="has no ReLU modules"):
        Dressing(nn.Sequential(nn.Linear(2, 2)), recipe, 4, torch.device("cpu"))


@pytest.mark.parametrize("fading", ["linear", "beta"])
def test_just_before_the_end_it_is_nearly_relu(fading):
    x = torch.linspace(-4, 4, 81, dtype=torch.float64)
    almost = SoftActivation("swish", fading, torch.tensor(0.999, dtype=torch.float64))
    assert (almost(x) - x.clamp(min=0)).abs().max() < 1e-3


def test_every_relu_of_a_network_is_swapped_and_comes_back():
    model = build_model("resnet18", num_classes=10, width=4)
    modules = dict(model.named_modules())
    relus = sum(isinstance(module, nn.ReLU) for module in modules.values())
    names = set(model.state_dict())
    swap = swap_relus(model, "mish")
    assert swap.count == relus == 17
    assert not any(isinstance(module, nn.ReLU) for module in model.modules())
    assert set(model.state_dict()) == names
    swap.undo()
    assert dict(model.named_modules()) == modules


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "swich"}, "name"),
        ({"name": "mish", "decay": "beta"}, "decay 'beta' needs"),
        ({"start": 0.5, "end": 0.25}, "start must be below end"),
        ({"beta": 3.0}, "beta belongs to 'pswish'"),
        ({"decay": "none", "end": 0.5}, "no effect"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        SoftActivationConfig.model_validate(fields)


def test_an_unknown_name_has_the_nearest_one_in_its_error():
    with pytest.raises(UserError, match="did you mean 'swish'"):
        swap_relus(nn.Sequential(nn.ReLU()), "swich")
