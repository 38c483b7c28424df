"""The schedules of Rare Gems: milestones by the number of epochs, cosine without restart."""

import pytest
import torch

from common.config import TrainConfig
from common.training import learning_rate, milestones

SETTLED = {
    150: (80, 120),
    160: (80, 120),
    100: (50, 80),
    200: (100, 150),
    300: (150, 250),
    6: (3,),
    50: (25, 33),
    88: (44, 58),
    10: (5, 6),
    3: (1, 2),
}


def recipe(epochs, **fields):
    return TrainConfig(epochs=epochs, schedule="multistep", **fields)


@pytest.mark.parametrize("epochs", SETTLED)
def test_milestones_follow_from_the_number_of_epochs(epochs):
    assert milestones(recipe(epochs)) == SETTLED[epochs]


def test_explicit_milestones_win():
    """Table 15 lists 20 and 40 for Caltech's 50 epochs."""
    chosen = recipe(50, milestones=(20, 40), lr=1e-4)
    assert milestones(chosen) == (20, 40)
    found = [learning_rate(chosen, epoch) for epoch in (0, 19, 20, 39, 40, 49)]
    assert found == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6])


def test_fine_tuning_of_resnet20():
    found = [learning_rate(recipe(150, lr=0.01), epoch) for epoch in range(150)]
    assert found == pytest.approx([0.01] * 80 + [0.001] * 40 + [0.0001] * 30)


def test_gamma_is_read():
    found = [learning_rate(recipe(6, lr=0.1, gamma=0.5), epoch) for epoch in range(6)]
    assert found == pytest.approx([0.1] * 3 + [0.05] * 3)


def test_the_length_of_the_schedule_and_not_of_the_training_decides():
    assert milestones(recipe(8, schedule_epochs=150)) == (80, 120)
    assert learning_rate(recipe(8, schedule_epochs=150, start_epoch=79, lr=1.0), 1) == 0.1


@pytest.mark.parametrize("epochs", [1, 2])
def test_very_short_trainings(epochs):
    assert milestones(recipe(epochs)) == ((), (1,))[epochs - 1]
    assert learning_rate(recipe(epochs, lr=0.3), 0) == 0.3


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(0, 0.1), (1, 0.0999890), (5, 0.0997261), (75, 0.05), (100, 0.025), (149, 1.0966e-5)],
)
def test_the_cosine_of_a_search_of_150_epochs(epoch, rate):
    chosen = TrainConfig(epochs=150, schedule="cosine", lr=0.1)
    assert learning_rate(chosen, epoch) == pytest.approx(rate, rel=2e-5)


@pytest.mark.parametrize("epochs", [6, 50, 100, 150])
def test_multistep_and_cosine_are_pytorch_s_schedulers(epochs):
    for schedule in ("multistep", "cosine"):
        chosen = TrainConfig(epochs=epochs, schedule=schedule, lr=0.1)
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        reference = (
            torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones(chosen), gamma=0.1)
            if schedule == "multistep"
            else torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
        )
        for epoch in range(epochs):
            now = optimizer.param_groups[0]["lr"]
            assert learning_rate(chosen, epoch) == pytest.approx(now, rel=1e-9, abs=1e-15)
            optimizer.step()
            reference.step()
