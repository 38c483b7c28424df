"""A search that is killed anywhere and started again ends with the bits of one that was not."""

import pytest
import torch

from common.masks import MaskLearner, RescaleTraining, SearchConfig, attach
from common.training import CheckpointStore, TrainHooks, run_epochs

pytestmark = pytest.mark.usefixtures("one_thread")
EPOCHS, STEPS = 4, 3
SEARCH = SearchConfig(epochs=EPOCHS, batch_size=40, lr=20.0, patience=None, schedule="cosine")
KINDS = {
    "plain": ("fc", None),
    "two passes, batch norm": ("small_cnn", RescaleTraining(1e-2, 0.9, two_pass=True)),
    "two passes, dropout": ("alexnet", RescaleTraining(1e-2, 0.9, two_pass=True)),
    "one pass, batch norm": ("small_cnn", RescaleTraining(1e-2, 0.9, two_pass=False)),
}


class KilledError(Exception):
    """Ends a search from within."""


@pytest.fixture
def run(network, coin, one_factor, few_digits):
    """Return a function that searches from the start or from a checkpoint."""

    def go(kind, store=None, search=SEARCH, values=None, **hooks):
        name, rescale = KINDS[kind]
        model = network(name)
        masks = attach(model, lambda _, w: coin(w, one_factor() if rescale else None))
        learner = MaskLearner(
            model, masks, few_digits, search, rescale=rescale, seed=3, device=torch.device("cpu")
        )
        if values is not None:
            learner.measure = lambda _batches, _purpose, epoch, **__: (1.0, values[epoch])
        told = TrainHooks(checkpoints=store, checkpoint_seconds=0.0, **hooks)
        history = run_epochs(learner, few_digits.train, search, seed=3, hooks=told)
        last = {k: v.clone() for k, v in model.state_dict().items()}
        learner.select()
        best = {k: v.clone() for k, v in model.state_dict().items()}
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in history]
        return last, best, rows

    return go


def kill_after(steps):
    left = [steps]

    def on_step(_):
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    return on_step


def equal(one, other):
    tensors = all(
        a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
        for a, b in zip(one[:2], other[:2], strict=True)
    )
    return tensors and one[2] == other[2]


@pytest.mark.parametrize("kind", KINDS)
def test_killed_again_and_again_in_the_middle_of_epochs(run, tmp_path, kind):
    whole = run(kind)
    store = CheckpointStore(tmp_path)
    for steps in (2, 3, 5):
        with pytest.raises(KilledError):
            run(kind, store, on_step=kill_after(steps))
    found = store.load()
    assert (len(found.values["history"]), found.values["step"]) == (2, 1)
    torch.manual_seed(5)
    left = []
    assert equal(run(kind, store, on_step=left.append), whole)
    assert len(left) == STEPS * (EPOCHS - 2) - 1, "only the missing steps run again"


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_network_survives_even_if_it_lies_behind_the_kill(run, tmp_path, kind):
    values = [60.0, 20.0, 50.0, 60.0]
    whole = run(kind, values=values)
    assert not torch.equal(*(next(iter(_latents(part))) for part in whole[:2]))
    store = CheckpointStore(tmp_path)
    with pytest.raises(KilledError):
        run(kind, store, values=values, on_step=kill_after(2 * STEPS + 2))
    assert equal(run(kind, store, values=values), whole)


def _latents(state):
    return [value for key, value in state.items() if key.endswith(".latent")]


def test_a_search_that_stopped_early_is_not_continued(run, tmp_path):
    search = SEARCH.model_copy(update={"patience": 1, "epochs": 50, "schedule": "constant"})
    values = [10.0, 30.0, 20.0, 90.0]
    store = CheckpointStore(tmp_path)
    first = run("plain", store, search, values)
    assert len(first[2]) == 3
    steps = []
    assert equal(run("plain", store, search, values, on_step=steps.append), first)
    assert len(steps) <= STEPS


@pytest.mark.parametrize("part", ["model/", "optimizer/", "carried/"])
def test_the_comparison_sees_a_checkpoint_that_holds_something_else(run, tmp_path, part):
    """One tensor of a valid checkpoint is moved by a little; the best epoch was the first."""
    values = [60.0, 20.0, 50.0, 60.0]
    store = CheckpointStore(tmp_path)
    with pytest.raises(KilledError):
        run("plain", store, values=values, on_step=kill_after(2 * STEPS + 2))
    found = store.load()
    ending = "momentum_buffer" if part == "optimizer/" else ".latent"
    name = next(key for key in found.tensors if key.startswith(part) and key.endswith(ending))
    store.save({**found.tensors, name: found.tensors[name] + 1e-3}, found.values)
    assert not equal(run("plain", store, values=values), run("plain", values=values))
