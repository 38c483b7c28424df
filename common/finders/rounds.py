"""Methods that prune in rounds: how many rounds a sparsity takes."""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from common.config.schema import FindOptions, Fraction
from common.config.section import refuse
from common.finders.base import PretrainConfig

TOLERANCE = 0.01
"""How far, relative to it, a density may be from one that whole rounds reach."""
ROUNDING = 1e-9
"""How far behind a whole number of rounds a sparsity written in decimals may seem to lie."""


def rounds_to(sparsity: float, fraction: float) -> int:
    """Return how many rounds reach a sparsity; refuse one that lies between two rounds.

    Args:
        sparsity: to reach.
        fraction: of the weights still there that a round removes.
    """
    if sparsity == 0:
        return 0
    kept = 1 - fraction
    exact = math.log(max(1 - sparsity, 1e-12)) / math.log(kept)
    rounds = max(1, round(exact))
    if abs(kept**rounds / max(1 - sparsity, 1e-12) - 1) > TOLERANCE:
        near = [1 - kept**number for number in (math.floor(exact), math.floor(exact) + 1)]
        raise refuse(
            f"sparsity {sparsity} is none that whole rounds reach; the nearest are "
            + " and ".join(f"{value:.4f}" for value in near if value > 0)
        )
    return rounds


def fewest_rounds_to(sparsity: float, fraction: float) -> int:
    """Return the smallest number of rounds that reach a sparsity, the last one perhaps not whole.

    Args:
        sparsity: to reach, below 1.
        fraction: of the weights still there that a whole round removes.
    """
    exact = math.log(1 - sparsity) / math.log(1 - fraction)
    return math.ceil(exact - ROUNDING)


class RoundsOptions(FindOptions):
    """What methods in rounds share: how far they go, and how they train on the way."""

    sparsity: Fraction | None = Field(None, description="in place of rounds: what they reach")
    rounds: int | None = Field(None, ge=0, description="how often weights are removed")
    fraction_per_round: float = Field(0.2, gt=0.0, lt=1.0, description="of the weights still there")
    train: PretrainConfig = Field(PretrainConfig(), description="the recipe of every round")

    @model_validator(mode="after")
    def _say_how_far(self) -> RoundsOptions:
        if (self.rounds is None) == (self.sparsity is None):
            raise refuse("give either rounds or sparsity")
        _ = self.number_of_rounds  # refuses a sparsity that rounds do not reach
        return self

    @property
    def number_of_rounds(self) -> int:
        """How often weights are removed."""
        if self.rounds is not None:
            return self.rounds
        assert self.sparsity is not None
        return rounds_to(self.sparsity, self.fraction_per_round)
