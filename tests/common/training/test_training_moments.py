"""Copies of a training's state: after an epoch, after a step, and across an interruption."""

import pytest
import torch

from common.config import TrainConfig
from common.training import CheckpointStore, Moment, TrainHooks, cpu_state, train

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = TrainConfig(epochs=3, batch_size=20, lr=0.05)
STEPS = 5  # of an epoch: 90 images in batches of 20
COUNTER = "features.bn1.num_batches_tracked"


class StoppedError(Exception):
    """Ends a training from within."""


@pytest.fixture
def run(toy_model, toy_data):
    """Return a function that trains and returns the model and the copies it kept."""

    def go(stop_at=None, **hooks):
        model, kept, steps = toy_model(), {}, [0]

        def on_step(_):
            steps[0] += 1
            if steps[0] == stop_at:
                raise StoppedError

        told = TrainHooks(on_step=on_step, keep=kept.__setitem__, **hooks)
        try:
            train(
                model,
                toy_data(),
                RECIPE,
                masks={},
                seed=0,
                device=torch.device("cpu"),
                precision="float32",
                hooks=told,
            )
        except StoppedError:
            assert stop_at is not None
        return model, kept

    return go


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_a_copy_is_the_state_after_that_many_steps(run):
    wanted = [Moment("step", number) for number in (1, 4, STEPS, STEPS + 1, 3 * STEPS)]
    _, kept = run(keep_at=wanted)
    assert set(kept) == set(wanted)
    for moment, state in kept.items():
        assert int(state[COUNTER]) == moment.number
        assert same(state, cpu_state(run(stop_at=moment.number)[0])), moment


def test_epochs_count_from_zero_and_end_with_their_last_step(run):
    _, kept = run(keep_at=[Moment("epoch", 0), Moment("epoch", 2), Moment("step", STEPS)])
    assert int(kept[Moment("epoch", 2)][COUNTER]) == 3 * STEPS
    assert same(kept[Moment("epoch", 0)], kept[Moment("step", STEPS)])


def test_copies_change_nothing_and_do_not_change_any_more(run):
    plain, none = run()
    watched, kept = run(keep_at=[Moment("step", 3)])
    assert not none and same(cpu_state(plain), cpu_state(watched))
    state = kept[Moment("step", 3)]
    assert not same(state, cpu_state(watched))
    assert all(value.device.type == "cpu" and value.is_contiguous() for value in state.values())


def test_moments_that_do_not_come_are_passed_over(run):
    _, kept = run(keep_at=[Moment("step", 3 * STEPS + 1), Moment("epoch", 3), Moment("epoch", 1)])
    assert set(kept) == {Moment("epoch", 1)}


@pytest.mark.parametrize("stop_at", [4, 7])
def test_after_an_interruption_steps_count_on(run, tmp_path, stop_at):
    """The copy after step 6, asked for before and behind it; a checkpoint after every step."""
    moment, store = Moment("step", 6), CheckpointStore(tmp_path)
    _, whole = run(keep_at=[moment])
    told = {"keep_at": [moment], "checkpoints": store, "checkpoint_seconds": 0.0}
    _, first = run(stop_at=stop_at, **told)
    _, second = run(**told)
    assert (moment in first, moment in second) == (stop_at == 7, stop_at == 4)
    assert same((first | second)[moment], whole[moment])
