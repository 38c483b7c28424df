"""Early stopping by the losses of the epochs' last batches, as a function of those losses.

The rule is that of ``train.py`` in a fork of the replication of Generalizing Tickets
(67Samuel/Generalizing-Lottery-Tickets at 78d3cc6). Before every epoch but the first, in this order:

1. Training stops if the rate of the epoch before is below lr / (10 * milestones + 10).
2. The rate falls where the epoch is a milestone.
3. A flag is set for good once ``patience`` epochs in a row brought no lower loss than the lowest
   before them. Where it is set, training stops if the epoch lies behind the last milestone;
   otherwise the rate is halved, in every epoch anew.

With a factor of 10 a milestone the first rule ends every training one epoch after it reached its
second milestone, whatever the losses: no training lasts longer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from common.config.recipe import TrainConfig
from common.training.schedule import learning_rate, milestones

LAST_LOSS = "last_batch_loss"
"""The key of a row of metrics that holds the loss of the epoch's last batch."""


def flagged_after(losses: Sequence[float], patience: int) -> int | None:
    """Return the epoch, from 0, after which ``patience`` epochs in a row brought no lower loss."""
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best, waited = loss, 0
            continue
        waited += 1
        if waited >= patience:
            return epoch
    return None


def early_stopped_rate(recipe: TrainConfig, losses: Sequence[float]) -> float | None:
    """Return the learning rate of the next epoch, or None where training stops.

    Args:
        recipe: with ``early_stopping`` and milestones.
        losses: of the last batch of every epoch done.
    """
    assert recipe.early_stopping is not None
    epoch = len(losses)
    falls = milestones(recipe)
    flagged = flagged_after(losses, recipe.early_stopping.patience)

    def rate(at: int) -> float:
        halvings = 0 if flagged is None else max(0, at - flagged)
        return learning_rate(recipe, at) * 0.5**halvings

    if epoch == 0:
        return rate(0)
    if recipe.lr > rate(epoch - 1) * (10 * len(falls) + 10):
        return None
    if flagged is not None and recipe.start_epoch + epoch > falls[-1]:
        return None
    return rate(epoch)


def stops_early(recipe: TrainConfig, history: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a training is over before all its epochs are done.

    Args:
        recipe: of the training.
        history: the rows of the epochs done; with early stopping each holds ``LAST_LOSS``.
    """
    if recipe.early_stopping is None:
        return False
    return early_stopped_rate(recipe, last_losses(history)) is None


def last_losses(history: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the loss of the last batch of every epoch."""
    return [row[LAST_LOSS] for row in history]
