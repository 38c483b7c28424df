"""Optimisers, and that removed weights stay at exactly zero."""

import copy

import pytest
import torch
import torch.nn.functional as F

from common.config import TrainConfig
from common.errors import UserError
from common.training import MaskKeeper, build_optimizer, train
from common.training.step import EagerStep, Meters

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
HARSH = TrainConfig(epochs=3, lr=0.2, momentum=0.9, weight_decay=1e-2, batch_size=20)


def one_parameter(**fields):
    """Return a weight of 2 after each of two steps with gradient 1."""
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = build_optimizer(TrainConfig(**fields), [weight])
    values = []
    for _ in range(2):
        weight.grad = torch.ones(1)
        optimizer.step()
        values.append(weight.item())
    return values


def test_sgd_with_momentum_and_weight_decay():
    # Buffer: g1 = 1 + 0.1 * 2; then 0.5 * g1 + 1 + 0.1 * w1; no dampening.
    first = 2 - 0.1 * 1.2
    second = first - 0.1 * (0.5 * 1.2 + 1 + 0.1 * first)
    found = one_parameter(lr=0.1, momentum=0.5, weight_decay=0.1)
    assert found == pytest.approx([first, second])


def test_nesterov_looks_ahead():
    found = one_parameter(lr=0.1, momentum=0.5, weight_decay=0.0, nesterov=True)
    assert found == pytest.approx([2 - 0.1 * 1.5, 2 - 0.15 - 0.1 * 1.75])


def test_plain_sgd():
    found = one_parameter(lr=0.1, momentum=0.0, weight_decay=0.0)
    assert found == pytest.approx([1.9, 1.8])


def test_adam_moves_by_the_rate_and_its_decay_is_part_of_the_gradient():
    # Decoupled decay would move the weight further than the rate.
    found = one_parameter(optimizer="adam", lr=0.1, weight_decay=0.5)
    assert found == pytest.approx([1.9, 1.8], abs=1e-4)


def test_adams_decay_is_added_to_the_gradient_before_its_moments():
    """Betas 0.9 and 0.999, epsilon 1e-8; gradients of another sign than the decay."""
    weight = torch.nn.Parameter(torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64))
    recipe = TrainConfig(optimizer="adam", lr=0.1, weight_decay=0.3)
    optimizer = build_optimizer(recipe, [weight])
    expected = weight.detach().clone()
    first, second = torch.zeros_like(expected), torch.zeros_like(expected)
    for step, slope in enumerate([0.0, -1.0, 0.5, -0.2], start=1):
        weight.grad = torch.full_like(expected, slope)
        optimizer.step()
        gradient = slope + 0.3 * expected
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        root = (second / (1 - 0.999**step)).sqrt() + 1e-8
        expected -= 0.1 * first / (1 - 0.9**step) / root
        torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_removed_weights_and_their_momentum_are_zero_after_every_step(
    toy_model, toy_data, random_masks, optimizer
):
    model, batches = toy_model(), toy_data().train
    masks = random_masks(model)
    recipe = TrainConfig(optimizer=optimizer, lr=0.05, weight_decay=1e-2)
    keeper = MaskKeeper(model, masks)
    rule = build_optimizer(recipe, model.parameters())
    step = EagerStep(model, rule, keeper, Meters(CPU), "float32", 0.0)
    keeper.apply()
    weights = dict(model.named_parameters())
    moments = {"sgd": ["momentum_buffer"], "adam": ["exp_avg", "exp_avg_sq"]}[optimizer]
    for images, labels in batches.epoch(torch.Generator().manual_seed(0)):
        step(images, labels)
        for name, mask in masks.items():
            assert bool((weights[name][~mask] == 0).all())
            assert bool((weights[name][mask] != 0).any())
            for moment in moments:
                value = rule.state[weights[name]][moment]
                assert bool((value[~mask] == 0).all())
                assert bool((value[mask] != 0).any())
        keeper.assert_kept()


def test_other_parameters_are_left_alone(toy_model, random_masks):
    model = toy_model()
    before = copy.deepcopy(model.state_dict())
    masks = random_masks(model)
    MaskKeeper(model, masks).apply()
    for name, value in model.state_dict().items():
        expected = before[name] * masks[name] if name in masks else before[name]
        assert torch.equal(value, expected)


def test_a_keeper_that_is_not_applied_is_caught(toy_model, toy_data, random_masks):
    model, batches = toy_model(), toy_data().train
    keeper = MaskKeeper(model, random_masks(model))
    keeper.apply()
    keeper.assert_kept()
    rule = build_optimizer(HARSH, model.parameters())
    images, labels = next(batches.epoch(torch.Generator().manual_seed(0)))
    F.cross_entropy(model(images), labels).backward()
    rule.step()
    with pytest.raises(AssertionError, match=r"removed weight of .* came back"):
        keeper.assert_kept()


def test_one_weight_that_comes_back_is_caught(toy_model, random_masks):
    model = toy_model()
    masks = random_masks(model)
    keeper = MaskKeeper(model, masks)
    keeper.apply()
    name = next(reversed(masks))
    position = int((~masks[name]).flatten().nonzero()[-1])
    with torch.no_grad():
        model.get_parameter(name).view(-1)[position] = 1e-30
    with pytest.raises(AssertionError, match=name):
        keeper.assert_kept()


def test_the_training_loop_checks_every_epoch(toy_model, toy_data, random_masks, monkeypatch):
    model = toy_model()
    monkeypatch.setattr(MaskKeeper, "apply", lambda self, optimizer=None: None)
    with pytest.raises(AssertionError, match="came back"):
        train(
            model,
            toy_data(),
            HARSH,
            masks=random_masks(model),
            seed=0,
            device=CPU,
            precision="float32",
        )


def test_masks_of_another_model_are_refused(toy_model):
    with pytest.raises(UserError, match=r"'fc1\.weight' fits no parameter"):
        MaskKeeper(toy_model(), {"fc1.weight": torch.ones(3, dtype=torch.bool)})


def test_masking_after_the_step_equals_masking_in_the_forward(toy_model, toy_data, random_masks):
    """Kept weights move as in the papers' codes, which multiply by the mask in every forward."""
    model = toy_model()
    masks = random_masks(model)
    reference = copy.deepcopy(model)
    recipe = TrainConfig(lr=0.05, momentum=0.9, weight_decay=1e-3)
    keeper = MaskKeeper(model, masks)
    keeper.apply()
    step = EagerStep(
        model, build_optimizer(recipe, model.parameters()), keeper, Meters(CPU), "float32", 0.0
    )
    rule = torch.optim.SGD(reference.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    start = copy.deepcopy(reference.state_dict())
    for images, labels in toy_data().train.epoch(torch.Generator().manual_seed(0)):
        step(images, labels)
        masked = {
            name: value * masks[name] if name in masks else value
            for name, value in reference.named_parameters()
        }
        rule.zero_grad()
        logits = torch.func.functional_call(reference, masked, (images,))
        F.cross_entropy(logits, labels).backward()
        rule.step()
        for name, value in reference.named_parameters():
            kept = masks.get(name, torch.ones_like(value, dtype=torch.bool))
            torch.testing.assert_close(
                model.get_parameter(name)[kept], value[kept], rtol=0, atol=1e-6
            )
    moved = [float((value - start[name]).abs().max()) for name, value in model.state_dict().items()]
    assert max(moved) > 1e-2, "the comparison means something only if the weights moved"
