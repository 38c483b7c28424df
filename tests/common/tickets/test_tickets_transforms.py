"""What each sanity check changes about a ticket, and what it leaves alone."""

import pytest
import torch

from common.config import TransformOptions
from common.errors import UserError
from common.models import build_model, prunable_parameters
from common.tickets import TRANSFORMS, Ticket, transform_ticket
from common.tickets.transforms import LayerwiseRearrange, Reinitialise, ShuffleWeights


def source(seed=5):
    return torch.Generator().manual_seed(seed)


def apply(ticket, options, build, seed=5):
    return transform_ticket(ticket, options, source(seed), build)


def equal(a, b):
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def copies(state):
    return {name: value.clone() for name, value in state.items()}


def expected_overlap(ticket):
    return sum(ticket.layer_kept()[n] * d for n, d in ticket.layer_densities().items())


def overlap(a, b):
    return sum(int((a.masks[name] & b.masks[name]).sum()) for name in a.masks)


def test_rearranging_keeps_every_layer_s_count_and_moves_the_mask(ticket, build):
    moved = apply(ticket, LayerwiseRearrange(), build)
    assert moved.layer_kept() == ticket.layer_kept()
    assert all(not torch.equal(moved.masks[name], ticket.masks[name]) for name in ticket.masks)
    # The overlap of two independent masks; its standard deviation here is about 15.
    assert abs(overlap(moved, ticket) - expected_overlap(ticket)) < 80
    assert overlap(moved, ticket) < 0.4 * sum(ticket.layer_kept().values())


def test_rearranging_vgg19_at_98_percent_overlaps_in_the_density_of_each_layer():
    with torch.device("meta"):
        vgg = build_model("vgg19", num_classes=10, width_mult=0.25)
    state = {name: torch.zeros(w.shape) for name, w in prunable_parameters(vgg).items()}
    draw = source(0)
    masks = {name: torch.rand(w.shape, generator=draw) < 0.02 for name, w in state.items()}
    before = Ticket(masks, state)
    after = apply(before, LayerwiseRearrange(), None)
    assert after.layer_kept() == before.layer_kept()
    expected = expected_overlap(before)  # about 500 of 25,000
    assert abs(overlap(before, after) - expected) < 5 * expected**0.5


def test_rearranging_leaves_the_start_weights_bit_for_bit(ticket, build):
    moved = apply(ticket, LayerwiseRearrange(), build)
    assert equal(moved.weights, ticket.weights)
    model = build(source(1))
    moved.apply_to(model)
    for name, weight in prunable_parameters(model).items():
        kept = moved.masks[name]
        assert torch.equal(weight[kept], ticket.weights[name][kept])


def test_shuffling_kept_weights_permutes_them_among_the_kept_positions(ticket, build):
    shuffled = apply(ticket, ShuffleWeights(), build)
    assert equal(shuffled.masks, ticket.masks)
    for name, mask in ticket.masks.items():
        before, after = ticket.weights[name], shuffled.weights[name]
        assert torch.equal(before[mask].sort().values, after[mask].sort().values)
        assert torch.equal(before[~mask], after[~mask])
        assert not torch.equal(before[mask], after[mask])
        still = int((before[mask] == after[mask]).sum())
        assert still <= 10  # a permutation has one fixed point on average


def test_shuffling_all_weights_permutes_the_whole_layer(ticket, build):
    shuffled = apply(ticket, ShuffleWeights(scope="all"), build)
    assert equal(shuffled.masks, ticket.masks)
    for name, mask in ticket.masks.items():
        before, after = ticket.weights[name], shuffled.weights[name]
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)
        assert not torch.equal(before[mask].sort().values, after[mask].sort().values)


def test_shuffling_leaves_what_has_no_mask(ticket, build):
    for scope in ("kept", "all"):
        shuffled = apply(ticket, ShuffleWeights(scope=scope), build)
        for name in set(ticket.weights) - set(ticket.masks):
            assert torch.equal(shuffled.weights[name], ticket.weights[name])


@pytest.mark.parametrize("scope", ["kept", "all"])
def test_after_shuffling_the_model_is_zero_exactly_where_the_mask_is(ticket, build, scope):
    model = build(source(1))
    apply(ticket, ShuffleWeights(scope=scope), build).apply_to(model)
    for name, weight in prunable_parameters(model).items():
        assert torch.equal(weight != 0, ticket.masks[name])


