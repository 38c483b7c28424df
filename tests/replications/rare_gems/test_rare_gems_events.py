"""Freezing in whole searches: when it happens, how much, and the tickets kept on the way."""

import math

import pytest
import torch

from replications.rare_gems.gem_mask import GemMask

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = 256 * 12 + 12 * 10
GEM = {"sparsity": 0.9, "batch_size": 40, "epochs": 8, "prune_period": 3, "lr": 0.05, "lambda": 0.0}


def frozen(row):
    return round(row["frozen_sparsity"] * WEIGHTS)


def path(total, density, events):
    """Return the active weights after every event where nothing is tied."""
    rate, counts = 1 - density ** (1 / events), [total]
    for _ in range(events):
        counts.append(counts[-1] - math.ceil(rate * counts[-1]))
    return counts


@pytest.fixture(scope="module")
def standard(search):
    return search("gem_miner", save_every_level=True, **GEM)


def test_events_are_at_multiples_of_the_period_and_nowhere_else(standard):
    """n = floor(7 / 3) = 2, behind the epochs 3 and 6 (from 0); a row shows what was before it."""
    first, second, third = path(WEIGHTS, 0.1, 2)
    counts = [WEIGHTS - frozen(row) for row in standard.rows]
    assert counts == [first] * 4 + [second] * 3 + [third]
    assert standard.ticket.sparsity() == pytest.approx(1 - third / WEIGHTS)
    assert standard.found.metrics["frozen_density"] == pytest.approx(third / WEIGHTS)


def test_a_period_that_does_not_divide_the_epochs_leaves_the_last_event_earlier(search):
    done = search("gem_miner", **GEM | {"epochs": 6, "prune_period": 4})
    assert [frozen(row) > 0 for row in done.rows] == [False] * 5 + [True]
    assert done.ticket.sparsity() == pytest.approx(0.9, abs=1 / WEIGHTS)


def test_an_event_behind_the_last_epoch_counts(search):
    """E = 7, T = 3: the events are behind the epochs 3 and 6, the last of which ends the search."""
    done = search("gem_miner", **GEM | {"epochs": 7})
    assert WEIGHTS - frozen(done.rows[-1]) == path(WEIGHTS, 0.1, 2)[1]
    assert sum(done.ticket.layer_kept().values()) == path(WEIGHTS, 0.1, 2)[2]


def test_every_level_is_saved_with_the_density_of_the_path(standard):
    assert list(standard.saved) == ["event_001", "event_002"]
    counts = [sum(ticket.layer_kept().values()) for ticket in standard.saved.values()]
    assert counts == path(WEIGHTS, 0.1, 2)[1:]
    one, two = standard.saved.values()
    for name, mask in two.masks.items():
        assert bool((one.masks[name] | ~mask).all()), "levels are nested"
        assert torch.equal(mask, standard.ticket.masks[name])
        assert torch.equal(one.weights[name], standard.ticket.weights[name])


def test_nothing_is_saved_where_nobody_asks_and_saving_changes_nothing(search, standard):
    done = search("gem_miner", **GEM)
    assert not done.saved
    for name, mask in done.ticket.masks.items():
        assert torch.equal(mask, standard.ticket.masks[name])
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in standard.rows]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in done.rows] == strip


def test_the_weights_are_the_untouched_initial_ones(standard, network):
    for name, value in network("fc").state_dict().items():
        assert torch.equal(standard.ticket.weights[name], value)


def test_unflagging_restores_what_was_rounded_to_zero_but_never_frozen(search):
    """Seven of ten weights are never frozen, but only about five are rounded to one."""
    rounded, frozen = (
        search("gem_miner", ticket_mask=which, **GEM | {"sparsity": 0.3})
        for which in ("rounded", "frozen")
    )
    for name, mask in rounded.ticket.masks.items():
        assert bool((frozen.ticket.masks[name] | ~mask).all())
    assert frozen.ticket.sparsity() == pytest.approx(0.3, abs=2 / WEIGHTS)
    assert 0.4 < rounded.ticket.sparsity() < 0.6
    one, other = rounded.found.metrics, frozen.found.metrics
    assert one["rounded_density"] == pytest.approx(1 - rounded.ticket.sparsity())
    assert one["found_test_accuracy"] == one["searched_test_accuracy"]
    assert one["searched_test_accuracy"] == other["searched_test_accuracy"]
    assert one["found_test_accuracy"] != other["found_test_accuracy"]


