"""Finders that prune a trained network: magnitude with rewinding, and hybrid tickets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from common.config.schema import Fraction
from common.config.section import refuse
from common.finders.base import (
    Finder,
    FindInputs,
    PretrainConfig,
    Stage,
    State,
    TrainingNeed,
    need_sparsity,
)
from common.finders.initial import RandomTicketOptions, keep_per_layer, smart_budget
from common.finders.score_options import LayerOptions, PlainCount
from common.finders.scores import score
from common.finders.selection import select_masks
from common.tickets.ticket import Ticket
from common.training import Moment

Rewinding = Literal["weights", "learning_rate", "init"]


def check_rewinding(
    pretrain: PretrainConfig | None, rewinding: Rewinding | None, rewind_epoch: int | None
) -> None:
    """Refuse options of a pre-training that contradict each other."""
    if pretrain is None:
        if rewinding is not None or rewind_epoch is not None:
            raise refuse("rewinding and rewind_epoch need a pretrain section")
        return
    if rewinding is None:
        raise refuse("rewinding is missing (allowed: 'weights', 'learning_rate', 'init')")
    if rewinding == "weights":
        if rewind_epoch is None:
            raise refuse("rewind_epoch is missing; weight rewinding needs one")
        if rewind_epoch >= pretrain.epochs:
            raise refuse(
                f"rewind_epoch must be below pretrain.epochs ({pretrain.epochs}), "
                f"found {rewind_epoch}"
            )


class MagnitudeOptions(LayerOptions):
    """Keep the largest weights over the whole network: of the initial or of a trained one."""

    name: Literal["magnitude"] = "magnitude"
    sparsity: Fraction
    pretrain: PretrainConfig | None = Field(None, description="null: prune the initial weights")
    rewinding: Rewinding | None = Field(None, description="which weights the ticket starts from")
    rewind_epoch: int | None = Field(None, ge=0, description="copy kept after this epoch, from 0")
    count: PlainCount = "exact"

    @model_validator(mode="after")
    def _agree(self) -> MagnitudeOptions:
        check_rewinding(self.pretrain, self.rewinding, self.rewind_epoch)
        return self


class HybridOptions(RandomTicketOptions):
    """Hybrid tickets of Su et al.: the smart ratio's densities, the largest trained weights."""

    name: Literal["hybrid"] = "hybrid"  # type: ignore[assignment]
    pretrain: PretrainConfig
    rewinding: Rewinding = "learning_rate"
    rewind_epoch: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _agree(self) -> HybridOptions:
        check_rewinding(self.pretrain, self.rewinding, self.rewind_epoch)
        return self


def pretraining(
    pretrain: PretrainConfig | None, rewinding: Rewinding | None, rewind_epoch: int | None
) -> TrainingNeed | None:
    """Return the training that a finder's options ask for, with the copy it rewinds to."""
    if pretrain is None:
        return None
    if rewinding != "weights" or rewind_epoch is None:
        return TrainingNeed(pretrain)
    return TrainingNeed(pretrain, (Moment("epoch", rewind_epoch),))


def start_state(inputs: FindInputs, rewinding: Rewinding, rewind_epoch: int | None) -> State:
    """Return the state a ticket starts from.

    ``weights``: the copy kept after the rewind epoch; ``learning_rate``: the final state (only
    the schedule is rewound); ``init``: the state before any training.
    """
    if rewinding == "init":
        return inputs.initial_state()
    trained = inputs.need_trained()
    if rewinding == "weights" and rewind_epoch is not None:
        return dict(trained.kept[Moment("epoch", rewind_epoch)])
    return dict(trained.final)


def find_magnitude(inputs: FindInputs) -> Ticket:
    """Keep the largest weights, over all prunable layers together or in each, in one shot."""
    options: MagnitudeOptions = inputs.options
    start = inputs.initial_state()
    if options.pretrain is not None and options.rewinding is not None:
        start = start_state(inputs, options.rewinding, options.rewind_epoch)
        inputs.model.load_state_dict(inputs.need_trained().final)
    scores = score("magnitude", inputs.model, layers=options.layers)
    sparsity = need_sparsity(options)
    masks = select_masks(scores, sparsity, count=options.count, scope=options.scope)
    return Ticket(masks, start)


def find_hybrid(inputs: FindInputs) -> Ticket:
    """Keep the largest trained weights of every layer, as many as the smart ratio allows."""
    options: HybridOptions = inputs.options
    start = start_state(inputs, options.rewinding, options.rewind_epoch)
    inputs.model.load_state_dict(inputs.need_trained().final)
    budget = smart_budget(options, inputs.model, need_sparsity(options))
    return Ticket(keep_per_layer(score("magnitude", inputs.model), budget), start)


def _magnitude_stages(options: MagnitudeOptions) -> Sequence[Stage]:
    need = pretraining(options.pretrain, options.rewinding, options.rewind_epoch)
    return (Stage(find_magnitude, need),)


def _hybrid_stages(options: HybridOptions) -> Sequence[Stage]:
    need = pretraining(options.pretrain, options.rewinding, options.rewind_epoch)
    return (Stage(find_hybrid, need),)


MAGNITUDE = Finder(MagnitudeOptions, _magnitude_stages)
HYBRID = Finder(HybridOptions, _hybrid_stages)
