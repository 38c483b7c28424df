"""GradInit: worked numbers of one constraint and one objective step, bounds, and all options."""

import itertools

import pytest
import torch
from torch import nn

from common.config.tricks import LrsiConfig
from common.errors import RunFailedError, UserError
from common.models import build_model
from common.tricks import learn_scales, scale_weights
from common.tricks.gradinit import CONSTRAINT, OBJECTIVE, ScaleOptimizer


def two_weights(dtype=torch.float64):
    """A softmax over two logits that are the weights themselves."""
    layer = nn.Linear(1, 2, bias=False, dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0], [2.0]]))
    return layer


def same_batch(dtype=torch.float64):
    return itertools.repeat((torch.ones(1, 1, dtype=dtype), torch.zeros(1, dtype=torch.int64)))


def images(model, count=8, side=16, seed=0):
    draw = torch.Generator().manual_seed(seed)
    while True:
        yield (
            torch.randn(count, 3, side, side, generator=draw),
            torch.randint(0, 10, (count,), generator=draw),
        )


def test_a_constraint_step_of_the_worked_example():
    model = two_weights()
    found = learn_scales(model, same_batch(), LrsiConfig(gamma=1.0, iters=1))
    assert found.norms == [pytest.approx(1.033873, abs=1e-6)]
    assert (found.constraint_steps, found.objective_steps) == (1, 0)
    assert found.scales["weight"] == pytest.approx(0.99, abs=1e-6)
    assert torch.allclose(model.weight.flatten(), torch.tensor([0.99, 1.98]).double(), atol=1e-6)


def test_an_objective_step_of_the_worked_example():
    found = learn_scales(two_weights(), same_batch(), LrsiConfig(gamma=None, iters=1))
    assert found.objectives == [pytest.approx(12.118827, abs=1e-6)]
    assert found.scales["weight"] == pytest.approx(0.99, abs=1e-6)


def test_the_factors_derivative_agrees_with_finite_differences():
    """Without clipping and Adam's root the sign alone would be tested: look at s itself."""
    seen = []

    class Watched(ScaleOptimizer):
        def step(self, derivatives, kind):
            seen.append(derivatives.clone())
            super().step(derivatives, kind)

    import common.tricks.gradinit as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ScaleOptimizer", Watched)
        learn_scales(two_weights(), same_batch(), LrsiConfig(iters=1))
        learn_scales(two_weights(), same_batch(), LrsiConfig(gamma=None, iters=1))
    assert float(seen[0]) == pytest.approx(0.278051, abs=1e-6)
    assert float(seen[1]) == pytest.approx(7.023636, abs=1e-6)

    def norm(factor):
        weights = factor * torch.tensor([1.0, 2.0]).double()
        loss_gradient = torch.softmax(weights, 0) - torch.tensor([1.0, 0.0]).double()
        return float(loss_gradient.norm())

    assert (norm(1 + 1e-6) - norm(1 - 1e-6)) / 2e-6 == pytest.approx(0.278051, abs=1e-5)


def test_the_sequence_of_both_kinds_of_steps():
    optimizer = ScaleOptimizer(
        ["weight"], torch.ones(1, dtype=torch.float64), lr=0.01, min_scale=0.01, clip=1.0
    )
    steps = [(CONSTRAINT, 0.5), (OBJECTIVE, 1.0), (OBJECTIVE, -1.0), (CONSTRAINT, 0.5)]
    found = []
    for kind, s in steps:
        optimizer.step(torch.tensor([s], dtype=torch.float64), kind)
        found.append(float(optimizer.alpha))
    assert found == pytest.approx([0.99, 0.97735279, 0.97796042, 0.97163587], abs=1e-8)


def test_identical_steps_move_a_factor_by_lr_each():
    optimizer = ScaleOptimizer(
        ["weight"], torch.ones(1, dtype=torch.float64), lr=0.01, min_scale=0.01, clip=0.0
    )
    for _ in range(20):
        optimizer.step(torch.tensor([3.0], dtype=torch.float64), OBJECTIVE)
    assert float(optimizer.alpha) == pytest.approx(1 - 20 * 0.01, abs=1e-6)


