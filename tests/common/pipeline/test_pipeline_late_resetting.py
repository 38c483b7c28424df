"""Late resetting: every level, the first one too, is a whole training from those of epoch r."""

import itertools

import pytest
import torch

from common.config import TrainConfig
from common.errors import UserError
from common.pipeline import (
    Context,
    Methods,
    compute_phase,
    distinct_phases,
    finish_run,
    is_done,
    phase_paths,
    plan_run,
)
from common.tickets import Ticket
from common.tickets.states import load_state
from common.tracking import Workspace, read_metrics
from common.training import CheckpointStore

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = {"count": 250}
STEPS, EPOCHS = 3, 2  # of an epoch: 250 images in batches of 100
TRAIN = {"epochs": EPOCHS, "batch_size": 100, "lr": 0.05, "milestones": [1]}
LATE = {"to": "epoch", "epoch": 0, "scope": "all", "restart": True}
FIND = {
    "name": "imp",
    "rounds": 2,
    "count": "percentile",
    "scope": "all_weights",
    "train": {**TRAIN, "subset": FEW},
    "rewind": LATE,
}
FIELDS = {
    "data": {"name": "digits", "augment": None, "subset": FEW},
    "model": {"name": "small_cnn", "width": 2},
    "train": TRAIN,
}
STATISTICS = "features.bn1.num_batches_tracked"


@pytest.fixture
def plan(run_config, context):
    """Return a function that plans a run on a few digits."""

    def build(*overrides, find=FIND, **fields):
        content = context.dataset("digits").fingerprint["sha256"]
        config = run_config(*overrides, **FIELDS | {"find": find} | fields)
        return plan_run(config, 0, Methods(), content)

    return build


@pytest.fixture
def computed(plan, context):
    """Return a function that computes a run: its plan, final states and tickets."""

    def compute(*overrides, **fields):
        made = plan(*overrides, **fields)
        for phase in made.phases:
            compute_phase(phase, context)
        return made, finals(made, context), tickets(made, context)

    return compute


@pytest.fixture(scope="module")
def chain(run_config, tmp_path_factory):
    """Return the plan, final states and tickets of the chain of two rounds."""
    root = tmp_path_factory.mktemp("chain")
    context = Context(Workspace(root / "runs", root / "results", root / "data"), threads=1)
    context.progress = False
    content = context.dataset("digits").fingerprint["sha256"]
    made = plan_run(run_config(**FIELDS | {"find": FIND}), 0, Methods(), content)
    for phase in made.phases:
        compute_phase(phase, context)
    return made, finals(made, context), tickets(made, context)


def finals(made, context):
    return [load_state(phase_paths(p, context).final) for p in made.phases if p.kind == "train"]


def tickets(made, context):
    paths = [phase_paths(phase, context).ticket for phase in made.phases if phase.kind == "find"]
    return [Ticket.load(path) for path in paths]


def identities(made):
    return [phase.identity for phase in made.phases]


def same(one, other):
    return sorted(one) == sorted(other) and all(torch.equal(one[name], other[name]) for name in one)


def recipe(phase):
    return phase.work.recipe


# --- what a chain is


def test_it_is_a_short_training_and_a_whole_one_for_every_level(plan):
    made = plan()
    trainings = [phase for phase in made.phases if phase.kind == "train"]
    assert [recipe(phase).epochs for phase in trainings] == [1, EPOCHS, EPOCHS, EPOCHS]
    assert recipe(trainings[0]).schedule_epochs == EPOCHS, "the schedule is the whole training's"
    assert [phase.kind for phase in made.phases] == ["train", "find"] * 3 + ["train"]


def test_no_round_at_all_is_a_whole_training_from_the_late_weights(computed, context):
    made, (start, final), (ticket,) = computed("find.rounds=0")
    assert ticket.masks == {} and same(ticket.weights, start)
    assert int(start[STATISTICS]) == STEPS
    assert int(final[STATISTICS]) == (1 + EPOCHS) * STEPS, "r epochs and E more"
    record = finish_run(made, context)
    assert record["ticket"]["sparsity"] == 0 and record["metrics"]["search_epochs"] == 1
    assert len(read_metrics(phase_paths(made.train, context).metrics)) == EPOCHS


def test_without_a_restart_no_round_at_all_is_the_dense_run(plan):
    dense = plan(find={"name": "dense"})
    none = plan(find={"name": "imp", "sparsity": 0.0, "train": TRAIN})
    assert identities(none) == identities(dense) and none.ticket is None


def test_the_late_weights_are_those_of_a_whole_training_after_that_epoch(computed, plan, context):
    _, (start, *_), _ = computed("find.rounds=0")
    whole = plan(find=FIND | {"rounds": 1, "rewind": {**LATE, "restart": False}})
    compute_phase(whole.phases[0], context)
    compute_phase(whole.phases[1], context)
    kept = Ticket.load(phase_paths(whole.phases[1], context).ticket).weights
    assert same(kept, start)
    assert recipe(whole.phases[0]).epochs == EPOCHS


def test_every_level_starts_from_the_late_weights(chain):
    _, (start, *trained), (late, *levels) = chain
    assert same(late.weights, start)
    assert len(levels) == 2 and len(trained) == 3
    for ticket in levels:
        assert same(ticket.weights, start), "running statistics, biases, norm layers and all"
    for final in trained:
        assert int(final[STATISTICS]) == (1 + EPOCHS) * STEPS, "no level goes on from another"
    total = sum(mask.numel() for mask in levels[0].masks.values())
    left = [sum(ticket.layer_kept().values()) for ticket in levels]
    assert left == [total - int((total - 1) * removed) - 1 for removed in (0.2, 0.36)]


