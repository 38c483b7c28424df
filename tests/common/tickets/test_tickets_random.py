"""Random tickets: permuted masks keep their counts, and the weights are drawn anew (spec 9.5)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.models import build_model, prunable_parameters
from common.randomness import generator
from common.tickets import Ticket, transform_ticket
from common.tickets.transforms import (
    RandomGlobal,
    RandomLayerwise,
    layerwise_rearrange,
    permute_globally,
)

BITS = st.lists(st.lists(st.booleans(), min_size=1, max_size=30), min_size=1, max_size=5)


def draw(seed):
    return torch.Generator().manual_seed(seed)


def total(masks):
    return sum(int(mask.sum()) for mask in masks.values())


def random(ticket, options, build, seed=5):
    return transform_ticket(ticket, options, draw(seed), build)


@given(BITS, st.integers(0, 9))
def test_a_global_permutation_keeps_the_number_of_ones_and_all_shapes(rows, seed):
    masks = {f"layer{i}": torch.tensor(row).view(1, -1) for i, row in enumerate(rows)}
    before = {name: mask.clone() for name, mask in masks.items()}
    found = permute_globally(masks, draw(seed))
    assert total(found) == total(masks)
    assert [(n, m.shape, m.dtype) for n, m in found.items()] == [
        (n, m.shape, m.dtype) for n, m in masks.items()
    ]
    assert all(torch.equal(masks[name], before[name]) for name in masks)


@given(BITS, st.integers(0, 9))
def test_a_layerwise_permutation_keeps_it_in_every_tensor(rows, seed):
    masks = {f"layer{i}": torch.tensor(row) for i, row in enumerate(rows)}
    ticket = Ticket(masks, {name: torch.zeros(mask.shape) for name, mask in masks.items()})
    assert layerwise_rearrange(ticket, None, draw(seed), None).layer_kept() == ticket.layer_kept()


def test_every_bit_goes_everywhere_alike():
    """Of all permutations of 2 ones over a tensor of 4 and one of 2, each place gets its share."""
    masks = {"a": torch.tensor([[True, True], [False, False]]), "b": torch.zeros(2).bool()}
    source = draw(0)
    counts = torch.zeros(6)
    for _ in range(6_000):
        found = permute_globally(masks, source)
        counts += torch.cat([found["a"].flatten(), found["b"]])
    assert (counts / 6_000 - 2 / 6).abs().max() < 0.03


def test_globally_all_layers_get_the_overall_density():
    masks = {"full": torch.ones(100, 100).bool(), "empty": torch.zeros(300, 100).bool()}
    found = permute_globally(masks, draw(1))
    assert total(found) == 10_000
    for mask in found.values():
        spread = 5 * (0.25 * 0.75 / mask.numel()) ** 0.5
        assert abs(float(mask.float().mean()) - 0.25) < spread


def test_a_dense_start_without_masks_becomes_a_fresh_dense_network(build, ticket):
    for options in (RandomGlobal(), RandomLayerwise()):
        found = random(Ticket({}, ticket.weights), options, build)
        assert found.masks == {}
        assert not torch.equal(
            found.weights["classifier.weight"], ticket.weights["classifier.weight"]
        )


@pytest.mark.parametrize("options", [RandomGlobal(), RandomLayerwise()])
def test_a_random_ticket_starts_from_an_untrained_network(ticket, build, options):
    found = random(ticket, options, build)
    model = build(draw(9)).state_dict()
    assert list(found.masks) == list(ticket.masks), "no bias, no norm scale"
    assert total(found.masks) == total(ticket.masks)
    for name, mask in found.masks.items():
        assert not torch.equal(mask, ticket.masks[name]) or mask.all()
        assert not torch.equal(found.weights[name], ticket.weights[name])
    for name, value in found.weights.items():
        if "running" in name or "num_batches" in name:
            assert torch.equal(value, model[name]), "statistics of no image"
            assert not torch.equal(value, ticket.weights[name])
    assert (found.layer_kept() == ticket.layer_kept()) is (options.name == "random_layerwise")


def test_the_weights_are_none_that_the_run_s_seed_draws_for_its_network(ticket):
    """A run hands over a generator of its own purpose, so that the two draws differ."""

    def build(source):
        return build_model("resnet8", num_classes=4, generator=source, width=4)

    own = build(generator(0, "initialise")).state_dict()
    source = generator(0, "transform random_global", 0)
    found = transform_ticket(ticket, RandomGlobal(), source, build)
    weights = prunable_parameters(build(draw(0)))
    assert not any(torch.equal(found.weights[name], own[name]) for name in weights)


def test_a_narrow_layer_keeps_some_of_its_scales_where_scales_are_masked():
    """VGG19 at 79 % pruned: 21 % of the scales stay, 12 to 14 of 64 in the narrowest (spec 9.5)."""
    sizes = [64, 64, 128, 128, *[256] * 4, *[512] * 8]
    masks = {f"scale{i}": torch.ones(size).bool() for i, size in enumerate(sizes)}
    masks["convs"] = torch.zeros(20_000_000, dtype=torch.bool)
    masks["convs"][: int(20_005_504 * 0.21)] = True
    found = permute_globally(masks, draw(3))
    alive = [int(found[f"scale{i}"].sum()) for i in range(len(sizes))]
    assert 5 <= min(alive) <= 20
    assert 90 <= alive[-1] <= 135
    assert sum(alive) / sum(sizes) == pytest.approx(0.21, abs=0.03)
