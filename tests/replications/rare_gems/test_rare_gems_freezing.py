"""Which weights an event of freezing takes: the paper's rates, its counts, ties by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from replications.rare_gems.freezing import (
    event_count,
    fraction_per_event,
    freeze_below,
    freeze_lowest,
    freeze_lowest_by_layer,
    threshold_of,
)

# Density in percent, epochs, period, events, fraction (spec 9).
RATES = [
    (50, 150, 8, 18, 0.037776),
    (20, 150, 5, 29, 0.053986),
    (13.34, 150, 5, 29, 0.067105),
    (3.72, 150, 5, 29, 0.107294),
    (1.44, 150, 5, 29, 0.136037),
    (0.59, 150, 5, 29, 0.162215),
    (0.59, 150, 8, 18, 0.248103),
    (1.44, 3000, 150, 19, 0.200034),
    (1.4, 300, 5, 59, 0.069795),
    (5, 300, 5, 59, 0.049508),
    (0.5, 200, 5, 39, 0.127030),
    (1.4, 150, 10, 14, 0.262808),
    (2, 50, 5, 9, 0.352521),
]
RESNET20 = [432, *[2304] * 6, 4608, *[9216] * 5, 18432, *[36864] * 5, 640]
# The first counts, the last counts, the density that the paper's figures show.
SEQUENCES = {
    1.44: ([268336, 231832, 200294, 173046], [5173, 4469, 3861], 1.43887),
    0.59: ([268336, 224808, 188340, 157788], [2252, 1886, 1580], 0.58881),
    3.72: ([268336, 239545, 213843, 190898], [12521, 11177, 9977], 3.71810),
}


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def tensors(*rows):
    return {f"layer{i}": torch.tensor(row) for i, row in enumerate(rows)}


def all_active(scores):
    return {name: torch.ones_like(value, dtype=torch.bool) for name, value in scores.items()}


def total(masks):
    return int(sum(mask.sum() for mask in masks.values()))


@pytest.mark.parametrize(("percent", "epochs", "period", "events", "rate"), RATES)
def test_the_paper_s_rates(percent, epochs, period, events, rate):
    assert event_count(epochs, period) == events
    assert fraction_per_event(percent / 100, events) == pytest.approx(rate, abs=5e-7)


def test_events_need_an_epoch_behind_them():
    assert [event_count(epochs, 5) for epochs in (0, 1, 5, 6, 10, 11)] == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize("percent", SEQUENCES)
def test_active_weights_of_resnet20(percent):
    source = draw()
    ranks = torch.randperm(sum(RESNET20), generator=source).double() / sum(RESNET20)  # no ties
    scores = {f"layer{i}": part for i, part in enumerate(ranks.split(RESNET20))}
    active, rate = all_active(scores), fraction_per_event(percent / 100, 29)
    counts = [total(active)]
    for _ in range(29):
        active = freeze_lowest(scores, active, rate)
        counts.append(total(active))
    first, last, density = SEQUENCES[percent]
    assert counts[:4] == first and counts[-3:] == last
    assert 100 * counts[-1] / counts[0] == pytest.approx(density, abs=5e-6)


# --- by hand


def test_ties_go_at_once():
    scores = tensors([0.0, 0.0, 0.0], [0.2, 0.6, 0.9])
    active = all_active(scores)
    stays = freeze_lowest(scores, active, 0.3)
    assert stays["layer0"].tolist() == [False] * 3
    assert stays["layer1"].tolist() == [True] * 3
    assert total(active) == 6, "what was handed over is left alone"


def test_inverted_the_largest_go_with_their_ties():
    scores = tensors([0.1, 0.3], [1.0, 1.0, 1.0])
    stays = freeze_lowest(scores, all_active(scores), 0.3, largest=True)
    assert stays["layer0"].tolist() == [True, True]
    assert stays["layer1"].tolist() == [False] * 3


def test_only_active_scores_are_ranked_and_by_their_absolute_value():
    scores = tensors([0.0, -0.1, 0.5, -0.9])
    active = {"layer0": torch.tensor([False, True, True, True])}
    assert freeze_lowest(scores, active, 0.3)["layer0"].tolist() == [False, False, True, True]
    highest = freeze_lowest(scores, active, 0.3, largest=True)["layer0"]
    assert highest.tolist() == [False, True, True, False]


def test_the_ranking_is_global_and_may_empty_a_layer():
    scores = tensors([0.1, 0.2], [0.3, 0.4, 0.5, 0.6])
    stays = freeze_lowest(scores, all_active(scores), 0.5)
    assert [int(mask.sum()) for mask in stays.values()] == [0, 3]
    layers = freeze_lowest_by_layer(scores, all_active(scores), 0.5, ties=draw())
    assert [int(mask.sum()) for mask in layers.values()] == [1, 2]


def test_the_threshold_is_the_kth_of_either_end():
    scores = torch.tensor([[3.0, 1.0], [2.0, 5.0], [4.0, 6.0]])
    assert [float(threshold_of(scores, r)) for r in (0.01, 1 / 6, 0.2, 0.5, 1.0)] == [1, 1, 2, 3, 6]
    assert [float(threshold_of(scores, r, largest=True)) for r in (0.01, 0.2, 1.0)] == [6, 5, 1]


def test_the_threshold_rule_freezes_what_is_not_above_it():
    scores = tensors([0.5, 0.50001, 0.2], [0.9, 0.5, 1.0])
    active = {**all_active(scores), "layer1": torch.tensor([True, True, False])}
    stays = freeze_below(scores, active, 0.5)
    assert stays["layer0"].tolist() == [False, True, False]
    assert stays["layer1"].tolist() == [True, False, False]


def test_where_nothing_is_active_or_nothing_is_asked_for_nothing_is_frozen():
    scores = tensors([0.0, 0.0], [0.0, 1.0])
    none = {name: torch.zeros_like(value, dtype=torch.bool) for name, value in scores.items()}
    for active, fraction in ((none, 0.5), (none, 1.0), (all_active(scores), 0.0)):
        for stays in (
            freeze_lowest(scores, active, fraction),
            freeze_lowest(scores, active, fraction, largest=True, ties=draw()),
            freeze_lowest_by_layer(scores, active, fraction, ties=draw()),
        ):
            assert all(torch.equal(stays[name], mask) for name, mask in active.items())


def test_a_fraction_of_one_freezes_all():
    scores = tensors([0.1, 0.7], [0.3, 0.3])
    assert total(freeze_lowest(scores, all_active(scores), 1.0)) == 0
    assert total(freeze_lowest(scores, all_active(scores), 1.0, largest=True)) == 0


# --- for any scores, with as many ties as there may be

LAYERS = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=20),
    min_size=1,
    max_size=4,
)
FRACTIONS = st.floats(0.01, 1.0)


def split(layers):
    scores = {f"layer{i}": torch.tensor([s / 4 for s, _ in x]) for i, x in enumerate(layers)}
    active = {f"layer{i}": torch.tensor([a for _, a in x]) for i, x in enumerate(layers)}
    return scores, active


@given(LAYERS, FRACTIONS, st.booleans())
def test_without_a_draw_for_ties_at_least_as_many_go_and_never_part_of_a_tie(
    layers, fraction, largest
):
    scores, active = split(layers)
    stays = freeze_lowest(scores, active, fraction, largest=largest)
    wanted = math.ceil(fraction * total(active))
    assert total(active) - total(stays) >= wanted
    kept = [float(s) for n in scores for s in scores[n][stays[n]]]
    gone = [float(s) for n in scores for s in scores[n][active[n] & ~stays[n]]]
    if kept and gone:
        assert min(kept) > max(gone) if not largest else max(kept) < min(gone)
        rest = [s for s in gone if s != (min(gone) if largest else max(gone))]
        assert len(rest) < wanted, "nothing but the ties of the last one goes beyond the count"


@given(LAYERS, FRACTIONS, st.booleans(), st.integers(0, 5))
def test_an_exact_count_breaks_ties_at_random(layers, fraction, largest, seed):
    scores, active = split(layers)
    stays = freeze_lowest(scores, active, fraction, largest=largest, ties=draw(seed))
    assert total(active) - total(stays) == math.ceil(fraction * total(active))
    strict = freeze_lowest(scores, active, fraction, largest=largest)
    assert all(bool((stays[n] | ~strict[n]).all()) for n in active), "a tie's draw revives only"
    assert all(bool((active[n] | ~stays[n]).all()) for n in active)


@given(LAYERS, FRACTIONS, st.booleans())
def test_by_layer_every_layer_loses_its_exact_part(layers, fraction, largest):
    scores, active = split(layers)
    stays = freeze_lowest_by_layer(scores, active, fraction, largest=largest, ties=draw())
    for name, mask in active.items():
        assert int(mask.sum() - stays[name].sum()) == math.ceil(fraction * int(mask.sum()))
        assert bool((mask | ~stays[name]).all())


@given(LAYERS, st.lists(st.tuples(FRACTIONS, st.integers(0, 3)), min_size=1, max_size=6))
def test_frozen_weights_stay_frozen_whatever_the_scores_become(layers, events):
    scores, active = split(layers)
    for fraction, seed in events:
        before = active
        active = freeze_lowest(scores, before, fraction, ties=draw(seed) if seed else None)
        assert all(bool((before[n] | ~active[n]).all()) for n in before)
        source = draw(seed)
        scores = {n: torch.rand(v.shape, generator=source) for n, v in scores.items()}


def test_which_of_the_tied_weights_go_follows_from_the_generator():
    scores = {"a": torch.zeros(100), "b": torch.zeros(100)}
    one, same, other = (
        freeze_lowest(scores, all_active(scores), 0.5, ties=draw(seed)) for seed in (0, 0, 1)
    )
    assert all(torch.equal(one[name], same[name]) for name in scores)
    assert not torch.equal(one["a"], other["a"])
    # 100 of 200 over two layers: neither is favoured (a hypergeometric law, deviation 3.5).
    assert 35 <= int(one["a"].sum()) <= 65
