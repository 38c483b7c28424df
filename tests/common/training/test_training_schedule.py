"""Learning rates: the numbers of the papers' schedules, and the closed forms of the others."""

import math

import pytest

from common.config import TrainConfig
from common.training import learning_rate, milestones


def rates(count, **fields):
    recipe = TrainConfig(**fields)
    return [learning_rate(recipe, epoch) for epoch in range(count)]


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 0.1), (79, 0.1), (80, 0.01), (119, 0.01), (120, 0.001), (159, 0.001)]
)
def test_the_step_schedule_of_160_epochs(epoch, rate):
    assert learning_rate(TrainConfig(epochs=160), epoch) == pytest.approx(rate)


def test_rewound_by_40_of_160_epochs():
    found = rates(160, epochs=160, start_epoch=40, schedule_epochs=160)
    assert found == pytest.approx([0.1] * 40 + [0.01] * 40 + [0.001] * 80)


def test_rewound_behind_every_milestone_starts_at_the_small_rate():
    assert rates(3, epochs=3, start_epoch=130, schedule_epochs=160) == pytest.approx([0.001] * 3)


def test_milestones_are_truncated_halves_and_three_quarters():
    assert milestones(TrainConfig(epochs=160)) == (80, 120)
    assert milestones(TrainConfig(epochs=5)) == (2, 3)
    assert milestones(TrainConfig(epochs=5, schedule_epochs=160)) == (80, 120)


def test_a_single_epoch_has_the_full_rate():
    assert milestones(TrainConfig(epochs=1)) == ()
    assert rates(1, epochs=1) == [0.1]


def test_own_milestones_and_gamma():
    found = rates(5, epochs=5, milestones=(1, 3), gamma=0.5, lr=0.8)
    assert found == pytest.approx([0.8, 0.4, 0.4, 0.2, 0.2])


def test_no_milestones_at_all():
    assert rates(4, epochs=4, milestones=()) == [0.1] * 4


def test_cosine_falls_from_the_full_rate_by_half_a_wave():
    found = rates(8, epochs=8, schedule="cosine", lr=0.4)
    assert found[0] == pytest.approx(0.4)
    assert found[2] == pytest.approx(0.2 * (1 + math.sqrt(0.5)))
    assert found[4] == pytest.approx(0.2)
    assert found == sorted(found, reverse=True) and found[-1] > 0


def test_cosine_stays_at_zero_behind_its_end():
    recipe = TrainConfig(epochs=4, schedule="cosine", start_epoch=6, schedule_epochs=8)
    assert learning_rate(recipe, 1) > 0
    assert [learning_rate(recipe, epoch) for epoch in (2, 3)] == [0.0, 0.0]


def test_linear_is_one_minus_the_share_of_the_epochs():
    found = rates(5, epochs=5, schedule="linear", lr=1.0)
    assert found == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


def test_linear_is_never_negative():
    recipe = TrainConfig(epochs=3, schedule="linear", start_epoch=4, schedule_epochs=5)
    assert [learning_rate(recipe, e) for e in range(3)] == pytest.approx([0.02, 0.0, 0.0])


def test_constant():
    assert rates(3, epochs=3, schedule="constant", lr=0.3) == [0.3] * 3


def test_warm_up_rises_in_equal_steps_and_then_follows_the_schedule():
    found = rates(12, epochs=12, warmup_epochs=4, lr=0.4)
    assert found[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert found[4:] == pytest.approx([0.4, 0.4, 0.04, 0.04, 0.04, 0.004, 0.004, 0.004])
