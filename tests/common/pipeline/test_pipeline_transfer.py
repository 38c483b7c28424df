"""Tickets that leave home: what of a state travels, and what becomes of the classifier (spec 9.7).

Everything is iterative pruning with late resetting in two rounds on a few of the digits: their
halves a and b, their first five classes, and coloured ones.
"""

import itertools

import pytest
import torch

from common.errors import UserError
from common.models import prunable_parameters
from common.pipeline import finish_run, phase_paths
from common.pipeline.context import initial_model
from common.tickets import Ticket
from tests.common.pipeline.transfers import DATA, FIND, FIVE, fresh, names, run, trained

pytestmark = pytest.mark.usefixtures("one_thread", "transfer_datasets")

COLOURED = DATA | {"name": "coloured_digits"}
HEAD = ["classifier.weight", "classifier.bias"]


def tickets(made, context, *roles):
    """Return the tickets of the phases of some roles, in order."""
    return [Ticket.load(phase_paths(p, context).ticket) for p in made.phases if p.role in roles]


def same(one, other, only=None):
    if only is None:
        assert sorted(one) == sorted(other)
    return all(torch.equal(one[name], other[name]) for name in (only or one))


def body(state):
    return [name for name in state if name not in HEAD]


# --- masks of the target: only start weights travel


TARGET = {"source": "digits_a", "mask": "target"}


def test_only_the_late_weights_come_from_the_source(compute_transfer, context):
    made = compute_transfer(transfer=TARGET)
    assert names(made) == [
        *("pretrain digits_a", "find digits_a", "transfer digits_b"),
        *("pretrain digits_b", "find digits_b") * 2,
        "train digits_b",
    ]
    (start, *_) = trained(made, context)
    late, moved, *levels = tickets(made, context, "find", "transfer")
    for ticket in (late, moved, *levels):
        assert same(ticket.weights, start), "classifier and running statistics included"
    assert not moved.masks and len(levels) == 2
    weights = prunable_parameters(
        initial_model(made.train.setting, context.dataset("digits"), context), "all_weights"
    )
    assert list(levels[0].masks) == list(weights) and "classifier.weight" in levels[0].masks
    record = finish_run(made, context)
    assert record["source_fingerprint"]["name"] == "digits_a"
    assert record["dataset_fingerprint"]["name"] == "digits_b"
    assert record["ticket"]["sparsity"] == pytest.approx(0.36, abs=0.01)


def test_levels_share_what_is_done_on_the_source_and_on_the_target(plan_transfer):
    chains = [
        [phase.identity for phase in plan_transfer(f"find.rounds={rounds}", transfer=TARGET).phases]
        for rounds in range(3)
    ]
    for short, long in itertools.pairwise(chains):
        assert short == long[: len(short)]


def test_a_classifier_of_other_classes_is_carried_over(compute_transfer, context):
    """It is fresh at first, then what the level before trained, and pruned with the rest."""
    made = compute_transfer(transfer=TARGET | {"source": FIVE})
    start, *levels_trained = trained(made, context)
    moved, *levels = tickets(made, context, "find", "transfer")[1:]
    assert start["classifier.weight"].shape[0] == 5
    assert moved.weights["classifier.weight"].shape[0] == 10
    assert same(moved.weights, start, body(start))
    assert same(moved.weights, fresh(made, context), HEAD)
    gone = torch.zeros_like(levels[0].masks["classifier.weight"])
    for ticket, before, after in zip(levels, levels_trained, levels_trained[1:], strict=False):
        assert same(ticket.weights, start, body(start))
        assert same(ticket.weights, before, HEAD), "bias, too"
        assert bool((ticket.weights["classifier.weight"][gone] == 0).all())
        gone = ~ticket.masks["classifier.weight"]
        assert gone.any()
        assert bool((after["classifier.weight"][gone] == 0).all())
        assert not same(before, after, HEAD)
    total = sum(mask.numel() for mask in levels[0].masks.values())
    whole = prunable_parameters(
        initial_model(made.train.setting, context.dataset("digits"), context), "all_weights"
    )
    assert total == sum(weight.numel() for weight in whole.values())
    assert len(levels) == 2


@pytest.mark.parametrize("scope", ["all", "prunable"])
@pytest.mark.parametrize(
    "rules",
    [
        {"source": FIVE, "mismatch": "fresh_each_level"},
        {"source": FIVE, "classifier": "fresh_each_level"},
        {"source": "digits_a", "classifier": "fresh_each_level"},
    ],
    ids=["other classes", "always", "always, equal classes"],
)
def test_or_it_is_one_fresh_one_at_every_level_and_dense(compute_transfer, context, rules, scope):
    made = compute_transfer(f"find.rewind.scope={scope}", transfer=TARGET | rules)
    start = trained(made, context)[0]
    moved, *levels = tickets(made, context, "find", "transfer")[1:]
    new = fresh(made, context)
    assert same(moved.weights, start, body(start))
    for ticket in (moved, *levels):
        assert same(ticket.weights, new, HEAD)
    for ticket in levels:
        assert "classifier.weight" not in ticket.masks
        assert len(ticket.masks) == len(body(ticket.masks)) > 5
    final = trained(made, context)[-1]
    assert not bool((final["classifier.weight"] == 0).any())


