"""Iterative magnitude pruning: what a round removes, what it starts from, what may be asked for."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.errors import UserError
from common.finders import FINDERS, FindInputs, Trained, find_ticket
from common.finders.iterative import ImpOptions
from common.finders.magnitudes import prune_smallest
from common.models import build_model, prunable_parameters, shortcut_weights
from common.randomness import generator
from common.tickets import Ticket
from common.training import Moment

RESNET20 = [432, *[2304] * 6, 4608, *[9216] * 5, 18432, *[36864] * 5, 640]
KEPT_MOMENT = Moment("step", 7)


def options(**given):
    return ImpOptions.model_validate({"name": "imp", **given})


def all_kept(weights):
    return {name: torch.ones_like(value, dtype=torch.bool) for name, value in weights.items()}


def total(masks):
    return int(sum(mask.sum() for mask in masks.values()))


# --- one round


def test_five_weights_by_hand():
    """The original takes the magnitude with index ceil(0.2 * 5) = 1: .2 and what is below go."""
    weights = {"a": torch.tensor([0.3, -0.1]), "b": torch.tensor([0.5, -0.4, 0.2])}
    original = prune_smallest(weights, all_kept(weights), 0.2, count="original")
    assert original["a"].tolist() == [True, False]
    assert original["b"].tolist() == [True, True, False]
    exact = prune_smallest(weights, all_kept(weights), 0.2)
    assert exact["a"].tolist() == [True, False] and exact["b"].all()
    largest = prune_smallest(weights, all_kept(weights), 0.2, largest=True)
    assert largest["a"].all() and largest["b"].tolist() == [False, True, True]
    both = prune_smallest(weights, all_kept(weights), 0.2, count="original", largest=True)
    assert both["a"].all() and both["b"].tolist() == [False, False, True]


def test_removed_weights_are_neither_ranked_nor_brought_back():
    weights = {"a": torch.tensor([9.0, 0.1, 0.2, 0.3, 0.0])}
    masks = {"a": torch.tensor([False, True, True, True, False])}
    assert prune_smallest(weights, masks, 0.3)["a"].tolist() == [False, False, True, True, False]
    found = prune_smallest(weights, masks, 0.3, largest=True)["a"]
    assert found.tolist() == [False, True, True, False, False]


def test_zeros_that_were_trained_are_told_from_removed_weights():
    weights = {"a": torch.zeros(4), "b": torch.zeros(6)}
    masks = {"a": torch.tensor([True, False, True, False]), "b": torch.ones(6, dtype=torch.bool)}
    kept = prune_smallest(weights, masks, 0.5)
    assert total(kept) == 4 and not bool((kept["a"] & ~masks["a"]).any())


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        ("original", {1: 214667, 2: 171732, 3: 137384, 4: 109906, 5: 87923, 15: 9435, 19: 3860}),
        ("exact", {1: 214668, 2: 171734, 3: 137387}),
    ],
)
def test_rounds_of_resnet20(count, wanted):
    draw = torch.Generator().manual_seed(0)
    values = torch.randperm(sum(RESNET20), generator=draw).float() + 1.0
    weights = {f"layer{i}": part for i, part in enumerate(values.split(RESNET20))}
    masks, left = all_kept(weights), {}
    for number in range(1, 24 if count == "original" else 4):
        masks = prune_smallest(weights, masks, 0.2, count=count)
        left[number] = total(masks)
    assert {number: left[number] for number in wanted} == wanted
    if count == "original":
        assert left[23] == 1577


WEIGHTS = st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=12), min_size=1, max_size=3)


@given(WEIGHTS, st.floats(0.05, 0.9), st.booleans(), st.sampled_from(["exact", "original"]))
def test_rounds_are_nested_and_remove_what_they_should(rows, fraction, largest, count):
    weights = {f"layer{i}": torch.tensor(row).float() for i, row in enumerate(rows)}
    masks = all_kept(weights)
    for _ in range(4):
        before = masks
        masks = prune_smallest(weights, before, fraction, count=count, largest=largest)
        assert all(bool((before[name] | ~masks[name]).all()) for name in masks)
        cut = math.ceil(fraction * total(before))
        if count == "exact":
            assert total(masks) == total(before) - cut
        else:
            assert total(masks) <= max(total(before) - cut - 1, 0)
        kept = [abs(float(w)) for n in masks for w in weights[n][masks[n]]]
        gone = [abs(float(w)) for n in masks for w in weights[n][before[n] & ~masks[n]]]
        if kept and gone:
            assert max(kept) <= min(gone) if largest else min(kept) >= max(gone)


# --- what a round starts from


@pytest.fixture
def states():
    """A small ResNet's initial state and three others: kept early, trained, trained again."""
    model = build_model("resnet8", num_classes=4, width=2, generator=generator(0, "initialise"))
    initial = {k: v.detach().clone() for k, v in model.state_dict().items()}

    def shifted(by):
        return {
            k: v + (1 + by) * torch.rand(v.shape) if v.is_floating_point() else v + int(by)
            for k, v in initial.items()
        }

    with torch.random.fork_rng():
        torch.manual_seed(1)
        return model, initial, shifted(1), shifted(2), shifted(3)


def rounds(states, **given):
    """Return the tickets of two rounds."""
    model, _, early, first, second = states
    chosen = options(rounds=2, **given)
    one, two = FINDERS["imp"].stages(chosen)
    inputs = FindInputs(model, None, chosen, generator, Trained(first, {KEPT_MOMENT: early}))
    ticket = one.find(inputs)
    inputs = FindInputs(model, None, chosen, generator, Trained(second), ticket)
    return ticket, two.find(inputs)


