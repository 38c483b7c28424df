"""Score inversion, a sanity check: the same scores, and the other end of them is kept."""

import pytest
import torch

from common.data import load_dataset
from common.finders import find_ticket
from common.models import build_model

# Lowest scores empty layers: that the check does so, and says so, is its point.
pytestmark = pytest.mark.filterwarnings("ignore::common.tickets.ticket.LayerCollapseWarning")


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def tickets(name, sparsity, digits, **options):
    model = build_model("resnet8", num_classes=10, in_channels=1, width=4)
    return [
        find_ticket(name, model, digits, sparsity=sparsity, invert=invert, **options)
        for invert in (False, True)
    ]


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_at_a_half_the_inverted_ticket_is_the_other_half(name, digits):
    plain, inverted = tickets(name, 0.5, digits)
    total = sum(mask.numel() for mask in plain.masks.values())
    assert total % 2 == 0
    assert all(bool((plain.masks[key] ^ inverted.masks[key]).all()) for key in plain.masks)


@pytest.mark.parametrize("name", ["snip", "grasp", "synflow"])
def test_inversion_changes_the_selection_and_neither_the_density_nor_the_weights(name, digits):
    options = {"rounds": 5} if name == "synflow" else {}
    plain, inverted = tickets(name, 0.9, digits, **options)
    assert inverted.sparsity() == plain.sparsity()
    common = sum(int((plain.masks[key] & inverted.masks[key]).sum()) for key in plain.masks)
    assert common == 0, "the highest and the lowest tenth"
    assert all(torch.equal(plain.weights[key], inverted.weights[key]) for key in plain.weights)


def test_inverted_synflow_cuts_the_path_that_it_would_protect(digits):
    plain, inverted = tickets("synflow", 0.98, digits, rounds=20)
    ends = ("conv1.weight", "classifier.weight")
    assert all(plain.layer_kept()[name] > 0 for name in ends)
    assert not all(inverted.layer_kept()[name] > 0 for name in ends)
