"""Iterative magnitude pruning: train, remove the smallest weights, rewind, and again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from common.config.schema import FindOptions, Fraction, Section, refuse
from common.errors import UserError
from common.finders.base import Finder, FindInputs, PretrainConfig, Stage, State, TrainingNeed
from common.models import prunable_parameters, shortcut_weights
from common.tickets.counts import keep_top
from common.tickets.ticket import Ticket
from common.training import Moment

TOLERANCE = 0.01
"""How far, relative to it, a density may be from one that whole rounds reach."""


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

    @model_validator(mode="after")
    def _agree(self) -> RewindConfig:
        for unit in ("step", "epoch"):
            given = getattr(self, unit) is not None
            if self.to == unit and not given:
                raise refuse(f"{unit} is missing; to {unit!r} needs one")
            if self.to != unit and given:
                raise refuse(f"{unit} has no effect where to is {self.to!r}")
        return self

    def moment(self) -> Moment | None:
        """Return the moment of the dense training whose state is needed."""
        if self.to == "step" and self.step is not None:
            return Moment("step", self.step)
        if self.to == "epoch" and self.epoch is not None:
            return Moment("epoch", self.epoch)
        return None


class ImpOptions(FindOptions):
    """Iterative magnitude pruning (Frankle and Carbin, arXiv:1803.03635) over the whole network."""

    name: Literal["imp"] = "imp"
    sparsity: Fraction | None = Field(None, description="in place of rounds: what they reach")
    rounds: int | None = Field(None, gt=0, description="how often weights are removed")
    fraction_per_round: float = Field(0.2, gt=0.0, lt=1.0, description="of the weights still there")
    train: PretrainConfig = Field(PretrainConfig(), description="the recipe of every round")
    epochs_per_round: int | None = Field(None, gt=0, description="null: those of the recipe")
    rewind: RewindConfig = RewindConfig()
    count: Literal["exact", "original"] = Field(
        "exact",
        description="original: one weight more a round, and ties with it, as Rare Gems' code does",
    )
    invert: bool = Field(False, description="sanity check: remove the largest weights")
    prune_shortcuts: bool = Field(
        True, description="false: convolutions on shortcuts stay dense and are not counted"
    )

    @model_validator(mode="after")
    def _agree(self) -> ImpOptions:
        if (self.rounds is None) == (self.sparsity is None):
            raise refuse("give either rounds or sparsity")
        if self.sparsity is not None:
            self._rounds_to(self.sparsity)
        return self

    def _rounds_to(self, sparsity: float) -> int:
        """Return how many rounds reach a sparsity; refuse one that lies between two rounds."""
        kept = 1 - self.fraction_per_round
        exact = math.log(max(1 - sparsity, 1e-12)) / math.log(kept)
        rounds = max(1, round(exact))
        if abs(kept**rounds / max(1 - sparsity, 1e-12) - 1) > TOLERANCE:
            near = [1 - kept**number for number in (math.floor(exact), math.floor(exact) + 1)]
            raise refuse(
                f"sparsity {sparsity} is none that whole rounds reach; the nearest are "
                + " and ".join(f"{value:.4f}" for value in near if value > 0)
            )
        return rounds

    @property
    def number_of_rounds(self) -> int:
        """How often weights are removed."""
        if self.rounds is not None:
            return self.rounds
        assert self.sparsity is not None
        return self._rounds_to(self.sparsity)

    def recipe(self) -> PretrainConfig:
        """Return the recipe of a round."""
        if self.epochs_per_round is None:
            return self.train
        return self.train.model_copy(update={"epochs": self.epochs_per_round})


def prune_smallest(
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    fraction: float,
    *,
    count: Literal["exact", "original"] = "exact",
    largest: bool = False,
) -> dict[str, Tensor]:
    """Remove the weights of smallest magnitude among those a mask still keeps, over all layers.

    With ``a`` kept weights, ``exact`` removes ceil(fraction * a), ties by position. ``original``
    takes the magnitude with index ceil(fraction * a), counted from 0 in ascending order, and
    removes everything up to it, as the code of Rare Gems does (spec 2.7).

    Args:
        weights: the trained weights by name.
        masks: bool, of the same names and shapes.
        fraction: of the kept weights, in (0, 1).
        count: see above.
        largest: remove the largest ones.

    Returns:
        The new masks; none of them keeps a weight that the old one did not.
    """
    sign = -1.0 if largest else 1.0
    scores = {name: weights[name].detach().abs().double() * sign for name in masks}
    pool = torch.cat([scores[name][masks[name]] for name in masks])
    cut = math.ceil(fraction * pool.numel())
    if count == "original":
        if cut >= pool.numel():
            return {name: torch.zeros_like(mask) for name, mask in masks.items()}
        threshold = pool.sort().values[cut]
        return {name: masks[name] & (scores[name] > threshold) for name in masks}
    lowest = torch.tensor(-math.inf, dtype=torch.float64)
    ranked = {name: torch.where(masks[name], scores[name], lowest) for name in masks}
    return keep_top(ranked, pool.numel() - cut)


def _prune(inputs: FindInputs) -> Ticket:
    """Prune what the training of this round left, and rewind."""
    options: ImpOptions = inputs.options
    trained = inputs.need_trained().final
    masks = None if inputs.ticket is None else inputs.ticket.masks
    if masks is None:
        exclude = () if options.prune_shortcuts else shortcut_weights(inputs.model)
        prunable = prunable_parameters(inputs.model, exclude=exclude)
        masks = {name: torch.ones(w.shape, dtype=torch.bool) for name, w in prunable.items()}
    kept = prune_smallest(
        {name: trained[name] for name in masks},
        masks,
        options.fraction_per_round,
        count=options.count,
        largest=options.invert,
    )
    if not any(bool(mask.any()) for mask in kept.values()):
        number = options.number_of_rounds
        raise UserError(f"find.rounds: nothing is left of this network before {number} rounds end")
    return Ticket(kept, _rewound(inputs, options.rewind, list(masks)))


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


def _stages(options: ImpOptions) -> Sequence[Stage]:
    moment = options.rewind.moment()
    bears_on: dict[str, Any] = options.model_dump(
        mode="json", exclude={"sparsity", "rounds", "train", "epochs_per_round"}
    )
    return [
        Stage(
            _prune,
            TrainingNeed(options.recipe(), (moment,) if moment and number == 0 else ()),
            bears_on,
        )
        for number in range(options.number_of_rounds)
    ]


IMP = Finder(ImpOptions, _stages)
