"""Exact resume: a training that is stopped anywhere ends with the bits of one that was not."""

import pytest
import torch

from common.config import TrainConfig
from common.training import CheckpointStore, TrainHooks, cpu_state, train

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
EPOCHS, STEPS = 3, 3
SGD = TrainConfig(epochs=EPOCHS, batch_size=20, lr=0.05, weight_decay=1e-3, schedule="cosine")
RECIPES = {
    "sgd": SGD,
    "nesterov": SGD.model_copy(update={"nesterov": True}),
    "plain": SGD.model_copy(update={"momentum": 0.0}),
    "adam": SGD.model_copy(update={"optimizer": "adam", "lr": 0.01}),
}


class StoppedError(Exception):
    """Ends a training from within."""


@pytest.fixture
def run(toy_model, toy_data, random_masks):
    """Return a function that trains from the start or from a checkpoint."""

    def go(recipe, store=None, network="small_cnn", **hooks):
        options = {"width_mult": 0.05, "image_size": 16} if network == "alexnet" else {}
        model = toy_model(network, **options)
        result = train(
            model,
            toy_data(images=50, size=16 if network == "alexnet" else 8),
            recipe,
            masks=random_masks(model),
            seed=5,
            device=CPU,
            precision="float32",
            hooks=TrainHooks(checkpoints=store, checkpoint_seconds=0.0, **hooks),
        )
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in result.history]
        return cpu_state(model), rows, result.metrics

    return go


def stop_after(epoch):
    def on_epoch(row):
        if row["epoch"] == epoch:
            raise StoppedError

    return on_epoch


def stop_in(step):
    left = [step]

    def on_step(_):
        left[0] -= 1
        if left[0] == 0:
            raise StoppedError

    return on_step


def same(a, b):
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


def equal(first, second):
    return same(first[0], second[0]) and first[1:] == second[1:]


@pytest.mark.parametrize("recipe", RECIPES)
def test_resumed_from_any_epoch_to_the_same_bits(run, tmp_path, recipe):
    whole = run(RECIPES[recipe])
    for epoch in range(EPOCHS):
        store = CheckpointStore(tmp_path / str(epoch))
        with pytest.raises(StoppedError):
            run(RECIPES[recipe], store, on_epoch=stop_after(epoch))
        torch.manual_seed(epoch)
        steps: list[int] = []
        resumed = run(RECIPES[recipe], store, on_step=steps.append)
        assert equal(resumed, whole)
        assert len(steps) == STEPS * (EPOCHS - 1 - epoch), "only the missing epochs run again"


def test_stopped_in_the_middle_of_an_epoch(run, tmp_path):
    """Checkpoints lie within epochs too, so that only the step that was cut short runs again."""
    store = CheckpointStore(tmp_path)
    for step in (2, 5, 2):
        with pytest.raises(StoppedError):
            run(SGD, store, on_step=stop_in(step))
    found = store.load()
    assert (len(found.values["history"]), found.values["step"]) == (2, 0)
    steps: list[int] = []
    assert equal(run(SGD, store, on_step=steps.append), run(SGD))
    assert len(steps) == EPOCHS * STEPS - (1 + 4 + 1)


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_stopped_behind_every_step_of_an_epoch(run, tmp_path, step):
    """The sums of the running epoch are part of a checkpoint: its mean loss comes out the same."""

    class Store(CheckpointStore):
        def save(self, tensors, values):
            super().save(tensors, values)
            if (len(values["history"]), values["step"]) == (1, step):
                raise StoppedError

    with pytest.raises(StoppedError):
        run(SGD, Store(tmp_path))
    assert equal(run(SGD, CheckpointStore(tmp_path)), run(SGD))


def test_with_dropout(run, tmp_path):
    store = CheckpointStore(tmp_path)
    recipe = SGD.model_copy(update={"epochs": 2, "lr": 0.01})
    with pytest.raises(StoppedError):
        run(recipe, store, "alexnet", on_step=stop_in(5))
    torch.manual_seed(77)
    assert equal(run(recipe, store, "alexnet"), run(recipe, network="alexnet"))


def test_from_the_previous_checkpoint_when_the_newest_is_broken(run, tmp_path):
    store = CheckpointStore(tmp_path)
    with pytest.raises(StoppedError):
        run(SGD, store, on_epoch=stop_after(1))
    store.current.write_bytes(store.current.read_bytes()[:-5])
    told = []
    resumed = run(SGD, store, on_epoch=lambda row: told.append(row["epoch"]))
    assert told == [1, 2]
    assert equal(resumed, run(SGD))


def test_from_the_start_when_both_are_broken(run, tmp_path):
    store = CheckpointStore(tmp_path)
    with pytest.raises(StoppedError):
        run(SGD, store, on_epoch=stop_after(1))
    for path in (store.current, store.previous):
        path.write_bytes(b"")
    assert equal(run(SGD, store), run(SGD))


def test_a_finished_training_is_not_trained_again(run, tmp_path):
    store = CheckpointStore(tmp_path)
    whole = run(SGD, store)
    steps = []
    assert equal(run(SGD, store, on_step=steps.append), whole)
    assert steps == []


@pytest.mark.parametrize("part", ["optimizer/0/momentum_buffer", "model/features.bn1.running_mean"])
def test_the_comparison_sees_a_checkpoint_that_holds_something_else(run, tmp_path, part):
    """A valid checkpoint with one tensor moved by a little must not end with the same bits."""
    store = CheckpointStore(tmp_path)
    with pytest.raises(StoppedError):
        run(SGD, store, on_epoch=stop_after(1))
    found = store.load()
    store.save({**found.tensors, part: found.tensors[part] + 1e-3}, found.values)
    assert not equal(run(SGD, store), run(SGD))


def test_checkpoints_are_as_far_apart_as_asked(run, tmp_path, toy_model, toy_data):
    """With an hour between two checkpoints only the end of the training is saved."""
    model, saved = toy_model(), []

    class Store(CheckpointStore):
        def save(self, tensors, values):
            saved.append(len(values["history"]))
            super().save(tensors, values)

    hooks = TrainHooks(checkpoints=Store(tmp_path), checkpoint_seconds=3600.0)
    train(model, toy_data(), SGD, masks={}, seed=0, device=CPU, precision="float32", hooks=hooks)
    assert saved == [EPOCHS]
