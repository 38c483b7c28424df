"""Phases are computed once; what is missing of them is computed again, to the same bits."""

import threading
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from common.errors import RunFailedError, UserError
from common.pipeline import Methods, compute, compute_phase, is_done, phase_paths, plan_run
from common.pipeline.context import initial_model, prepare_dataset, training_data
from common.tickets import Ticket
from common.tickets.states import load_state
from common.tracking import MetricsLog, read_metrics
from common.training import Moment

pytestmark = pytest.mark.usefixtures("one_thread")

PRETRAIN = {"epochs": 3, "batch_size": 100}
WEIGHTS = {
    "name": "magnitude",
    "sparsity": 0.5,
    "pretrain": PRETRAIN,
    "rewinding": "weights",
    "rewind_epoch": 1,
}


@pytest.fixture
def plan(run_config, context):
    """Return a function that plans a run on the digits."""

    def build(*overrides, seed=0, **fields):
        config = run_config(*overrides, **fields)
        content = context.dataset("digits").fingerprint["sha256"]
        return plan_run(config, seed, Methods(), content)

    return build


@pytest.fixture
def trainings(monkeypatch):
    """Count the trainings: return the list that holds the recipe of each."""
    seen, train = [], compute.train

    def counting(model, data, recipe, **rest):
        seen.append(recipe)
        return train(model, data, recipe, **rest)

    monkeypatch.setattr(compute, "train", counting)
    return seen


def compute_all(plan, context):
    return [compute_phase(phase, context) for phase in plan.phases]