# --- masks of the source: the ticket travels


SOURCE = {"source": "digits_a", "mask": "source"}


def test_a_whole_ticket_travels_and_is_trained_once(compute_transfer, context):
    made = compute_transfer(transfer=SOURCE)
    assert names(made) == [
        *("pretrain digits_a", "find digits_a") * 3,
        *("transfer digits_b", "train digits_b"),
    ]
    start, *_, final = trained(made, context)
    (moved,) = tickets(made, context, "transfer")
    found = tickets(made, context, "find")[-1]
    assert same(moved.weights, start) and same(moved.masks, found.masks)
    for name, mask in moved.masks.items():
        assert bool((final[name][~mask] == 0).all())
    assert moved.meta["data"]["name"] == "digits_b", "what it is for"
    assert moved.meta["source_data"]["name"] == found.meta["data"]["name"] == "digits_a"
    assert moved.meta["model"] == found.meta["model"]
    record = finish_run(made, context)
    assert record["metrics"]["search_epochs"] == 3


def test_of_a_ticket_for_other_classes_the_classifier_is_dense_and_fresh(compute_transfer, context):
    made = compute_transfer(transfer=SOURCE | {"source": FIVE})
    start = trained(made, context)[0]
    (moved,) = tickets(made, context, "transfer")
    found = tickets(made, context, "find")[-1]
    assert same(moved.weights, start, body(start)) and same(
        moved.weights, fresh(made, context), HEAD
    )
    assert set(found.masks) - set(moved.masks) == {"classifier.weight"}
    assert same(moved.masks, found.masks, list(moved.masks))


def test_a_fresh_classifier_is_the_same_for_every_level(compute_transfer, context):
    rules = SOURCE | {"classifier": "fresh_each_level"}
    heads = []
    for rounds in range(3):
        made = compute_transfer(f"find.rounds={rounds}", transfer=rules)
        (moved,) = tickets(made, context, "transfer")
        assert same(moved.weights, fresh(made, context), HEAD)
        assert "classifier.weight" not in moved.masks
        heads.append(moved.weights["classifier.weight"])
    assert torch.equal(heads[0], heads[2])


def test_a_random_ticket_is_made_of_the_one_that_arrived(compute_transfer, context):
    made = compute_transfer(transfer=SOURCE | {"source": FIVE}, transform=["random_global"])
    (moved,) = tickets(made, context, "transfer")
    random = Ticket.load(phase_paths(made.ticket, context).ticket)
    assert sum(random.layer_kept().values()) == sum(moved.layer_kept().values())
    assert random.weights["classifier.weight"].shape[0] == 10


def test_a_score_at_initialisation_may_be_taken_on_the_source(compute_transfer, context):
    made = compute_transfer(transfer=SOURCE, find={"name": "snip", "sparsity": 0.5})
    assert names(made) == ["find digits_a", "transfer digits_b", "train digits_b"]


def test_no_round_of_a_chain_from_the_initial_weights_takes_nothing_from_the_source(plan_transfer):
    rewound = FIND | {"rounds": 0, "rewind": {"to": "init"}}
    made = plan_transfer(transfer=SOURCE, find=rewound)
    assert names(made) == ["train digits_b"] and made.ticket is None


# --- channels


def test_a_grey_source_travels_to_a_colour_target(compute_transfer, context):
    grey = DATA | {"name": "digits_a", "channels": 3}
    made = compute_transfer(
        transfer=TARGET | {"source": grey}, data=DATA | {"name": "coloured_digits"}
    )
    start = trained(made, context)[0]
    (moved,) = tickets(made, context, "transfer")
    assert same(moved.weights, start)
    assert moved.weights["features.conv1.weight"].shape[1] == 3


@pytest.mark.parametrize("mask", ["source", "target"])
def test_one_channel_does_not_fit_on_three(plan_transfer, context, mask):
    source = DATA | {"name": "digits_a"}
    made = plan_transfer(
        transfer={"source": source, "mask": mask}, data=DATA | {"name": "coloured_digits"}
    )
    with pytest.raises(UserError, match=r"features\.conv1\.weight has shape \[2, 1, 3, 3\]") as e:
        run(made, context)
    assert "\n" not in str(e.value)
