"""One-shot magnitude pruning of a trained network, as the fork of the replication does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from common.config.schema import FindOptions, Fraction
from common.config.section import refuse
from common.finders import Finder, FindInputs, Found, PretrainConfig, Stage
from common.finders.iterative import ImpOptions, RewindConfig, imp_stages
from common.tickets import Ticket


class OneshotMagnitudeOptions(FindOptions):
    """Train densely, remove the smallest weights of the network at once (spec 2.9).

    It is a single round of iterative magnitude pruning by the percentile rule, norm scales
    included.
    """

    name: Literal["oneshot_magnitude"] = "oneshot_magnitude"
    sparsity: Fraction = Field(gt=0.0, lt=1.0)
    train: PretrainConfig = Field(PretrainConfig(), description="the dense training")
    rewind: Literal["none", "late"] = Field("none", description="none: train the trained weights")
    rewind_epoch: int = Field(1, gt=0, description="late: whole epochs done, of the dense training")
    permute: Literal["none", "global"] = "none"

    @model_validator(mode="after")
    def _agree(self) -> OneshotMagnitudeOptions:
        if self.rewind == "late" and self.rewind_epoch > self.train.epochs:
            raise refuse(
                f"rewind_epoch must be at most train.epochs ({self.train.epochs}), "
                f"found {self.rewind_epoch}"
            )
        return self

    def as_rounds(self) -> ImpOptions:
        """Return the same as iterative magnitude pruning of one round."""
        rewind = RewindConfig(to="none")
        if self.rewind == "late":
            rewind = RewindConfig(to="epoch", epoch=self.rewind_epoch - 1, scope="all")
        return ImpOptions(
            rounds=1,
            fraction_per_round=self.sparsity,
            train=self.train,
            rewind=rewind,
            count="percentile",
            scope="all_weights",
            permute=self.permute,
        )


def _stages(options: OneshotMagnitudeOptions) -> Sequence[Stage]:
    rounds = options.as_rounds()

    def find(inputs: FindInputs) -> Ticket | Found:
        return stage.find(replace(inputs, options=rounds))

    (stage,) = imp_stages(rounds)
    return [replace(stage, find=find)]


ONESHOT_MAGNITUDE = Finder(OneshotMagnitudeOptions, _stages)
