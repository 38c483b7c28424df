"""What a rule does to scores and masks between epochs, by hand: one layer or two, few scores."""

from functools import partial

import pytest
import torch

from common.randomness import generator
from replications.rare_gems.gem_mask import GemMask
from replications.rare_gems.gem_miner import FreezingRule, HypercubeRule
from replications.rare_gems.options import GemMinerOptions, HypercubeOptions

pytestmark = pytest.mark.usefixtures("one_thread")
# Seven epochs and a period of 2: events behind the epochs 2, 4 and 6.
GEM = {"sparsity": 0.657, "epochs": 7, "prune_period": 2, "lambda": 0.0}


def rule_of(*scores, weights=None, saved=None, **more):
    """Return the rule and the masks of layers with these scores; 30 % go at every event."""
    options = GemMinerOptions.model_validate(GEM | more)
    rows = [torch.tensor(row) for row in scores]
    weights = [torch.ones_like(row) for row in rows] if weights is None else weights
    known = {f"layer{i}": torch.as_tensor(w) for i, w in enumerate(weights)}
    masks = {
        name: GemMask(known[name], row, ticket=options.ticket_mask, quantized=options.quantized)
        for name, row in zip(known, rows, strict=True)
    }
    save = (lambda name: None) if saved is None else saved.append
    draw = partial(generator, 0)
    return FreezingRule(masks, known, options, draw, save), list(masks.values())


def move(mask, values):
    mask.latent.data.copy_(torch.tensor(values))


def active(mask):
    return [int(x) for x in mask.active.tolist()]


def test_the_rate_follows_from_sparsity_and_events():
    assert GemMinerOptions.model_validate(GEM).rate == pytest.approx(0.3)


def test_projection_ties_what_fell_below_zero_and_the_ties_go_at_once():
    """Spec 9: of (0, 0, 0, .2, .6, .9) at r = 0.3 the threshold is 0 and three are left."""
    rule, (mask,) = rule_of([-0.3, 0.2, -0.01, 0.9, -1.0, 0.6])
    rule.end_epoch(2)
    assert mask.latent.tolist() == pytest.approx([0.0, 0.2, 0.0, 0.9, 0.0, 0.6])
    assert rule.close_epoch(2) == {}
    assert active(mask) == [0, 1, 0, 1, 0, 1]


def test_an_exact_count_takes_two_of_the_three_ties():
    rule, (mask,) = rule_of([0.0, 0.2, 0.0, 0.9, 0.0, 0.6], exact_count=True)
    rule.close_epoch(2)
    assert sum(active(mask)) == 4
    assert [active(mask)[i] for i in (1, 3, 5)] == [1, 1, 1]


def test_inverted_an_event_takes_the_highest():
    rule, (mask,) = rule_of([0.1, 0.3, 1.0, 1.0, 1.0], invert=True)
    rule.close_epoch(2)
    assert active(mask) == [1, 1, 0, 0, 0]


def test_by_layer_and_by_threshold():
    scores = ([0.1, 0.2, 0.3], [0.6, 0.7, 0.8])
    for rule_name, wanted in (
        ("global_bottom_k", [[0, 0, 1], [1, 1, 1]]),
        ("layer_bottom_k", [[0, 1, 1], [0, 1, 1]]),
        ("threshold", [[0, 0, 0], [1, 1, 1]]),
    ):
        rule, masks = rule_of(*scores, freeze_rule=rule_name)
        rule.close_epoch(2)
        assert [active(mask) for mask in masks] == wanted, rule_name


def test_only_multiples_of_the_period_are_events():
    rule, (mask,) = rule_of([i / 11 for i in range(1, 12)])
    left = []
    for epoch in range(7):
        rule.close_epoch(epoch)
        left.append(sum(active(mask)))
    assert left == [11, 11, 7, 7, 4, 4, 2], "11 - ceil(3.3), 7 - ceil(2.1), 4 - ceil(1.2)"


def test_levels_are_saved_behind_their_event():
    saved = []
    rule, _ = rule_of([i / 10 for i in range(1, 11)], saved=saved, save_every_level=True)
    for epoch in range(7):
        rule.close_epoch(epoch)
    assert saved == ["event_001", "event_002", "event_003"]


# --- an empty mask


def test_an_empty_mask_ends_the_search_with_an_event_that_takes_all_but_the_target():
    rule, (mask,) = rule_of([0.1, 0.2, 0.3, 0.4, 0.5])
    assert not rule.is_finished([])
    row = rule.close_epoch(1)
    assert row == {"emptied": True} and rule.is_finished([{}, row])
    assert active(mask) == [0, 0, 0, 0, 1], "ceil(0.657 * 5) = 4 go"
    assert not rule.is_finished([row, {}])


def test_a_mask_is_empty_if_only_frozen_scores_would_round_to_one():
    rule, (mask,) = rule_of([0.1, 0.9])
    mask.freeze(torch.tensor([True, False]))
    assert rule.close_epoch(1) == {"emptied": True}
    assert active(mask) == [0, 0], "ceil(0.657 * 1) = 1 goes, and it is the only one"


# --- scores that come back


