"""A training recipe: epochs, optimiser, schedule, and the tricks of ToST."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from common.config.section import LATER, Section, refuse
from common.config.tricks import GhostSkipConfig, LrsiConfig, SoftActivationConfig
from common.errors import UserError

Schedule = Literal["step", "multistep", "cosine", "linear", "constant"]


class EarlyStoppingConfig(Section):
    """Lower the learning rate faster, and stop, where the loss of the last batches stands still.

    The rule of a fork of the replication of Generalizing Tickets; ``common.training.stopping``
    spells it out. It looks at training batches only.
    """

    patience: int = Field(10, gt=0, description="epochs without a lower loss of the last batch")


class TrainConfig(Section):
    """A training recipe.

    ``start_epoch`` shifts the learning-rate schedule: training epoch ``i`` uses the schedule at
    epoch ``start_epoch + i`` of a run of ``schedule_epochs`` epochs (learning-rate rewinding).
    """

    epochs: int = Field(160, ge=0)
    batch_size: int = Field(128, gt=0)
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: float = Field(0.1, gt=0.0)
    momentum: float = Field(0.9, ge=0.0, lt=1.0)
    nesterov: bool = False
    weight_decay: float = Field(1e-4, ge=0.0)
    schedule: Schedule = "step"
    milestones: tuple[int, ...] | None = Field(
        None,
        strict=False,
        description="epochs at which the rate falls; null: 50 % and 75 % of the epochs (step), or "
        "those of Rare Gems' code for that many epochs (multistep)",
    )
    gamma: float = Field(0.1, gt=0.0)
    warmup_epochs: int = Field(0, ge=0)
    start_epoch: int = Field(0, ge=0)
    schedule_epochs: int | None = Field(None, gt=0, description="null: the number of epochs")
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    evaluate_every: int = Field(1, gt=0, description="epochs; the last one is always evaluated")
    early_stopping: Annotated[EarlyStoppingConfig | None, LATER] = Field(
        None, description="null: a training runs all its epochs"
    )
    smoothing_form: Annotated[Literal["uniform", "exclude_target"], LATER] = Field(
        "uniform",
        description="of label smoothing a: a / C on each of the C classes, or a / (C - 1) on each "
        "of the others",
    )
    decay_norm: Annotated[bool, LATER] = Field(
        True, description="false: no weight decay on the scales and shifts of norm layers"
    )
    select: Annotated[Literal["last", "best_validation"], LATER] = Field(
        "last", description="best_validation: keep the network of the best evaluated epoch"
    )
    freeze_negative: Annotated[bool, LATER] = Field(
        False, description="true: the bug of a known code, by which no negative weight learns"
    )
    soft_activation: Annotated[SoftActivationConfig | None, LATER] = None
    ghost_skip: Annotated[GhostSkipConfig | None, LATER] = None
    lrsi: Annotated[LrsiConfig | None, LATER] = None

    @model_validator(mode="after")
    def _agree(self) -> TrainConfig:
        if self.milestones is not None:
            if self.schedule not in ("step", "multistep"):
                raise refuse(
                    "milestones belong to the schedules 'step' and 'multistep', but schedule is "
                    f"{self.schedule!r}"
                )
            if (
                list(self.milestones) != sorted(set(self.milestones))
                or min(self.milestones, default=1) < 1
            ):
                raise refuse(
                    f"milestones must be rising epochs from 1 on, found {list(self.milestones)}"
                )
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise refuse("nesterov needs optimizer 'sgd' and a momentum above 0")
        if self.warmup_epochs and self.start_epoch:
            raise refuse("warmup_epochs and start_epoch exclude each other")
        if self.smoothing_form != "uniform" and self.label_smoothing == 0:
            raise refuse("smoothing_form has no effect where label_smoothing is 0")
        if self.early_stopping is not None:
            if self.schedule != "step" or not self.milestones:
                raise refuse(
                    "early_stopping needs schedule 'step' and milestones of its own, but schedule "
                    f"is {self.schedule!r} and milestones is "
                    f"{None if self.milestones is None else list(self.milestones)}"
                )
            if self.warmup_epochs:
                raise refuse("early_stopping and warmup_epochs exclude each other")
        return self

    @model_validator(mode="after")
    def _stops_or_selects(self) -> TrainConfig:
        if self.early_stopping is not None and self.select != "last":
            raise refuse("early_stopping and select 'best_validation' exclude each other")
        if self.early_stopping is not None and self._fading():
            raise refuse(
                "early_stopping could end a training whose tricks still fade: the decay of "
                "soft_activation and ghost_skip must be 'none'"
            )
        return self

    def _fading(self) -> list[str]:
        """Return the names of the tricks that fade while the network trains."""
        soft, skip = self.soft_activation, self.ghost_skip
        there = {
            "soft_activation": soft is not None and soft.fading != "none",
            "ghost_skip": skip is not None and skip.decay != "none",
        }
        return [name for name, fades in there.items() if fades]

    def first_epochs(self, epochs: int) -> Self:
        """Return the recipe of the first so many epochs of this training, at the same rates.

        Its last network counts, whatever the whole training selects.

        Raises:
            UserError: tricks would fade within the part, or LRsI come before it and again later.
        """
        if epochs == self.epochs:
            return self
        for name in (*self._fading(), *(() if self.lrsi is None else ("lrsi",))):
            raise UserError(
                f"{name}: has no place in a training that is cut off after {epochs} of "
                f"{self.epochs} epochs to rewind to; give that training a recipe without it"
            )
        planned = self.schedule_epochs or self.epochs
        cut = {"epochs": epochs, "schedule_epochs": planned, "select": "last"}
        return self.model_copy(update=cut)