def test_shuffling_magnitude_tickets_keeps_large_weights_by_kept_and_loses_them_by_all():
    weight = torch.randn(10_000, generator=source(0))
    mask = weight.abs() > weight.abs().quantile(0.98)
    ticket = Ticket({"w": mask}, {"w": weight})
    kept = apply(ticket, ShuffleWeights(), None).weights["w"][mask].abs()
    anyone = apply(ticket, ShuffleWeights(scope="all"), None).weights["w"][mask].abs()
    assert kept.min() > 2.2  # the 98 % quantile of |N(0, 1)| is 2.326
    assert anyone.mean() < 1.0  # the mean of |N(0, 1)| is 0.798


def test_channels_last_weights_are_shuffled_by_position_not_by_memory(ticket, build):
    name = "layer1.0.conv1.weight"
    turned = dict(ticket.weights)
    turned[name] = turned[name].to(memory_format=torch.channels_last)
    other = Ticket(ticket.masks, turned)
    for options in (ShuffleWeights(), ShuffleWeights(scope="all")):
        a, b = apply(ticket, options, build), apply(other, options, build)
        assert torch.equal(a.weights[name], b.weights[name])


def test_reinitialising_keeps_the_mask_and_draws_every_weight_anew(ticket, build):
    fresh = apply(ticket, Reinitialise(), build)
    assert equal(fresh.masks, ticket.masks)
    assert list(fresh.weights) == list(ticket.weights)
    for name in ticket.masks:
        assert not torch.isclose(fresh.weights[name], ticket.weights[name]).any()
    assert fresh.weights["bn1.num_batches_tracked"] == 0
    assert torch.equal(fresh.weights["bn1.running_var"], torch.ones(4))


def test_reinitialising_by_another_scheme(ticket, build):
    fresh = apply(ticket, Reinitialise(init="signed_constant"), build)
    size = fresh.weights["layer2.0.conv2.weight"].abs()
    torch.testing.assert_close(size, torch.full_like(size, (2 / (8 * 9)) ** 0.5))
    with pytest.raises(UserError, match="signed_constant"):
        apply(ticket, Reinitialise(init="signed_constnt"), build)


OPTIONS = [LayerwiseRearrange(), ShuffleWeights(), ShuffleWeights(scope="all"), Reinitialise()]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: f"{o.name}-{getattr(o, 'scope', '')}")
def test_every_transform_follows_its_seed_and_leaves_its_input(ticket, build, options):
    masks, weights = copies(ticket.masks), copies(ticket.weights)
    once, again = apply(ticket, options, build), apply(ticket, options, build)
    other = apply(ticket, options, build, seed=6)
    assert equal(once.masks, again.masks)
    assert equal(once.weights, again.weights)
    assert not (equal(once.masks, other.masks) and equal(once.weights, other.weights))
    assert equal(ticket.masks, masks)
    assert equal(ticket.weights, weights)
    assert ticket.meta == {"method": "test", "seed": 3}


def test_a_ticket_remembers_the_transforms_it_went_through(ticket, build):
    twice = apply(apply(ticket, LayerwiseRearrange(), build), ShuffleWeights(scope="all"), build)
    assert twice.meta == {
        "method": "test",
        "seed": 3,
        "transforms": [
            {"name": "layerwise_rearrange"},
            {"name": "layerwise_weights_shuffling", "scope": "all"},
        ],
    }


def test_the_global_random_state_is_neither_read_nor_changed(ticket, build):
    for options in OPTIONS:
        torch.manual_seed(1)
        first = apply(ticket, options, build)
        state = torch.get_rng_state()
        torch.manual_seed(2)
        second = apply(ticket, options, build)
        assert equal(first.masks, second.masks)
        assert equal(first.weights, second.weights)
        torch.manual_seed(1)
        assert torch.equal(state, torch.get_rng_state())


def test_an_unknown_transform_is_refused_with_the_nearest_name(ticket, build):
    class Misspelt(TransformOptions):
        name: str = "layerwise_rearange"

    with pytest.raises(UserError, match="did you mean 'layerwise_rearrange'"):
        apply(ticket, Misspelt(), build)


def test_the_names_configs_use():
    assert set(TRANSFORMS) == {
        "layerwise_rearrange",
        "layerwise_weights_shuffling",
        "reinitialise",
        "random_global",
        "random_layerwise",
    }
