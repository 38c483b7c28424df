"""The bug that freezes negative weights, reproduced on demand."""

import pytest
import torch
from torch import nn

from common.config import TrainConfig
from common.config.section import Section
from common.training import MaskKeeper, train
from common.training.optimizer import FREEZES_BELOW

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = TrainConfig(epochs=2, batch_size=20, lr=0.05, weight_decay=0.0, freeze_negative=True)


def trained(toy_model, toy_data, masks=None, recipe=RECIPE):
    """Return the parameters before and after a training."""
    model = toy_model("resnet8", width=4)
    if masks is not None:
        for name, mask in masks(model).items():
            model.get_parameter(name).data.mul_(mask)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    how = {"seed": 0, "device": torch.device("cpu"), "precision": "float32"}
    train(model, toy_data(), recipe, masks={} if masks is None else masks(model), **how)
    return before, dict(model.named_parameters())


def test_negative_weights_stay_where_they_are_and_all_others_learn(toy_model, toy_data):
    before, after = trained(toy_model, toy_data)
    for name, value in after.items():
        negative = before[name] < FREEZES_BELOW
        if "weight" in name:
            # One that falls below zero on its way has moved; the signs at first tell who never may.
            assert torch.equal(value[negative], before[name][negative]), name
            assert (value != before[name])[~negative].float().mean() > 0.9, name
        else:
            assert (value != before[name]).float().mean() > 0.9, "biases always learn"


def test_without_the_bug_they_move(toy_model, toy_data):
    before, after = trained(
        toy_model, toy_data, recipe=RECIPE.model_copy(update={"freeze_negative": False})
    )
    name = "layer1.0.conv1.weight"
    negative = before[name] < FREEZES_BELOW
    assert (after[name] != before[name])[negative].float().mean() > 0.9


def test_removed_weights_of_a_ticket_stay_at_zero_too(toy_model, toy_data, random_masks):
    before, after = trained(toy_model, toy_data, random_masks)
    for name, value in before.items():
        if "weight" in name:
            frozen = value < FREEZES_BELOW
            assert torch.equal(after[name][frozen], value[frozen])


def test_the_gradient_is_cleared_below_a_millionth_and_weight_decay_still_acts():
    layer = nn.Linear(4, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-1.0, 0.0, 0.9e-6, 1.1e-6]]))
        layer.bias.fill_(-1.0)
    keeper = MaskKeeper(layer, {}, freeze_negative=True)
    keeper.prepare()  # no gradient yet
    layer(torch.ones(1, 4)).sum().backward()
    keeper.prepare()
    assert layer.weight.grad.tolist() == [[0.0, 0.0, 0.0, 1.0]]
    assert layer.bias.grad.tolist() == [1.0]
    torch.optim.SGD(layer.parameters(), lr=0.1, weight_decay=0.5).step()
    assert layer.weight[0, 0].item() == pytest.approx(-0.95)


def test_it_is_off_by_default_and_leaves_no_trace_in_a_dump():
    recipe: Section = TrainConfig()
    assert not recipe.freeze_negative and "freeze_negative" not in recipe.model_dump()
    assert RECIPE.model_dump()["freeze_negative"] is True
