"""Gradual magnitude pruning: its schedule, what goes when, and that a kill changes nothing."""

import itertools
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.data import Batches
from common.errors import UserError
from common.finders import FINDERS, Found, find_ticket
from common.finders.base import FindInputs, Workshop
from common.finders.gmp import GmpLearner, GmpOptions, cubic_sparsity, pruning_steps
from common.models import prunable_parameters
from common.pipeline import Methods, compute_phase, finish_run, phase_paths, plan_run
from common.randomness import generator
from common.tickets import Ticket, kept_count
from common.tracking import read_metrics
from common.training import CheckpointStore, TrainData, TrainHooks, run_epochs

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = {"epochs": 4, "batch_size": 16, "lr": 0.05}  # 6 steps an epoch, 24 in all
EVERY_FOUR = {"sparsity": 0.9, "every": 4, "end": 16, "train": RECIPE}


def options(**given):
    return GmpOptions.model_validate({"name": "gmp", **EVERY_FOUR, **given})


def test_the_cubic_schedule():
    wanted = {0: 0, 1: 0.026731, 10: 0.2439, 25: 0.520312, 50: 0.7875}
    wanted |= {75: 0.885938, 90: 0.8991, 99: 0.899999, 100: 0.9}
    for step, sparsity in wanted.items():
        assert cubic_sparsity(step / 100, 0.0, 0.9) == pytest.approx(sparsity, abs=5.1e-7)


@given(st.floats(0, 1), st.floats(0, 1), st.lists(st.floats(0, 1), min_size=2))
def test_it_rises_from_the_first_sparsity_to_the_last(a, b, places):
    first, last = sorted((a, b))
    values = [cubic_sparsity(place, first, last) for place in sorted(places)]
    assert all(y >= x - 1e-12 for x, y in itertools.pairwise(values))
    assert cubic_sparsity(1.0, first, last) == last
    assert cubic_sparsity(0.0, first, last) == pytest.approx(first)


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ({}, [0, 4, 8, 12, 16]),
        ({"end": 0.5, "every": 5}, [0, 5, 10]),
        ({"end": 0.5, "every": "epoch"}, [0, 6, 12]),
        ({"start": 0.25, "end": 1.0, "every": 6}, [6, 12, 18, 24]),
        ({"start": 3, "end": 23, "every": 9}, [3, 12, 21]),
    ],
)
def test_when_weights_are_removed(given, steps):
    prunings = pruning_steps(options(**given), 6)
    assert list(prunings) == steps
    assert prunings[steps[0]] == pytest.approx(0.0) and prunings[steps[-1]] == 0.9


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"every": 100}, r"find\.every: 100 steps do not fit between find\.start \(step 0\) and"),
        ({"end": 25}, r"find\.end: 25 is more than the 24 steps"),
        ({"start": 20}, r"find\.every: 4 steps do not fit"),
        ({"train": {**RECIPE, "epochs": 0}, "end": 0.5}, r"do not fit"),
    ],
)
def test_a_schedule_without_room_is_one_clear_line(given, reason):
    with pytest.raises(UserError, match=reason) as caught:
        pruning_steps(options(**given), 6)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"initial_sparsity": 0.95}, "initial_sparsity must be at most sparsity"),
        ({"every": 0}, "every must be a number of steps above 0 or 'epoch'"),
        ({"every": "step"}, "'epoch'"),
        ({"start": -1}, "greater than or equal to 0"),
        ({"end": 1.5}, "less than or equal to 1"),
        ({"train": {"select": "best_validation"}}, "train.select has no place"),
        ({"train": {"subset": {"count": 5}}}, "unknown key 'subset'"),
    ],
)
def test_what_cannot_be_is_refused(given, reason):
    with pytest.raises(ValidationError, match=reason):
        options(**given)


# --- the training


class KilledError(Exception):
    """Ends a training."""


