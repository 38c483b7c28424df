"""Exact resume of trainings with tricks: killed before, in and behind their fading."""

import pytest
import torch

from common.config import TrainConfig
from common.config.tricks import GhostSkipConfig, LrsiConfig, SoftActivationConfig
from common.training import CheckpointStore, TrainHooks, cpu_state, train

pytestmark = pytest.mark.usefixtures("one_thread")

EPOCHS, STEPS = 4, 3
ALL = TrainConfig(
    epochs=EPOCHS,
    batch_size=20,
    lr=0.05,
    weight_decay=1e-3,
    label_smoothing=0.1,
    smoothing_form="exclude_target",
    decay_norm=False,
    select="best_validation",
    soft_activation=SoftActivationConfig(start=0.1, end=0.4),  # gone before step 6 of 12
    ghost_skip=GhostSkipConfig(end=0.6),  # gone before step 9
    lrsi=LrsiConfig(iters=1, batch_size=10),
)
KEPT = {
    "soft_activation": SoftActivationConfig(decay="none"),
    "ghost_skip": GhostSkipConfig(decay="none"),
}
RECIPES = {
    "fading": ALL,
    "kept": ALL.model_copy(update=KEPT),
    "adam": ALL.model_copy(update={"optimizer": "adam", "lr": 0.01, "select": "last"}),
}
SAVES = EPOCHS * (STEPS + 1) + 1
"""Of a whole training: at its start, behind every step, behind every epoch."""
STOPS = {
    "fading": (1, 3, 7, 11, 13),
    "kept": (8,),
    "adam": (7,),
}
"""Saves behind which it is stopped: before, in and behind the fading, in epochs and at their end;
behind the seventh and the eleventh the next step is the one before which a trick goes."""


class StoppedError(Exception):
    """Ends a training from within."""


class DeadlyStore(CheckpointStore):
    """Stops the training behind one of its saves, counted from 1."""

    def __init__(self, folder, left):
        super().__init__(folder)
        self.left = left

    def save(self, tensors, values):
        super().save(tensors, values)
        self.left -= 1
        if self.left == 0:
            raise StoppedError


@pytest.fixture
def run(toy_model, toy_data, random_masks):
    """Return a function that trains from the start or from a checkpoint."""

    def go(recipe, store=None, **hooks):
        model = toy_model("resnet8", width=4)
        result = train(
            model,
            toy_data(images=50),
            recipe,
            masks=random_masks(model),
            seed=5,
            device=torch.device("cpu"),
            precision="float32",
            hooks=TrainHooks(checkpoints=store, checkpoint_seconds=0.0, **hooks),
        )
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in result.history]
        return cpu_state(model) | result.dressed, rows, result.metrics

    return go


def equal(first, second):
    same = list(first[0]) == list(second[0])
    same = same and all(torch.equal(first[0][key], second[0][key]) for key in first[0])
    return same and first[1:] == second[1:]


@pytest.mark.parametrize("name", RECIPES)
def test_stopped_behind_any_save_it_ends_with_the_same_bits(run, tmp_path, name):
    recipe = RECIPES[name]
    whole = run(recipe)
    for save in STOPS[name]:
        folder = tmp_path / str(save)
        with pytest.raises(StoppedError):
            run(recipe, DeadlyStore(folder, save))
        torch.manual_seed(save)
        steps, scales = [], []
        store = CheckpointStore(folder)
        resumed = run(recipe, store, on_step=steps.append, on_scales=scales.append)
        assert equal(resumed, whole), f"behind save {save}"
        epochs, within = divmod(save - 1, STEPS + 1)
        assert len(steps) == EPOCHS * STEPS - (epochs * STEPS + within)
        assert not scales, "factors are learned once"


def test_stopped_again_and_again(run, tmp_path):
    for _ in range(SAVES // 7 + 1):
        try:
            run(ALL, DeadlyStore(tmp_path, 7))
        except StoppedError:
            continue
    assert equal(run(ALL, CheckpointStore(tmp_path)), run(ALL))


def test_stopped_before_the_factors_are_saved_learns_the_same_ones(run, tmp_path):
    def stop(_):
        raise StoppedError

    with pytest.raises(StoppedError):
        run(ALL, CheckpointStore(tmp_path), on_scales=stop)
    assert equal(run(ALL, CheckpointStore(tmp_path)), run(ALL))


def stop_at(run, recipe, folder, save):
    with pytest.raises(StoppedError):
        run(recipe, DeadlyStore(folder, save))
    return CheckpointStore(folder)


def test_a_checkpoint_holds_the_ghosts_until_they_are_gone(run, tmp_path):
    for save, there in ((1, True), (7, True), (2 * (STEPS + 1) + 3, True), (SAVES - 4, False)):
        store = stop_at(run, ALL, tmp_path / str(save), save)
        names = [name for name in store.load().tensors if name.startswith("carried/ghosts/")]
        moments = [name for name in store.load().tensors if name.startswith("carried/momentum/")]
        assert bool(names) is there, save
        assert bool(moments) is (there and save > 1)


@pytest.mark.parametrize(
    "part",
    [
        "carried/ghosts/ghosts.5.bn.running_mean",
        "carried/momentum/3/momentum_buffer",
    ],
)
def test_the_comparison_sees_another_ghost(run, tmp_path, part):
    store = stop_at(run, RECIPES["kept"], tmp_path, 4)
    found = store.load()
    store.save({**found.tensors, part: found.tensors[part] + 1e-3}, found.values)
    assert not equal(run(RECIPES["kept"], store), run(RECIPES["kept"]))


def test_the_comparison_sees_another_best_network(run, tmp_path):
    """With an accuracy above 100 % it stays the best, so that its weights are those of the end."""
    store = stop_at(run, ALL, tmp_path, 3 * (STEPS + 1) + 1)
    found = store.load()
    name = "classifier.bias"
    best = {"carried/validation_accuracy": torch.tensor(101.0, dtype=torch.float64)}
    best[f"carried/best/model/{name}"] = found.tensors[f"carried/best/model/{name}"] + 1.0
    store.save(found.tensors | best, found.values)
    final = run(ALL, store)[0]
    assert torch.equal(final[name], best[f"carried/best/model/{name}"])
