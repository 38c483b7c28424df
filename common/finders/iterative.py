"""Iterative magnitude pruning: train, remove the smallest weights, rewind, and again."""

from __future__ import annotations

import fractions
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from common.config.section import LATER, Section, refuse
from common.errors import UserError
from common.finders.base import Finder, FindInputs, PretrainConfig, Stage, State, TrainingNeed
from common.finders.magnitudes import prune_smallest, prune_to_percentile, prune_to_target
from common.finders.rounds import RoundsOptions, fewest_rounds_to
from common.models import prunable_parameters, shortcut_weights
from common.tickets.ticket import Ticket
from common.tickets.transfer import RULE, is_classifier
from common.tickets.transforms import permute_globally
from common.training import Moment

OF_THE_CHAIN = {"sparsity", "rounds", "train", "epochs_per_round", "dense", "hit_target"}
"""Options that say how long the chain of rounds is and how it trains, not what a round removes."""


class RewindConfig(Section):
    """Which weights every round starts from.

    ``to``: ``init``, the weights before any training (cold); ``step`` and ``epoch``, those of the
    dense training after that step or epoch (warm); ``none``, the trained ones: only the schedule
    of the learning rate starts again (Renda et al., arXiv:2003.02389).
    """

    to: Literal["init", "step", "epoch", "none"] = "init"
    step: int | None = Field(None, gt=0, description="of the dense training, from 1")
    epoch: int | None = Field(None, ge=0, description="of the dense training, from 0")
    scope: Literal["prunable", "all"] = Field(
        "prunable",
        description="prunable: norm layers and biases go on from where the training left them; "
        "all: they are rewound, too",
    )
    restart: Annotated[bool, LATER] = Field(
        False,
        description="late resetting: the dense training ends at that epoch, and every round, the "
        "first one too, is a whole training from there",
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Take ``"init"`` or ``"none"`` for the section that says so."""
        return {"to": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _agree(self) -> RewindConfig:
        for unit in ("step", "epoch"):
            given = getattr(self, unit) is not None
            if self.to == unit and not given:
                raise refuse(f"{unit} is missing; to {unit!r} needs one")
            if self.to != unit and given:
                raise refuse(f"{unit} has no effect where to is {self.to!r}")
        if self.restart and self.to != "epoch":
            raise refuse(f"restart needs to 'epoch', found {self.to!r}")
        return self

    def moment(self) -> Moment | None:
        """Return the moment of the dense training whose state is needed."""
        if self.to == "step" and self.step is not None:
            return Moment("step", self.step)
        if self.to == "epoch" and self.epoch is not None:
            return Moment("epoch", self.epoch)
        return None


class ImpOptions(RoundsOptions):
    """Iterative magnitude pruning (Frankle and Carbin, arXiv:1803.03635) over the whole network."""

    name: Literal["imp"] = "imp"
    epochs_per_round: int | None = Field(None, gt=0, description="null: those of the recipe")
    rewind: RewindConfig = RewindConfig()
    count: Literal["exact", "original", "percentile", "truncated"] = Field(
        "exact",
        description="original: one weight more a round, and ties with it, as Rare Gems' code does; "
        "percentile: up to a percentile of all weights, removed ones included, interpolated; "
        "truncated: int(fraction * kept) + 1 weights a round, and ties, as ToST's code does",
    )
    hit_target: Annotated[bool, LATER] = Field(
        False,
        description="sparsity may be any: the fewest rounds that reach it, of which the last one "
        "removes just so many weights that it is met exactly",
    )
    scope: Annotated[Literal["conv_linear", "conv", "all_weights"], LATER] = Field(
        "conv_linear", description="what is pruned; all_weights: also the scales of norm layers"
    )
    permute: Annotated[Literal["none", "global"], LATER] = Field(
        "none", description="global: every round's mask is permuted over the whole network"
    )
    dense: Annotated[PretrainConfig | None, LATER] = Field(
        None, description="recipe of the dense training of late resetting; null: as the rounds'"
    )
    invert: bool = Field(False, description="sanity check: remove the largest weights")
    prune_shortcuts: bool = Field(
        True, description="false: convolutions on shortcuts stay dense and are not counted"
    )

    @model_validator(mode="after")
    def _agree(self) -> ImpOptions:
        if self.dense is not None and not self.rewind.restart:
            raise refuse("dense has no effect where rewind.restart is false")
        if self.count == "percentile" and self.invert:
            raise refuse("invert has no meaning where count is 'percentile'")
        return self

    @property
    def number_of_rounds(self) -> int:
        """How often weights are removed."""
        if not self.hit_target:
            return super().number_of_rounds
        if self.sparsity is None:
            raise refuse("hit_target needs sparsity in place of rounds")
        if self.sparsity == 1:
            raise refuse("hit_target needs a sparsity below 1, found 1")
        return fewest_rounds_to(self.sparsity, self.fraction_per_round)

    def ends_at(self, round_number: int) -> float | None:
        """Return the sparsity that a round, counted from 1, has to meet exactly, if it has to."""
        last = self.hit_target and round_number == self.number_of_rounds
        return self.sparsity if last else None

    def recipe(self) -> PretrainConfig:
        """Return the recipe of a round."""
        if self.epochs_per_round is None:
            return self.train
        return self.train.model_copy(update={"epochs": self.epochs_per_round})

    def late_recipe(self) -> PretrainConfig:
        """Return the recipe of the dense training, cut off where the rounds start from."""
        whole = self.recipe() if self.dense is None else self.dense
        assert self.rewind.epoch is not None
        epochs = self.rewind.epoch + 1
        if epochs > whole.epochs:
            raise UserError(
                f"find.rewind.epoch: {self.rewind.epoch} is not in a training of {whole.epochs} "
                "epochs, which are counted from 0"
            )
        return whole.first_epochs(epochs)


def _start(inputs: FindInputs) -> Ticket:
    """Return the dense network that late resetting starts from, as a ticket without masks."""
    return Ticket({}, dict(inputs.need_trained().final))


def _current_masks(inputs: FindInputs, rule: str | None) -> dict[str, Tensor]:
    """Return the masks of the round before; at first those that keep every prunable weight."""
    options: ImpOptions = inputs.options
    if inputs.ticket is not None and inputs.ticket.masks:
        return inputs.ticket.masks
    exclude = () if options.prune_shortcuts else shortcut_weights(inputs.model)
    prunable = prunable_parameters(inputs.model, options.scope, exclude)
    return {
        name: torch.ones(weight.shape, dtype=torch.bool)
        for name, weight in prunable.items()
        if not (rule == "fresh" and is_classifier(name))
    }


def _prune(round_number: int, inputs: FindInputs) -> Ticket:
    """Prune what the training of this round left, and rewind; rounds count from 1."""
    options: ImpOptions = inputs.options
    trained = inputs.need_trained().final
    rule = None if inputs.ticket is None else inputs.ticket.meta.get(RULE)
    masks = _current_masks(inputs, rule)
    weights = {name: trained[name] for name in masks}
    target = options.ends_at(round_number)
    if target is not None:
        kept = prune_to_target(weights, masks, target, largest=options.invert)
    elif options.count == "percentile":
        removed = 1 - (1 - fractions.Fraction(str(options.fraction_per_round))) ** round_number
        kept = prune_to_percentile(weights, removed)
    else:
        kept = prune_smallest(
            *(weights, masks, options.fraction_per_round),
            count=options.count,
            largest=options.invert,
        )
    # The permuted masks of the replication may end there; it goes on with what it has.
    if options.permute == "none" and not any(bool(mask.any()) for mask in kept.values()):
        number = options.number_of_rounds
        raise UserError(f"find.rounds: nothing is left of this network before {number} rounds end")
    if options.permute == "global":
        kept = permute_globally(kept, inputs.generator("permute", round_number))
    start = _rewound(inputs, options.rewind, list(masks))
    if rule is not None and inputs.ticket is not None:
        head = trained if rule == "carried" else inputs.ticket.weights
        start |= {name: value for name, value in head.items() if is_classifier(name)}
    return Ticket(kept, start, {} if rule is None else {RULE: rule})


def _rewound(inputs: FindInputs, rewind: RewindConfig, prunable: Sequence[str]) -> State:
    """Return the state that the next training starts from."""
    trained = inputs.need_trained()
    if rewind.to == "none":
        return dict(trained.final)
    moment = rewind.moment()
    if inputs.ticket is not None:
        start = dict(inputs.ticket.weights)  # every ticket of the chain starts from one state
    elif moment is None:
        start = inputs.initial_state()
    else:
        start = dict(trained.kept[moment])
    if rewind.scope == "all":
        return start
    return {name: start[name] if name in prunable else trained.final[name] for name in start}


def imp_stages(options: ImpOptions) -> Sequence[Stage]:
    """Return a stage for every round, and one for late resetting before them."""
    moment = options.rewind.moment()
    late = options.rewind.restart
    bears_on: dict[str, Any] = options.model_dump(mode="json", exclude=OF_THE_CHAIN)
    stages = []
    if late:
        need = TrainingNeed(options.late_recipe())
        stages.append(Stage(_start, need, {"name": options.name}, makes_start=True))
    for number in range(options.number_of_rounds):
        keep = (moment,) if moment and number == 0 and not late else ()
        need = TrainingNeed(options.recipe(), keep)
        target = options.ends_at(number + 1)
        own = bears_on if target is None else bears_on | {"hit_target": target}
        stages.append(Stage(partial(_prune, number + 1), need, own))
    return stages


IMP = Finder(ImpOptions, imp_stages)