def test_scores_are_rewound_after_every_event_behind_the_cached_epoch():
    first, later = [i / 11 for i in range(1, 12)], [1.1 - i / 11 for i in range(1, 12)]
    rule, (mask,) = rule_of(first, rewind_scores_to=3)
    rule.close_epoch(2)
    assert active(mask) == [0] * 4 + [1] * 7
    assert mask.latent.tolist() == pytest.approx(first), "nothing is cached yet"
    cached = [0.9] * 5 + [0.51 + i / 100 for i in range(6)]
    move(mask, cached)
    rule.close_epoch(3)
    assert sum(active(mask)) == 7, "no event"
    move(mask, later)
    rule.close_epoch(4)
    assert active(mask) == [0] * 4 + [1] * 4 + [0] * 3, "frozen by the scores of the event"
    assert mask.latent.tolist() == pytest.approx(cached)


def test_where_the_cached_epoch_is_an_event_its_scores_stay():
    rule, (mask,) = rule_of([i / 10 for i in range(1, 11)], rewind_scores_to=2)
    before = mask.latent.tolist()
    rule.close_epoch(2)
    assert mask.latent.tolist() == before
    move(mask, [0.7] * 10)
    rule.close_epoch(4)
    assert mask.latent.tolist() == before


def test_a_warm_start_scores_the_larger_half_of_all_weights_once():
    weights = ([0.1, -0.9, 0.3, -0.4], [0.8, 0.05, -0.7, 0.6])
    scores = ([0.6, 0.6, 0.6, 0.6], [0.6, 0.6, 0.6, 0.6])
    rule, (one, two) = rule_of(*scores, weights=weights, warm_start=True)
    rule.close_epoch(0)
    # Sizes in order: .05 .1 .3 .4 .6 .7 .8 .9; the lower median is 0.4.
    assert one.latent.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert two.latent.tolist() == [1.0, 0.0, 1.0, 1.0]
    move(one, [0.6, 0.7, 0.8, 0.9])
    rule.close_epoch(1)
    assert one.latent.tolist() == pytest.approx([0.6, 0.7, 0.8, 0.9])


# --- the threshold that follows the schedule


def test_the_quantile_rule_leaves_out_what_the_next_event_would_freeze():
    rule, (one, two) = rule_of([0.9, 0.8, 0.2], [0.7, 0.1, 0.3, 0.6], mask_rule="quantile")
    rule.before_forward()
    # ceil(0.3 * 7) = 3 go: 0.1, 0.2 and 0.3.
    assert one.mask().tolist() == [1, 1, 0] and two.mask().tolist() == [1, 0, 0, 1]
    shown = [mask.rounded().tolist() for mask in (one, two)]
    rule.close_epoch(2)
    assert [mask.active.bool().tolist() for mask in (one, two)] == shown
    rule.before_forward()
    # ceil(0.3 * 4) = 2 of those that are left: 0.6 and 0.7.
    assert one.mask().tolist() == [1, 1, 0] and two.mask().tolist() == [0, 0, 0, 0]


def test_a_weight_that_does_not_count_is_rounded_at_the_plain_threshold_and_never_frozen():
    rule, (one, two) = rule_of([0.9, 0.8, 0.7], [0.1, 0.6], mask_rule="quantile")
    two.counted = False
    rule = FreezingRule(rule.masks, rule.weights, rule._gem_options, rule._generator, rule._save)
    rule.before_forward()
    assert one.mask().tolist() == [1, 1, 0] and two.mask().tolist() == [0, 1]
    rule.close_epoch(2)
    assert active(one) == [1, 1, 0] and active(two) == [1, 1]
    assert rule.metrics()["frozen_density"] == pytest.approx(2 / 3)


# --- projection


@pytest.mark.parametrize(("every", "clamped"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (3, [0, 3])])
def test_scores_are_projected_before_every_so_manieth_step(every, clamped):
    options = HypercubeOptions.model_validate({"project_every": every, "lambda": 0.0})
    mask = GemMask(torch.ones(2), torch.zeros(2))
    rule = HypercubeRule({"a": mask}, {"a": torch.ones(2)}, options)
    found = []
    for number in range(5):
        move(mask, [-0.5, 1.5])
        rule.before_step(0, number)
        if mask.latent.tolist() == [0.0, 1.0]:
            found.append(number)
    assert found == clamped
    move(mask, [-0.5, 1.5])
    rule.end_epoch(0)
    assert mask.latent.tolist() == [0.0, 1.0], "and at the end of an epoch in any case"


def test_a_row_tells_both_densities_and_the_penalty():
    rule, (one, two) = rule_of([0.9, 0.4], [0.6, 0.2], **{"lambda": 2.0})
    one.freeze(torch.tensor([False, True]))
    row = rule.end_epoch(0)
    assert row["frozen_sparsity"] == pytest.approx(0.25)
    assert row["rounded_sparsity"] == pytest.approx(0.75)
    assert row["regularizer"] == pytest.approx(2 * (0.81 + 0.16 + 0.36 + 0.04))
    assert rule.metrics() == {
        "frozen_density": pytest.approx(0.75),
        "rounded_density": pytest.approx(0.25),
        "regularizer": row["regularizer"],
    }
    assert two.rounded().tolist() == [True, False]
