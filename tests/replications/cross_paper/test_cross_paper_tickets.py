"""Every check changes what it says and nothing else; reasons for what is left out are true."""

import pytest
import torch

from common.data import load_dataset
from common.finders import find_ticket
from common.models import build_model
from common.randomness import generator
from common.tickets import transform_ticket
from replications.cross_paper.finders import FINDERS
from replications.cross_paper.methods import METHODS
from replications.cross_paper.scales import QUICK

SPARSITY = QUICK.sparsities[1]
SHORT = {"search": {"epochs": 1, "batch_size": 200, "select": "last", "patience": None}}
TRIED = {"random": {}, "synflow": {"rounds": 5}, "edge_popup": SHORT, "aslp": SHORT}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def network(finder, draw):
    options = {key: value for key, value in QUICK.model.items() if key != "name"}
    options["init"] = FINDERS[finder].init
    return build_model(
        QUICK.model["name"], num_classes=10, in_channels=1, generator=draw, **options
    )


def find(finder, digits, **options):
    target = {} if FINDERS[finder].own_sparsity else {"sparsity": SPARSITY}
    return find_ticket(
        finder,
        network(finder, generator(0, "initialise")),
        digits,
        finders=METHODS.finders,
        **target,
        **options,
    )


@pytest.fixture(scope="module", params=TRIED)
def case(request, digits, grid):
    """A finder, its ticket, and a function that puts the ticket through a check of the grid."""
    finder = request.param
    ticket = find(finder, digits, **TRIED[finder])
    runs = grid("quick")

    def checked(name):
        (run,) = {
            run.transform: run for key, run in runs.items() if key[:3] == (finder, name, "plain")
        }.values()
        changed = ticket
        for options in run.transform:
            changed = transform_ticket(
                changed,
                options,
                generator(0, "check"),
                lambda draw: network(finder, draw),
                METHODS.transforms,
            )
        return changed

    return finder, ticket, checked


def kept(ticket, name):
    return ticket.weights[name][ticket.masks[name]]


def differ(left, right):
    return any(not torch.equal(left[name], right[name]) for name in left)


def test_as_found_is_the_ticket_itself(case):
    _, ticket, checked = case
    assert checked("found") is ticket


def test_a_shuffled_mask_keeps_the_count_of_every_layer_and_the_weights(case):
    _, ticket, checked = case
    after = checked("mask_shuffled")
    assert differ(ticket.masks, after.masks)
    for name, mask in ticket.masks.items():
        assert after.masks[name].sum() == mask.sum()
    assert not differ(ticket.weights, after.weights)


def test_new_weights_follow_the_law_of_the_first_ones_under_the_same_mask(case):
    finder, ticket, checked = case
    after = checked("reinitialised")
    assert not differ(ticket.masks, after.masks)
    for name in ticket.masks:
        weights = after.weights[name]
        assert not torch.equal(weights, ticket.weights[name])
        if FINDERS[finder].family == "learned":  # signed constants: other signs, one size
            assert weights.abs().unique().numel() == 1
        elif weights.numel() > 1000:
            assert weights.std() == pytest.approx(ticket.weights[name].std().item(), rel=0.1)


def test_shuffled_weights_are_the_same_ones_in_other_kept_places(case):
    _, ticket, checked = case
    after = checked("weights_shuffled")
    assert not differ(ticket.masks, after.masks)
    before = {name: kept(ticket, name) for name in ticket.masks}
    moved = {name: kept(after, name) for name in ticket.masks}
    assert differ(before, moved)
    for name, values in before.items():
        assert torch.equal(values.sort().values, moved[name].sort().values)


def test_random_ticket_and_smart_ratio_draw_the_same_masks_on_the_small_network(digits):
    first, second = (find(finder, digits) for finder in ("random_ticket", "smart_ratio"))
    assert not differ(first.masks, second.masks)
    assert not differ(first.weights, second.weights)


def test_the_small_network_has_no_norm_layers_and_few_convolution_weights():
    model = network("lt", generator(0, "initialise"))
    assert not any("norm" in type(module).__name__.lower() for module in model.modules())
    sizes = {name: p.numel() for name, p in model.named_parameters() if p.dim() > 1}
    convolutions = sum(p.numel() for p in model.parameters() if p.dim() == 4)
    assert convolutions < min(QUICK.sparsities) * sum(sizes.values())