def test_at_sparsity_zero_nothing_is_frozen_and_half_of_the_weights_round_to_one(search):
    done = search("gem_miner", **GEM | {"sparsity": 0.0, "lr": 1e-3})
    assert done.ticket.sparsity() == 0.0
    assert done.found.metrics["rounded_density"] == pytest.approx(0.5, abs=0.03)


def test_an_inverted_search_freezes_the_highest_scores(search):
    """With almost no learning the scores are still the first ones, the same in both searches."""
    still = GEM | {"lr": 1e-9, "epochs": 3, "prune_period": 2, "sparsity": 0.75}
    one, inverted = (search("gem_miner", invert=invert, **still) for invert in (False, True))
    assert one.ticket.sparsity() == inverted.ticket.sparsity() == 0.75
    overlap = sum(
        int((mask & inverted.ticket.masks[name]).sum()) for name, mask in one.ticket.masks.items()
    )
    assert overlap == 0, "the highest and the lowest quarter"
    assert one.found.metrics["rounded_density"] == 0.25
    assert inverted.found.metrics["rounded_density"] == 0.0, "all scores left are below one half"


@pytest.mark.parametrize("rule", ["layer_bottom_k", "threshold"])
def test_other_freezing_rules_in_a_search(search, rule):
    done = search("gem_miner", freeze_rule=rule, **GEM)
    kept = done.ticket.layer_kept()
    if rule == "layer_bottom_k":
        assert kept == {
            "features.fc1.weight": path(256 * 12, 0.1, 2)[-1],
            "classifier.weight": path(120, 0.1, 2)[-1],
        }
    else:
        assert 0.3 < done.ticket.sparsity() < 0.7, "one half of U(0, 1) lies below the threshold"


def test_a_fraction_per_event_set_by_hand(search):
    done = search("gem_miner", fraction_per_event=0.25, **GEM)
    first = WEIGHTS - math.ceil(0.25 * WEIGHTS)
    assert sum(done.ticket.layer_kept().values()) == first - math.ceil(0.25 * first)


# --- a mask that is emptied


def test_a_search_stops_where_the_rounded_mask_is_empty(search):
    """Plain SGD on L2 shrinks all scores by 4 % a step: below one half behind step 17."""
    shrinking = GEM | {"epochs": 30, "prune_period": 20, "lr": 0.01, "lambda": 2.0}
    done = search("gem_miner", momentum=0.0, schedule="constant", **shrinking)
    emptied = [row.get("emptied", False) for row in done.rows]
    assert emptied == [False] * (len(emptied) - 1) + [True]
    assert 5 <= len(done.rows) <= 7 and done.found.metrics["search_epochs"] == len(done.rows)
    assert done.rows[-1]["rounded_sparsity"] == 1.0 and done.rows[-2]["rounded_sparsity"] < 1.0
    assert done.found.metrics["rounded_density"] == 0.0
    # The extra event removes r = 1 - s at once.
    assert sum(done.ticket.layer_kept().values()) == WEIGHTS - math.ceil(0.9 * WEIGHTS)


def test_scores_that_all_fell_to_zero_make_an_empty_ticket_and_no_error(search):
    """One step takes every score from p to p - 200 p, which is projected to 0."""
    zeroing = GEM | {"lr": 1.0, "lambda": 100.0, "schedule": "constant"}
    done = search("gem_miner", model="small_cnn", momentum=0.0, **zeroing)
    assert len(done.rows) == 1 and done.rows[0]["emptied"]
    assert done.ticket.sparsity() == 1.0
    chance = done.found.metrics["found_test_accuracy"]
    assert 0.0 <= chance <= 25.0


def test_masks_of_a_search_are_gem_masks_with_scores_in_the_unit_interval(search, monkeypatch):
    """Every forward pass of the training sees projected scores, however far a step went."""
    seen = []
    forward = GemMask.forward

    def watch(self, weight):
        seen.append((float(self.latent.detach().min()), float(self.latent.detach().max())))
        return forward(self, weight)

    monkeypatch.setattr(GemMask, "forward", watch)
    search("gem_miner", **GEM | {"epochs": 4, "lr": 20.0})
    assert min(low for low, _ in seen) == 0.0 and max(high for _, high in seen) == 1.0
    seen.clear()
    search("gem_miner", project_every=3, **GEM | {"epochs": 4, "lr": 20.0})
    assert min(low for low, _ in seen) < 0.0
    assert max(high for _, high in seen) > 1.0
