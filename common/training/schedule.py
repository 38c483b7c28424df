"""Learning-rate schedules as functions of the epoch, so that resuming needs no state."""

from __future__ import annotations

import math

from common.config.recipe import TrainConfig

RARE_GEMS_MILESTONES = {
    6: (3,),
    100: (50, 80),
    150: (80, 120),
    160: (80, 120),
    200: (100, 150),
    300: (150, 250),
}
"""Milestones of the schedule ``multistep`` by the number of epochs; others fall at 1/2 and 2/3."""


def milestones(recipe: TrainConfig) -> tuple[int, ...]:
    """Return the epochs at which the schedules ``step`` and ``multistep`` fall.

    Unless given: 50 % and 75 % of the epochs for ``step``; for ``multistep`` the epochs that the
    code of Rare Gems (arXiv:2202.12002) fixes for that length.
    """
    if recipe.milestones is not None:
        return recipe.milestones
    length = recipe.schedule_epochs or recipe.epochs
    if recipe.schedule == "multistep":
        fixed = RARE_GEMS_MILESTONES.get(length, (int(length / 2), int(2 * length / 3)))
        return tuple(sorted(set(fixed) - {0}))
    return tuple(sorted({int(0.5 * length), int(0.75 * length)} - {0}))


def learning_rate(recipe: TrainConfig, epoch: int) -> float:
    """Return the learning rate of a training epoch, counted from 0.

    With ``start_epoch`` r the schedule is read at epoch ``r + epoch``: the value of the step
    function there, also where that lies behind a milestone.
    """
    position = recipe.start_epoch + epoch
    length = recipe.schedule_epochs or recipe.epochs
    if position < recipe.warmup_epochs:
        return recipe.lr * (position + 1) / recipe.warmup_epochs
    match recipe.schedule:
        case "step" | "multistep":
            passed = sum(position >= milestone for milestone in milestones(recipe))
            return recipe.lr * recipe.gamma**passed
        case "cosine":
            return 0.5 * recipe.lr * (1.0 + math.cos(math.pi * min(position, length) / length))
        case "linear":
            return recipe.lr * max(0.0, 1.0 - position / length)
        case "constant":
            return recipe.lr