def test_zeros_are_those_of_the_mask_and_nested(chain):
    _, (_, dense, *trained), (_, *levels) = chain
    zeros = [{name: dense[name] == 0 for name in levels[0].masks}]
    for ticket, final in zip(levels, trained, strict=True):
        zeros.append({name: final[name] == 0 for name in ticket.masks})
        for name, mask in ticket.masks.items():
            assert torch.equal(zeros[-1][name], ~mask), "no other weight is zero by chance"
            assert not bool((zeros[-2][name] & ~zeros[-1][name]).any())
    assert {name for name in levels[0].masks if "bn" in name}, "norm scales are pruned, too"
    assert not any("bias" in name for name in levels[0].masks)


def test_a_mask_is_chosen_by_the_training_before(chain):
    _, (_, dense, *trained), (_, *levels) = chain
    for ticket, before in zip(levels, [dense, *trained], strict=False):
        stay = torch.cat([before[name][mask].abs() for name, mask in ticket.masks.items()])
        gone = torch.cat([before[name][~mask].abs() for name, mask in ticket.masks.items()])
        assert stay.min() > gone.max()


# --- what levels share


def test_levels_share_their_chain_and_their_last_training_is_the_next_round_s(plan):
    chains = [plan(f"find.rounds={rounds}") for rounds in range(4)]
    for short, long in itertools.pairwise(chains):
        assert identities(short) == identities(long)[: len(short.phases)]
    assert len(distinct_phases(chains)) == len(chains[-1].phases) == 9


def test_levels_named_by_their_sparsity_are_the_same(plan):
    find = {key: value for key, value in FIND.items() if key != "rounds"}
    for rounds, sparsity in enumerate((0, 0.2, 0.36, 0.488)):
        by_sparsity = plan(find=find | {"sparsity": sparsity})
        assert identities(by_sparsity) == identities(plan(f"find.rounds={rounds}"))


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ("find.rewind.epoch=1", 0),
        ('find.dense={"epochs": 2, "batch_size": 50}', 0),
        ("find.scope=conv", 3),
        ("find.count=exact", 3),
        ("find.permute=global", 3),
        ("train.lr=0.1", 6),
    ],
)
def test_what_bears_on_a_phase_changes_it_and_those_behind(plan, change, first):
    equal = [a == b for a, b in zip(identities(plan()), identities(plan(change)), strict=True)]
    assert equal == [True] * first + [False] * (len(equal) - first)


# --- another recipe for the start


ADAM = {"epochs": 3, "batch_size": 50, "optimizer": "adam", "lr": 0.002, "subset": FEW}


def test_the_start_may_be_trained_otherwise_than_the_rounds(computed, plan, context):
    made, (start, *_), (_, *levels) = computed(find=FIND | {"dense": ADAM})
    first, second, third, last = (recipe(p) for p in made.phases if p.kind == "train")
    assert (first.optimizer, first.epochs, first.schedule_epochs) == ("adam", 1, 3)
    assert second == third == last == TrainConfig(**TRAIN)
    assert int(start[STATISTICS]) == 250 / 50
    assert all(same(ticket.weights, start) for ticket in levels)
    own = plan("find.rounds=0")
    compute_phase(own.phases[0], context)
    assert not same(finals_of(own.phases[0], context), start)


def finals_of(phase, context):
    return load_state(phase_paths(phase, context).final)


def test_a_later_epoch_than_the_dense_recipe_has_is_refused_in_one_line(plan):
    with pytest.raises(UserError, match=r"find\.rewind\.epoch: 3 is not in a training of 3") as e:
        plan("find.rewind.epoch=3", find=FIND | {"dense": ADAM})
    assert "\n" not in str(e.value)
    whole = plan("find.rewind.epoch=2", find=FIND | {"dense": ADAM})
    assert recipe(whole.phases[0]).epochs == 3 and recipe(whole.phases[0]).schedule_epochs is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["find.rewind.restart=false", "find.dense={}"], "dense has no effect where rewind"),
        (['find.rewind={"to": "init", "restart": true}'], "restart needs to 'epoch', found 'init'"),
        (["find.invert=true"], "invert has no meaning where count is 'percentile'"),
    ],
)
def test_options_that_contradict_each_other_are_refused(plan, overrides, message):
    with pytest.raises(UserError, match=message):
        plan(*overrides)


# --- interrupted


class KilledError(Exception):
    """Stands for a kill of the process."""


@pytest.mark.parametrize("position", [0, 2, 4])
def test_a_chain_that_was_killed_ends_with_the_same_bits(
    chain, plan, context, position, monkeypatch
):
    """Killed in an epoch of the start, of the first round and of the second one."""
    _, whole, levels = chain
    made = plan()
    for phase in made.phases[:position]:
        compute_phase(phase, context)
    save, left = CheckpointStore.save, [2]

    def deadly(store, *args, **kwargs):
        save(store, *args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    monkeypatch.setattr(CheckpointStore, "save", deadly)
    with pytest.raises(KilledError):
        compute_phase(made.phases[position], context)
    monkeypatch.undo()
    assert not is_done(made.phases[position], context)
    assert CheckpointStore(phase_paths(made.phases[position], context).root).load() is not None
    for phase in made.phases:
        compute_phase(phase, context)
    assert all(same(a, b) for a, b in zip(finals(made, context), whole, strict=True))
    for one, other in zip(tickets(made, context), levels, strict=True):
        assert same(one.masks, other.masks) and same(one.weights, other.weights)