def files(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def same(a, b):
    return sorted(a) == sorted(b) and all(torch.equal(a[key], b[key]) for key in a)


def test_a_finished_phase_is_left_alone(plan, context, trainings):
    run = plan()
    assert compute_all(run, context) == [True, True]
    before = files(context.workspace.runs)
    assert compute_all(run, context) == [False, False]
    assert files(context.workspace.runs) == before
    assert len(trainings) == 1


def test_done_is_written_last_and_the_checkpoints_are_gone(plan, context):
    run = plan()
    compute_all(run, context)
    for phase in run.phases:
        paths = phase_paths(phase, context)
        times = files(paths.root)
        assert times[paths.done] == max(times.values())
    names = {path.name for path in phase_paths(run.train, context).root.iterdir()}
    assert names == {
        ".lock",
        "done",
        "final.safetensors",
        "metrics.jsonl",
        "phase.json",
        "result.json",
    }


def test_what_a_kill_in_a_save_left_is_removed(plan, context):
    phase = plan(find={"name": "dense"}).train
    root = phase_paths(phase, context).root
    root.mkdir(parents=True)
    (root / "checkpoint.bin.4711.tmp").write_bytes(b"half a checkpoint")
    compute_phase(phase, context)
    assert not list(root.glob("*.tmp"))


def test_a_missing_final_state_is_no_finished_phase(plan, context):
    phase = plan(find={"name": "dense"}).train
    compute_phase(phase, context)
    phase_paths(phase, context).done.unlink()
    assert not is_done(phase, context)
    assert compute_phase(phase, context)


def test_weight_rewinding_starts_from_the_kept_copy(plan, context):
    run = plan(find=WEIGHTS)
    compute_all(run, context)
    pretrain = phase_paths(run.phases[0], context)
    ticket = Ticket.load(phase_paths(run.ticket, context).ticket)
    assert same(ticket.weights, load_file(pretrain.kept("epoch", 1)))
    assert not same(ticket.weights, load_file(pretrain.final))
    final = load_file(pretrain.final)
    name = "classifier.weight"
    kept, removed = (final[name][m].abs() for m in (ticket.masks[name], ~ticket.masks[name]))
    assert kept.min() >= removed.max(), "the mask is chosen by the weights after training"


def test_learning_rate_rewinding_starts_from_the_final_weights(plan, context):
    run = plan(find={**WEIGHTS, "rewinding": "learning_rate", "rewind_epoch": None})
    compute_all(run, context)
    pretrain = phase_paths(run.phases[0], context)
    ticket = Ticket.load(phase_paths(run.ticket, context).ticket)
    assert same(ticket.weights, load_file(pretrain.final))
    assert not pretrain.kept("epoch", 1).exists()


def test_rewinding_to_initialisation_starts_from_the_first_weights(plan, context):
    run = plan(find={**WEIGHTS, "rewinding": "init", "rewind_epoch": None})
    compute_all(run, context)
    ticket = Ticket.load(phase_paths(run.ticket, context).ticket)
    model = initial_model(run.ticket.setting, context.dataset("digits"), context)
    assert same(ticket.weights, model.state_dict())


def test_the_trained_network_has_the_ticket_s_zeros(plan, context):
    run = plan()
    compute_all(run, context)
    ticket = Ticket.load(phase_paths(run.ticket, context).ticket)
    final = load_state(phase_paths(run.train, context).final)
    assert ticket.sparsity() == pytest.approx(0.5, abs=1e-4)
    for name, mask in ticket.masks.items():
        assert bool((final[name][~mask] == 0).all())
        assert not torch.equal(final[name], ticket.weights[name] * mask)


def test_a_copy_that_is_missing_is_made_by_training_again(plan, context, trainings):
    """A pre-training that is finished, but kept no copy of the epoch another run rewinds to."""
    first = plan(find={**WEIGHTS, "rewinding": "learning_rate", "rewind_epoch": None})
    compute_all(first, context)
    second = plan(find=WEIGHTS)
    pretrain = second.phases[0]
    paths = phase_paths(pretrain, context)
    assert pretrain.identity == first.phases[0].identity
    assert is_done(first.phases[0], context) and not is_done(pretrain, context)
    final = load_file(paths.final)
    assert compute_phase(pretrain, context)
    assert paths.kept("epoch", 1).exists() and is_done(pretrain, context)
    assert same(load_file(paths.final), final), "the same bits as the first time"
    assert [row["epoch"] for row in read_metrics(paths.metrics)] == [0, 1, 2]
    assert len(trainings) == 3


def test_a_copy_that_lies_behind_a_checkpoint_restarts_the_training(plan, context, monkeypatch):
    """Interrupted after two epochs without copies; then one of the first epoch is asked for."""
    plain = plan(find={"name": "dense"}, train=PRETRAIN).train
    append = MetricsLog.append

    def interrupted(log, row):
        append(log, row)
        if row["epoch"] == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compute_phase(plain, context)
    paths = phase_paths(plain, context)
    assert len(read_metrics(paths.metrics)) == 2
    assert compute_phase(replace(plain, keep_at=(Moment("epoch", 0),)), context)
    assert paths.kept("epoch", 0).exists()
    assert [row["epoch"] for row in read_metrics(paths.metrics)] == [0, 1, 2]


def test_an_interrupted_training_goes_on(plan, context, monkeypatch, trainings):
    phase = plan(find={"name": "dense"}, train=PRETRAIN).train
    append, rows = MetricsLog.append, []

    def interrupted(log, row):
        append(log, row)
        rows.append(row["epoch"])
        if len(rows) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(MetricsLog, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compute_phase(phase, context)
    assert not is_done(phase, context)
    assert compute_phase(phase, context)
    assert rows == [0, 1, 2], "no epoch runs twice"


def test_a_training_that_diverges_is_not_done_and_fails_again(plan, context):
    phase = plan("train.lr=1e12", find={"name": "dense"}).train
    for _ in range(2):
        with pytest.raises(RunFailedError, match="training loss is"):
            compute_phase(phase, context)
        assert not is_done(phase, context)


def test_the_dense_baseline_is_the_pretraining_of_others(plan, context, trainings):
    dense = plan(find={"name": "dense"}, train=PRETRAIN)
    pruned = plan(find={**WEIGHTS, "rewinding": "learning_rate", "rewind_epoch": None})
    assert compute_all(dense, context) == [True]
    assert compute_all(pruned, context) == [False, True, True]
    assert [recipe.epochs for recipe in trainings] == [3, 2]


def test_only_one_of_two_workers_computes_a_phase(plan, context, trainings):
    phase = plan(find={"name": "dense"}, train=PRETRAIN).train
    results, barrier = [], threading.Barrier(2)

    def work():
        barrier.wait()
        results.append(compute_phase(phase, context))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]
    assert len(trainings) == 1


def test_a_ticket_file_says_where_it_comes_from(plan, context):
    run = plan()
    compute_phase(run.ticket, context)
    meta = Ticket.load(phase_paths(run.ticket, context).ticket).meta
    assert meta["finder"] == {"name": "random", "sparsity": 0.5, "budget": "global"}
    assert (meta["seed"], meta["phase"]) == (0, run.ticket.identity)
    assert meta["model"]["name"] == "fc" and meta["data"]["name"] == "digits"
    assert meta["sparsity"] == pytest.approx(0.5, abs=1e-4)
    assert meta["versions"]["torch"] == torch.__version__
    assert set(meta["layer_densities"]) == {"features.fc1.weight", "classifier.weight"}


# The data of a phase


def test_images_are_held_out_halved_and_corrupted_by_the_seed(run_config, context):
    config = run_config(
        data={
            "name": "digits",
            "validation": 100,
            "subset": {"fraction": 0.5},
            "corruption": {"random_labels": True},
        }
    ).data
    made = prepare_dataset(config, context, 0)
    assert (len(made.train), len(made.validation), len(made.test)) == (450, 297, 600), (
        "digits come with 197"
    )
    again, other = (prepare_dataset(config, context, seed) for seed in (0, 1))
    assert torch.equal(made.train.images, again.train.images)
    assert torch.equal(made.train.labels, again.train.labels)
    assert not torch.equal(made.train.images, other.train.images)
    clean = prepare_dataset(config.model_copy(update={"corruption": None}), context, 0)
    assert torch.equal(clean.train.images, made.train.images)
    assert not torch.equal(clean.train.labels, made.train.labels)
    assert torch.equal(clean.test.labels, made.test.labels)


def test_only_training_batches_are_augmented(run_config, context):
    config = run_config(data={"name": "digits", "augment": {"crop_padding": 4}}).data
    data = training_data(config, prepare_dataset(config, context, 0), 100, context)
    assert data.train.augment.crop_padding == 4
    assert data.test.augment is None and data.validation.augment is None
    assert data.train.image_count == 1000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "training images of digits have side 16"),
        ({"augment": {"crop_size": 32, "crop_padding": 8}}, "test images of digits have side 16"),
    ],
)
def test_a_network_for_images_of_another_size_is_refused(plan, context, data, message):
    fields = {"find": {"name": "dense"}, "transform": [], "model": {"name": "alexnet"}}
    made = plan(**fields, data={"name": "digits", "augment": None, "channels": 3} | data)
    with pytest.raises(UserError, match=f"alexnet is for images of side 32, but {message}"):
        compute_phase(made.phases[0], context)
