"""Iterative pruning as ToST's code counts it, and to a sparsity that whole rounds do not reach."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.finders import FINDERS, FindInputs, Trained
from common.finders.iterative import ImpOptions
from common.finders.magnitudes import prune_smallest, prune_to_target
from common.models import build_model, prunable_parameters
from common.pipeline import Methods, plan_run
from common.randomness import generator
from common.tickets import kept_count

RESNET8 = [61_375, 49_099, 39_279, 31_423, 25_138]
RESNET32X2 = [1_483_443, 1_186_754, 949_403, 759_522, 607_617, 486_093, 388_874, 311_099]
RESNET32X2 += [248_879, 199_103, 159_282, 127_425, 101_939, 81_551, 65_240, 52_191]
RESNET18 = [8_927_385, 7_141_907, 5_713_525, 4_570_819, 3_656_655, 2_925_323, 2_340_258]
RESNET18 += [1_872_206, 1_497_764, 1_198_211, 958_568, 766_854, 613_483, 490_786, 392_628, 314_102]


def options(**given):
    return ImpOptions.model_validate({"name": "imp", **given})


def total(masks):
    return sum(int(mask.sum()) for mask in masks.values())


def pool(size, parts=1, seed=0):
    values = torch.randperm(size, generator=torch.Generator().manual_seed(seed)).float() + 1.0
    weights = {f"layer{i}": part for i, part in enumerate(values.tensor_split(parts))}
    return weights, {
        name: torch.ones_like(value, dtype=torch.bool) for name, value in weights.items()
    }


def truncated(size, rounds, parts=1):
    weights, masks = pool(size, parts)
    found = []
    for _ in range(rounds):
        masks = prune_smallest(weights, masks, 0.2, count="truncated")
        found.append(total(masks))
    return found


def test_rounds_of_tost_remove_one_weight_more():
    assert truncated(100, 2) == [79, 63]
    resnet8 = truncated(76_720, 16, parts=9)
    assert resnet8[:5] == RESNET8 and resnet8[-1] == 2156
    assert truncated(1_854_304, 16, parts=33) == RESNET32X2


def test_rounds_of_tost_on_resnet18_start_from_what_is_left():
    """The whole pool would be slow to sort sixteen times; a round depends on what is kept alone."""
    before = [11_159_232, *RESNET18]
    for kept, left in list(itertools.pairwise(before))[8:]:
        weights, masks = pool(kept)
        assert total(prune_smallest(weights, masks, 0.2, count="truncated")) == left
    assert all(left == kept - int(kept * 0.2) - 1 for kept, left in itertools.pairwise(before))


def test_weights_that_training_left_at_zero_count_as_removed():
    weights = {"a": torch.tensor([0.0, 0.0, 0.0, 0.1, -0.2, 0.3, 0.4, 0.5])}
    masks = {"a": torch.tensor([False, True, True, True, True, True, True, True])}
    kept = prune_smallest(weights, masks, 0.2, count="truncated")["a"]
    assert kept.tolist() == [False] * 5 + [True] * 3, "int(5 * 0.2) + 1 of the five that are left"


def test_ties_with_the_threshold_go_and_nothing_may_be_left():
    weights, masks = {"a": torch.full((10,), 0.5)}, {"a": torch.ones(10, dtype=torch.bool)}
    assert total(prune_smallest(weights, masks, 0.2, count="truncated")) == 0
    empty = {"a": torch.zeros(10, dtype=torch.bool)}
    assert total(prune_smallest(weights, empty, 0.2, count="truncated")) == 0


# --- an exact target


@pytest.mark.parametrize(
    ("sparsity", "rounds"),
    [(0.9, 11), (0.95, 14), (0.98, 18), (0.0, 0), (0.05, 1), (0.2, 1), (0.36, 2), (0.488, 3)],
)
def test_the_fewest_rounds_that_reach_a_sparsity(sparsity, rounds):
    chosen = options(sparsity=sparsity, hit_target=True)
    assert chosen.number_of_rounds == rounds
    assert len(FINDERS["imp"].stages(chosen)) == rounds


@given(st.integers(1, 9999), st.floats(0.05, 0.95))
def test_rounds_are_neither_too_many_nor_too_few(tenths_of_a_thousandth, fraction):
    sparsity = tenths_of_a_thousandth / 10_000
    chosen = options(sparsity=sparsity, hit_target=True, fraction_per_round=fraction)
    rounds = chosen.number_of_rounds
    assert (1 - fraction) ** rounds <= (1 - sparsity) * (1 + 1e-6)
    assert (1 - fraction) ** (rounds - 1) > (1 - sparsity) * (1 - 1e-6)


@given(st.integers(1, 300), st.floats(0.0, 1.0), st.booleans())
def test_a_target_is_met_from_the_kept_weights(size, sparsity, largest):
    weights, masks = pool(size, parts=2)
    masks = prune_smallest(weights, masks, 0.3, largest=largest)
    before, target = total(masks), kept_count(size, sparsity)
    found = prune_to_target(weights, masks, sparsity, largest=largest)
    assert total(found) == min(before, target)
    assert not any(bool((found[name] & ~masks[name]).any()) for name in masks)
    kept = torch.cat([weights[name][found[name]] for name in masks])
    gone = torch.cat([weights[name][masks[name] & ~found[name]] for name in masks])
    if len(kept) and len(gone):
        assert (kept.max() < gone.min()) if largest else (kept.min() > gone.max())


@pytest.mark.parametrize("count", ["exact", "truncated", "original", "percentile"])
def test_the_last_of_the_rounds_hits_the_target_exactly(count):
    model = build_model("resnet8", num_classes=4, width=4)
    chosen = options(sparsity=0.55, hit_target=True, count=count, scope="conv")
    ticket, sizes = None, []
    for stage in FINDERS["imp"].stages(chosen):
        if ticket is not None:
            ticket.apply_to(model)
        state = {name: value.clone() for name, value in model.state_dict().items()}
        inputs = FindInputs(model, None, chosen, generator, Trained(state), ticket)
        ticket = stage.find(inputs)
        sizes.append(total(ticket.masks))
    whole = sum(weight.numel() for weight in prunable_parameters(model, "conv").values())
    assert len(sizes) == 4 and sizes[-1] == kept_count(whole, 0.55)
    assert sizes[2] == pytest.approx(0.512 * whole, abs=6)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"rounds": 3}, "hit_target needs sparsity in place of rounds"),
        ({"sparsity": 1.0}, "hit_target needs a sparsity below 1, found 1"),
        ({}, "give either rounds or sparsity"),
    ],
)
def test_what_cannot_be_is_refused(given, reason):
    with pytest.raises(ValidationError, match=reason):
        options(hit_target=True, **given)


def test_recorded_runs_keep_their_hash():
    assert "hit_target" not in options(sparsity=0.36).model_dump()


FIND = {"name": "imp", "hit_target": True, "fraction_per_round": 0.5, "train": {"epochs": 1}}


def test_targets_share_all_rounds_but_the_last(run_config, context):
    content = context.dataset("digits").fingerprint["sha256"]

    def find_phases(**find):
        config = run_config(find={**FIND, **find})
        plan = plan_run(config, 0, Methods(), content)
        return [phase.identity for phase in plan.phases[:-1]]

    near, far = find_phases(sparsity=0.8), find_phases(sparsity=0.83)
    whole = find_phases(rounds=3, hit_target=False)
    assert len(near) == len(far) == len(whole) == 6
    assert near[:-1] == far[:-1] == whole[:-1], "trainings and whole rounds are the same phases"
    assert len({near[-1], far[-1], whole[-1]}) == 3
    assert find_phases(sparsity=0.9)[:5] == near[:5] and len(find_phases(sparsity=0.9)) == 8