@pytest.fixture
def workshop(dataset):
    """Return a function that makes a workshop, which may checkpoint every step and be killed."""

    def data(size, _):
        splits = (dataset.train, dataset.test)
        train, test = (Batches(s, size, dataset.normalizations["default"]) for s in splits)
        return TrainData(train, test)

    def make(folder=None, kill_at=None):
        left = [kill_at]

        def on_step(_):
            if left[0] is not None:
                left[0] -= 1
                if left[0] == 0:
                    raise KilledError

        store = None if folder is None else CheckpointStore(folder)
        hooks = TrainHooks(on_step=on_step, checkpoints=store, checkpoint_seconds=0.0)
        return Workshop(data, lambda *_: nullcontext(hooks), 0, torch.device("cpu"))

    return make


def find(model, workshop, **given):
    found = (
        FINDERS["gmp"]
        .stages(options(**given))[0]
        .find(FindInputs(model, None, options(**given), generator, workshop=workshop))
    )
    assert isinstance(found, Found)
    return found


def same(a, b):
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


class Watched(GmpLearner):
    """Notes after every step what is kept and how large it is."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seen = [(self.masks, self.sizes())]

    def sizes(self):
        return {n: p.detach().abs().clone() for n, p in self.model.named_parameters()}

    def _prune_after(self, steps):
        before = self.sizes()
        super()._prune_after(steps)
        if steps:
            self.seen.append((self.masks, before))


def watched(model, workshop, **given):
    chosen = options(**given)
    bench = workshop()
    data = bench.data(16, False)
    learner = Watched(model, data, chosen, bench)
    run_epochs(learner, data.train, chosen.train, seed=0, hooks=TrainHooks())
    return learner


@pytest.mark.parametrize("scope", ["global", "local"])
def test_every_mask_has_its_sparsity_and_keeps_what_is_largest_then(resnet, workshop, scope):
    learner = watched(resnet, workshop, scope=scope)
    assert len(learner.seen) == 25
    prunings = pruning_steps(options(), 6)
    sparsity = 0.0
    for steps, (masks, sizes) in enumerate(learner.seen):
        sparsity = prunings.get(steps, sparsity)
        groups = [list(masks)] if scope == "global" else [[name] for name in masks]
        for names in groups:
            kept = torch.cat([masks[n].flatten() for n in names])
            assert int(kept.sum()) == kept_count(len(kept), sparsity)
            values = torch.cat([sizes[n].flatten() for n in names])
            if steps in prunings and not kept.all():
                assert values[kept].min() >= values[~kept].max()
    for (before, _), (after, _) in itertools.pairwise(learner.seen):
        assert not any(bool((after[name] & ~before[name]).any()) for name in after)
    state = dict(learner.model.named_parameters())
    momentum = learner.optimizers[0].state
    for name, mask in learner.masks.items():
        assert not state[name][~mask].any(), "removed weights are zero"
        assert not momentum[state[name]]["momentum_buffer"][~mask].any()
        assert state[name][mask].all()


def test_the_first_step_may_find_weights_gone_already(resnet, workshop):
    learner = watched(resnet, workshop, initial_sparsity=0.5)
    first, sizes = learner.seen[0]
    size = sum(mask.numel() for mask in first.values())
    assert sum(int(mask.sum()) for mask in first.values()) == kept_count(size, 0.5)
    assert not any(sizes[name][~mask].any() for name, mask in first.items())


def test_the_ticket_starts_from_the_initial_or_the_trained_weights(resnet, workshop):
    before = {name: value.clone() for name, value in resnet.state_dict().items()}
    init = find(resnet, workshop())
    assert same(resnet.state_dict(), before), "the network that is handed over is left alone"
    assert same(init.ticket.weights, before)
    trained = find(resnet, workshop(), rewinding="trained")
    assert same(init.ticket.masks, trained.ticket.masks)
    assert not same(trained.ticket.weights, before)
    for name, mask in trained.ticket.masks.items():
        assert not trained.ticket.weights[name][~mask].any()
    assert init.metrics == trained.metrics
    assert init.metrics["search_epochs"] == 4
    curves = init.search["curves"]
    assert curves["epoch"] == [1, 2, 3, 4]
    assert curves["sparsity"] == pytest.approx([0.520, 0.886, 0.9, 0.9], abs=1e-3)
    assert init.metrics["pruned_test_accuracy"] == pytest.approx(curves["test_accuracy"][-1])


def test_convolutions_alone(resnet, dataset):
    ticket = find_ticket("gmp", resnet, dataset, prune_linear=False, **EVERY_FOUR)
    convolutions = prunable_parameters(resnet, "conv")
    assert list(ticket.masks) == list(convolutions)
    size = sum(weight.numel() for weight in convolutions.values())
    assert sum(ticket.layer_kept().values()) == kept_count(size, 0.9)


@pytest.mark.parametrize("kills", [[4], [5], [9], [6, 6, 7], [1, 1, 22], [24]])
def test_a_search_that_was_killed_ends_in_the_same_bits(resnet, workshop, tmp_path, kills):
    whole = find(resnet, workshop(), rewinding="trained")
    for kill_at in kills:
        with pytest.raises(KilledError):
            find(resnet, workshop(tmp_path, kill_at), rewinding="trained")
    resumed = find(resnet, workshop(tmp_path), rewinding="trained")
    assert same(resumed.ticket.masks, whole.ticket.masks)
    assert same(resumed.ticket.weights, whole.ticket.weights)
    assert resumed.metrics == whole.metrics and resumed.search == whole.search


def test_the_comparison_tells_a_mask_that_was_lost(resnet, workshop, tmp_path):
    whole = find(resnet, workshop(), rewinding="trained")
    with pytest.raises(KilledError):
        find(resnet, workshop(tmp_path, 20), rewinding="trained")
    known = CheckpointStore(tmp_path).load()
    masks = {name for name in known.tensors if name.startswith("carried/mask/")}
    assert len(masks) == len(whole.ticket.masks)
    lost = {name: torch.ones_like(known.tensors[name]) for name in masks}
    CheckpointStore(tmp_path).save({**known.tensors, **lost}, known.values)
    resumed = find(resnet, workshop(tmp_path), rewinding="trained")
    assert not same(resumed.ticket.masks, whole.ticket.masks)


# --- a run


def run(run_config, context, train=None, **find):
    recipe = {"epochs": 4, "batch_size": 50, "lr": 0.1}
    given = {"name": "gmp", "sparsity": 0.8, "every": "epoch", "train": recipe, **find}
    config = run_config(find=given, train=train)
    content = context.dataset("digits").fingerprint["sha256"]
    plan = plan_run(config, 0, Methods(), content)
    for phase in plan.phases:
        compute_phase(phase, context)
    return plan, finish_run(plan, context)


def test_a_run_on_the_digits_meets_the_sparsity_and_learns(run_config, context):
    recipe = {"epochs": 3, "batch_size": 50, "lr": 0.1}
    plan, record = run(run_config, context, train=recipe)
    assert [phase.kind for phase in plan.phases] == ["find", "train"]
    ticket = Ticket.load(phase_paths(plan.phases[0], context).ticket)
    size = sum(mask.numel() for mask in ticket.masks.values())
    assert sum(ticket.layer_kept().values()) == kept_count(size, 0.8)
    metrics = record["metrics"]
    assert metrics["search_epochs"] == 4
    assert metrics["pruned_test_accuracy"] > 60 and metrics["test_accuracy"] > 60
    assert metrics["prefinetune_test_accuracy"] == metrics["start_test_accuracy"] < 40
    rows = read_metrics(phase_paths(plan.phases[0], context).metrics)
    assert [row["sparsity"] for row in rows] == pytest.approx([0.7, 0.8, 0.8, 0.8], abs=1e-3)
    assert record["search"]["curves"]["sparsity"][-1] == pytest.approx(0.8, abs=1e-3)


def test_trained_weights_are_the_network_that_was_found(run_config, context):
    _, record = run(run_config, context, rewinding="trained")
    metrics = record["metrics"]
    assert metrics["start_test_accuracy"] == metrics["pruned_test_accuracy"]