def equal(ticket, prunable_from, others_from):
    names = set(ticket.masks)
    return all(
        torch.equal(value, (prunable_from if name in names else others_from)[name])
        for name, value in ticket.weights.items()
    )


@pytest.mark.parametrize("to", ["init", "step", "none"])
def test_prunable_weights_are_rewound_and_statistics_carried_over(states, to):
    _, initial, early, first, second = states
    rewind = {"to": to, **({"step": 7} if to == "step" else {})}
    one, two = rounds(states, rewind=rewind)
    start = {"init": initial, "step": early, "none": None}[to]
    assert equal(one, start or first, first)
    assert equal(two, start or second, second)


@pytest.mark.parametrize("to", ["init", "step"])
def test_or_everything_is(states, to):
    _, initial, early, _, _ = states
    rewind = {"to": to, "scope": "all", **({"step": 7} if to == "step" else {})}
    start = {"init": initial, "step": early}[to]
    for ticket in rounds(states, rewind=rewind):
        assert equal(ticket, start, start)


def test_a_mask_is_chosen_by_the_trained_weights(states):
    _, _, _, first, second = states
    one, two = rounds(states, fraction_per_round=0.5)
    for ticket, trained, inside in ((one, first, None), (two, second, one)):
        area = {
            n: torch.ones_like(m) if inside is None else inside.masks[n]
            for n, m in ticket.masks.items()
        }
        kept = torch.cat([trained[n][m].abs() for n, m in ticket.masks.items()])
        gone = torch.cat([trained[n][area[n] & ~m].abs() for n, m in ticket.masks.items()])
        assert kept.min() >= gone.max()
        assert abs(len(kept) - len(gone)) <= 1


def test_shortcuts_that_do_not_count_are_rewound_with_what_is_not_pruned(states):
    model = states[0]
    one, _ = rounds(states, prune_shortcuts=False)
    assert set(one.masks) == set(prunable_parameters(model)) - set(shortcut_weights(model))
    assert shortcut_weights(model)


def test_a_chain_that_leaves_nothing_is_one_clear_line(states):
    model, initial, _, first, _ = states
    chosen = options(rounds=1, fraction_per_round=0.99)
    masks = {
        n: torch.zeros_like(w, dtype=torch.bool) for n, w in prunable_parameters(model).items()
    }
    next(iter(masks.values())).view(-1)[0] = True
    inputs = FindInputs(model, None, chosen, generator, Trained(first), Ticket(masks, initial))
    with pytest.raises(UserError, match=r"find\.rounds: nothing is left") as caught:
        FINDERS["imp"].stages(chosen)[0].find(inputs)
    assert "\n" not in str(caught.value)


# --- what may be asked for


@pytest.mark.parametrize(
    ("sparsity", "fraction", "number"),
    [
        *((0.0, 0.2, 0), (0.2, 0.2, 1), (0.36, 0.2, 2), (0.9856, 0.2, 19), (0.9941, 0.2, 23)),
        (0.75, 0.5, 2),
    ],
)
def test_a_sparsity_means_the_rounds_that_reach_it(sparsity, fraction, number):
    chosen = options(sparsity=sparsity, fraction_per_round=fraction)
    assert chosen.number_of_rounds == number
    assert len(FINDERS["imp"].stages(chosen)) == number


@pytest.mark.parametrize(
    ("sparsity", "near"),
    [(0.5, r"0\.4880 and 0\.5904"), (0.1, r"0\.2000")],
)
def test_a_sparsity_between_two_rounds_is_refused_with_the_nearest(sparsity, near):
    text = rf"sparsity {sparsity} is none that whole rounds reach; the nearest are {near}"
    with pytest.raises(ValidationError, match=text) as caught:
        options(sparsity=sparsity)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "give either rounds or sparsity"),
        ({"rounds": 2, "sparsity": 0.36}, "give either rounds or sparsity"),
        ({"rounds": 2, "rewind": {"to": "step"}}, "step is missing; to 'step' needs one"),
        ({"rounds": 2, "rewind": {"to": "epoch"}}, "epoch is missing; to 'epoch' needs one"),
        ({"rounds": 2, "rewind": {"step": 3}}, "step has no effect where to is 'init'"),
        ({"rounds": 2, "rewind": {"to": "none", "epoch": 3}}, "epoch has no effect"),
        ({"rounds": -1}, "greater than or equal to 0"),
        ({"rounds": 2, "rewind": {"to": "step", "step": 0}}, "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused(given, reason):
    with pytest.raises(ValidationError, match=reason):
        options(**given)


def test_its_rounds_train_one_recipe_and_only_the_first_keeps_a_copy():
    recipe = {"epochs": 160, "lr": 0.2}
    chosen = options(rounds=3, train=recipe, epochs_per_round=8, rewind={"to": "step", "step": 9})
    stages = FINDERS["imp"].stages(chosen)
    assert [stage.training.recipe.epochs for stage in stages] == [8, 8, 8]
    assert stages[0].training.recipe.lr == 0.2
    assert [stage.training.keep_at for stage in stages] == [(Moment("step", 9),), (), ()]
    by_epoch = FINDERS["imp"].stages(options(rounds=1, rewind={"to": "epoch", "epoch": 0}))
    assert by_epoch[0].training.keep_at == (Moment("epoch", 0),)


def test_it_works_in_a_run_and_not_as_a_single_call():
    model = build_model("small_cnn", num_classes=4, width=2)
    with pytest.raises(UserError, match="'imp': needs a training first"):
        find_ticket("imp", model, rounds=1)
