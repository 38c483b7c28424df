"""Statistics of a ticket, and putting it into a model."""

import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

from common.errors import UserError
from common.models import build_model
from common.tickets import Ticket
from common.tickets.ticket import LayerCollapseWarning


def by_hand():
    masks = {
        "a": torch.tensor([[True, False], [False, False]]),
        "b": torch.tensor([True, True, True, False, False, False]),
    }
    return Ticket(masks, {"a": torch.ones(2, 2), "b": torch.ones(6), "bias": torch.ones(3)})


def test_statistics_by_hand():
    ticket = by_hand()
    assert ticket.sparsity() == 1 - 4 / 10
    assert ticket.layer_kept() == {"a": 1, "b": 3}
    assert ticket.layer_densities() == {"a": 0.25, "b": 0.5}
    assert ticket.collapsed_layers() == []
    assert ticket.report() == {
        "sparsity": 0.6,
        "layer_densities": {"a": 0.25, "b": 0.5},
        "layer_kept": {"a": 1, "b": 3},
        "layer_sizes": {"a": 4, "b": 6},
        "collapsed_layers": [],
    }


def test_a_ticket_without_masks_is_dense():
    assert Ticket({}, {"w": torch.ones(3)}).sparsity() == 0.0


def test_an_emptied_layer_is_named_in_a_warning():
    masks = {**by_hand().masks, "a": torch.zeros(2, 2, dtype=torch.bool)}
    ticket = replace(by_hand(), masks=masks)
    assert ticket.collapsed_layers() == ["a"]
    with pytest.warns(LayerCollapseWarning, match=r"keeps no weight in a$"):
        ticket.warn_if_collapsed()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_hand().warn_if_collapsed()


def test_a_ticket_cannot_be_built_from_masks_that_do_not_fit():
    weights = {"w": torch.ones(2, 2)}
    with pytest.raises(UserError, match=r"ticket mask w: must be bool, found torch\.uint8"):
        Ticket({"w": torch.ones(2, 2, dtype=torch.uint8)}, weights)
    with pytest.raises(UserError, match="ticket mask v: the ticket holds no weight of that name"):
        Ticket({"v": torch.ones(2, 2, dtype=torch.bool)}, weights)
    with pytest.raises(UserError, match=r"ticket mask w: shape \[4\] differs .* \[2, 2\]"):
        Ticket({"w": torch.ones(4, dtype=torch.bool)}, weights)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_applying_zeroes_what_is_removed_and_nothing_else(ticket, build, memory_format):
    model = build(torch.Generator().manual_seed(9)).to(memory_format=memory_format)
    before = {name: value.clone() for name, value in ticket.weights.items()}
    ticket.apply_to(model)
    for name, value in model.state_dict().items():
        if name in ticket.masks:
            mask = ticket.masks[name]
            assert torch.equal(value[mask], ticket.weights[name][mask])
            assert int((value[~mask] != 0).sum()) == 0
            assert bool((value[mask] != 0).all())
        else:
            assert torch.equal(value, ticket.weights[name])
    assert all(torch.equal(ticket.weights[name], value) for name, value in before.items())


def test_applying_keeps_the_model_s_parameters_and_their_requires_grad(ticket, build):
    model = build(torch.Generator().manual_seed(9))
    model.conv1.weight.requires_grad_(False)
    identities = {name: id(value) for name, value in model.named_parameters()}
    ticket.apply_to(model)
    assert identities == {name: id(value) for name, value in model.named_parameters()}
    assert not model.conv1.weight.requires_grad
    assert model.classifier.weight.requires_grad


def test_a_ticket_file_from_one_model_trains_another_of_its_kind(ticket, build, tmp_path):
    ticket.save(tmp_path / "t")
    a, b = build(torch.Generator().manual_seed(1)), build(torch.Generator().manual_seed(2))
    ticket.apply_to(a)
    Ticket.load(tmp_path / "t").apply_to(b)
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def test_a_model_of_other_shapes_is_refused(ticket):
    wide = build_model("resnet8", num_classes=4, width=8)
    with pytest.raises(UserError, match=r"conv1\.weight has shape \[4, 3, 3, 3\], .*\[8, 3, 3, 3"):
        ticket.apply_to(wide)


def test_a_model_with_other_names_is_refused_with_the_nearest_name():
    class Net(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.add_module(name, nn.Linear(2, 2, bias=False))

    state = {"classifier.weight": torch.ones(2, 2)}
    with pytest.raises(UserError, match=r"the model's 'clasifier\.weight' is not in the ticket"):
        Ticket({}, state).apply_to(Net("clasifier"))
    more = {**state, "classifier.bias": torch.ones(2)}
    with pytest.raises(
        UserError,
        match=r"its 'classifier\.bias' is not in the model \(nearest: 'classifier\.weight'\)",
    ):
        Ticket({}, more).apply_to(Net("classifier"))


def test_a_refused_ticket_leaves_the_model_as_it_was(ticket):
    wide = build_model("resnet8", num_classes=4, width=8)
    before = {name: value.clone() for name, value in wide.state_dict().items()}
    with pytest.raises(UserError):
        ticket.apply_to(wide)
    assert all(torch.equal(value, before[name]) for name, value in wide.state_dict().items())
