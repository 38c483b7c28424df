"""The lottery-ticket code that ToST's README shows first: each tensor loses its own smallest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from common.config.recipe import Schedule
from common.config.section import LATER
from common.finders import Finder, FindInputs, PretrainConfig, Stage, TrainingNeed
from common.finders.rounds import RoundsOptions
from common.models import initialise, prunable_parameters
from common.tickets import Ticket

SCHEME = "xavier_noisy"
"""The initialisation of that code: Xavier-normal weights, biases N(0, 1), scales N(1, 0.02^2)."""


class LthLocalRecipe(PretrainConfig):
    """A recipe whose defaults are how that code trains every round but the first."""

    epochs: int = Field(100, ge=0)
    batch_size: int = Field(60, gt=0)
    optimizer: Literal["sgd", "adam"] = "adam"
    lr: float = Field(1.2e-3, gt=0.0)
    momentum: float = Field(0.0, ge=0.0, lt=1.0)
    schedule: Schedule = "constant"


class LthLocalOptions(RoundsOptions):
    """Rounds of pruning inside every tensor (spec 2.4, second implementation).

    A round trains, and removes a percentile of what is left of every parameter called a weight:
    the scales of norm layers and the classifier, too. Weights and biases then go back to their
    initial values, or are drawn anew; running statistics of norm layers go on. ``K`` prune
    iterations of that code are ``K - 1`` rounds here, because its first one prunes nothing.
    """

    name: Literal["lth_local"] = "lth_local"
    fraction_per_round: float = Field(
        0.1, gt=0.0, lt=1.0, description="of what is left of a tensor"
    )
    train: LthLocalRecipe = Field(LthLocalRecipe(), description="the recipe of every round")
    first_lr: float | None = Field(
        1e-3, gt=0.0, description="learning rate of the first, dense training; null: the recipe's"
    )
    reinit: bool = Field(False, description="start every round from fresh weights, masked")
    freeze_negative_bug: Annotated[bool, LATER] = Field(
        False,
        description="true: that code's bug, by which negative weights never learn, in every "
        "round; the last training has a field of its own for it, train.freeze_negative",
    )

    def recipe(self, round_number: int) -> LthLocalRecipe:
        """Return the recipe of a round, counted from 1; the first one trains the dense network."""
        changes: dict[str, Any] = {}
        if round_number == 1 and self.first_lr is not None:
            changes["lr"] = self.first_lr
        if self.freeze_negative_bug:
            changes["freeze_negative"] = True
        return self.train.model_copy(update=changes)


def prune_to_local_percentile(weight: Tensor, mask: Tensor, fraction: float) -> Tensor:
    """Remove the weights of one tensor that lie below a percentile of the magnitudes left in it.

    The percentile is interpolated linearly; what equals it stays. A weight that training left at
    exactly zero counts as removed.

    Args:
        weight: the trained weights.
        mask: bool, of the same shape.
        fraction: which percentile, in (0, 1).

    Returns:
        The new mask; it keeps at least one weight where the old one keeps one that is not zero.
    """
    sizes = weight.detach().cpu().abs().double()
    alive = mask & (sizes > 0)
    if not bool(alive.any()):
        return torch.zeros_like(mask)
    threshold = float(np.percentile(sizes[alive].numpy(), 100 * fraction))
    return alive & (sizes >= threshold)


def _prune(round_number: int, inputs: FindInputs) -> Ticket:
    options: LthLocalOptions = inputs.options
    trained = inputs.need_trained().final
    masks: Mapping[str, Tensor] = {} if inputs.ticket is None else inputs.ticket.masks
    if not masks:
        weights = prunable_parameters(inputs.model, "all_weights")
        masks = {name: torch.ones(w.shape, dtype=torch.bool) for name, w in weights.items()}
    kept = {
        name: prune_to_local_percentile(trained[name], mask, options.fraction_per_round)
        for name, mask in masks.items()
    }
    if options.reinit:
        initialise(inputs.model, SCHEME, inputs.generator("reinit", round_number))
    start = inputs.initial_state()
    parameters = {name for name, _ in inputs.model.named_parameters()}
    state = {name: start[name] if name in parameters else trained[name] for name in start}
    return Ticket(kept, state)


def _stages(options: LthLocalOptions) -> Sequence[Stage]:
    bears_on: dict[str, Any] = options.model_dump(
        mode="json",
        exclude={"sparsity", "rounds", "train", "first_lr", "freeze_negative_bug"},
    )
    return [
        Stage(partial(_prune, number), TrainingNeed(options.recipe(number)), bears_on)
        for number in range(1, options.number_of_rounds + 1)
    ]


LTH_LOCAL = Finder(LthLocalOptions, _stages)