def test_factors_have_bounds_and_what_is_zero_is_never_scaled():
    names = ["a.weight", "a.bias", "b.bias"]
    norms = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    optimizer = ScaleOptimizer(names, norms, lr=0.3, min_scale=0.25, clip=1.0)
    for _ in range(10):
        optimizer.step(torch.ones(3, dtype=torch.float64), OBJECTIVE)
    assert optimizer.alpha.tolist() == [0.25, 0.0, 1.0]
    optimizer.step(-torch.ones(3, dtype=torch.float64), OBJECTIVE)
    assert optimizer.alpha[1] == 0.0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alg": "adam", "gamma": 10.0},
        {"normalize_grad": False, "gamma": None},
        {"no_overlap": True, "gamma": None},
        {"mask_gradients": True},
        {"grad_clip": 0.0, "min_scale": 0.5, "eta": 0.01, "lr": 0.1},
    ],
    ids=str,
)
def test_it_scales_tensors_as_a_whole_and_leaves_all_else_alone(options):
    model = build_model("resnet8", num_classes=10).train()
    masks = {}
    draw = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.dim() == 4:
            masks[name] = torch.rand(parameter.shape, generator=draw) < 0.1
            parameter.data *= masks[name]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    config = LrsiConfig(iters=4, **options)
    found = learn_scales(model, images(model), config, masks=masks)
    assert found.constraint_steps + found.objective_steps == 4
    assert model.training
    for name, value in model.state_dict().items():
        factor = found.scales.get(name, 1.0)
        assert torch.allclose(value.float(), before[name].float() * factor, rtol=1e-6), name
    for name in masks:
        assert torch.equal(model.get_parameter(name) == 0, before[name] == 0)
    biases = [name for name in found.scales if "bn" in name and name.endswith("bias")]
    assert biases and all(found.scales[name] == 1.0 for name in biases)
    assert any(factor != 1.0 for factor in found.scales.values())


def test_masked_gradients_are_those_of_the_kept_weights():
    """A removed weight's gradient counts in the norm unless the options say otherwise."""
    model = two_weights()
    mask = {"weight": torch.tensor([[True], [False]])}
    with torch.no_grad():
        model.weight.mul_(mask["weight"])
    state = {name: value.clone() for name, value in model.state_dict().items()}
    norms = []
    for masked in (False, True):
        model.load_state_dict(state)
        config = LrsiConfig(iters=1, mask_gradients=masked, gamma=None)
        norms += learn_scales(model, same_batch(), config, masks=mask).norms
    assert norms[0] == pytest.approx(norms[1] * 2**0.5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18", {"width": 4}),
        ("resnet50", {"width": 4}),
        ("resnet8", {}),
        ("vgg11", {"width_mult": 0.125}),
        ("vgg16_bn", {"width_mult": 0.125}),
        ("mobilenet_v1", {"width_mult": 0.25}),
        ("mobilenet_v2", {"width_mult": 0.25}),
        ("small_cnn", {}),
        ("wide_resnet28_2", {"width": 4}),
        ("alexnet", {"width_mult": 0.125, "image_size": 32}),
        ("fc", {"image_size": 32}),
        ("conv4", {"width_mult": 0.125}),
    ],
)
def test_it_works_on_every_family(name, options):
    model = build_model(name, num_classes=10, **options)
    found = learn_scales(model, images(model, side=32), LrsiConfig(iters=2))
    assert set(found.scales) == {n for n, _ in model.named_parameters()}
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_learned_factors_can_be_put_on_again():
    first, second = (build_model("resnet8", num_classes=10) for _ in range(2))
    found = learn_scales(first, images(first), LrsiConfig(iters=3))
    scale_weights([second], found.scales)
    for name, value in first.named_parameters():
        assert torch.allclose(value, second.get_parameter(name), rtol=1e-6)
    with pytest.raises(UserError, match="another network's"):
        scale_weights([build_model("vgg11", num_classes=10)], found.scales)


def test_an_objective_that_is_not_finite_is_a_failed_run_with_its_reason():
    config = LrsiConfig(gamma=None, eta=1e-320, normalize_grad=False, iters=1)
    with pytest.raises(RunFailedError, match="the loss after the look-ahead step is not finite"):
        learn_scales(two_weights(), same_batch(), config)


def test_what_makes_no_sense_is_refused():
    for fields, words in (
        ({"alg": "adam", "normalize_grad": False}, "normalize_grad"),
        ({"mask_gradients": True, "order": "scale_then_mask"}, "mask_gradients"),
        ({"gamma": 0.0}, "gamma"),
        ({"resume": "no/such/file"}, "no such file"),
    ):
        with pytest.raises(ValueError, match=words):
            LrsiConfig.model_validate(fields)
