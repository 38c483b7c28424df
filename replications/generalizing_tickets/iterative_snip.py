"""Iterative SNIP: score, prune, train, and again, as the fork of the replication does it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from common.config.section import refuse
from common.finders import Finder, FindInputs, Stage, TrainingNeed, score
from common.finders.initial import redraw_xavier
from common.finders.rounds import RoundsOptions
from common.models import initialise, prunable_parameters
from common.tickets import Ticket, keep_top, keep_top_with_ties

DIGITS = 5
"""The density of a round is rounded to so many digits, as in the fork."""


class IterativeSnipOptions(RoundsOptions):
    """SNIP in rounds (spec 2.8): each scores the network that the training before left.

    The defaults prune what is still there, by scores of the very weights. The fork is ``nested:
    false, score_weights: "xavier_redraw", stack_gates: true, ties: "kept"``: removed weights
    compete again, by scores of weights drawn for the purpose, and a weight is trained only where
    all masks so far keep it.
    """

    name: Literal["iterative_snip"] = "iterative_snip"
    batch_size: int | None = Field(None, gt=0, description="images scored; null: the recipe's")
    score_weights: Literal["model", "xavier_redraw"] = "model"
    ties: Literal["exact", "kept"] = "exact"
    nested: bool = True
    stack_gates: bool = Field(False, description="train only what all masks so far keep")
    rewind: Literal["none", "init"] = Field("none", description="nested: what rounds start from")
    reinit: bool = Field(False, description="draw conv and linear layers anew in every round")

    @model_validator(mode="after")
    def _agree(self) -> IterativeSnipOptions:
        if self.number_of_rounds == 0:
            raise refuse("the first round already prunes, so sparsity and rounds must be above 0")
        if self.nested and (self.stack_gates or self.reinit):
            raise refuse("stack_gates and reinit have no effect where nested is true")
        if not self.nested and self.rewind != "none":
            raise refuse("rewind has no effect where nested is false; reinit draws weights anew")
        if self.stack_gates and self.reinit:
            raise refuse("stack_gates and reinit exclude each other: what a gate shuts stays 0")
        return self

    def kept_fraction(self, round_number: int) -> float:
        """Return the density after a round, counted from 1."""
        return round((1 - self.fraction_per_round) ** round_number, DIGITS)


def _prune(round_number: int, inputs: FindInputs) -> Ticket:
    """Score what the round before left, keep the best, and make the next start."""
    options: IterativeSnipOptions = inputs.options
    initial = inputs.initial_state()
    if inputs.trained is not None:
        inputs.model.load_state_dict(inputs.trained.final)
    before = None if inputs.ticket is None else inputs.ticket.masks
    scores = _scores(inputs, options, round_number)
    if options.nested and before is not None:
        scores = {name: torch.where(before[name], s.cpu(), -1.0) for name, s in scores.items()}
    total = sum(value.numel() for value in scores.values())
    select = keep_top if options.ties == "exact" else keep_top_with_ties
    masks = select(scores, int(total * options.kept_fraction(round_number)))
    if before is not None and (options.nested or options.stack_gates):
        masks = {name: mask & before[name] for name, mask in masks.items()}
    if options.reinit:
        _redraw_layers(inputs.model, inputs.generator("reinit", round_number))
    return Ticket(masks, initial if options.rewind == "init" else inputs.initial_state())


def _scores(
    inputs: FindInputs, options: IterativeSnipOptions, round_number: int
) -> Mapping[str, Tensor]:
    size = options.batch_size or options.train.batch_size
    batch = inputs.need_data().minibatch(size, inputs.generator("score_data", round_number))
    model = inputs.model
    if options.score_weights == "xavier_redraw":
        model = copy.deepcopy(model)
        redraw_xavier(prunable_parameters(model), inputs.generator("redraw", round_number))
    return score("snip", model, [batch])


def _redraw_layers(model: nn.Module, generator: torch.Generator) -> None:
    """Draw convolutions and linear layers, biases too, by PyTorch's default; norm layers stay."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            initialise(module, "torch_default", generator)


def _stages(options: IterativeSnipOptions) -> Sequence[Stage]:
    bears_on: dict[str, Any] = options.model_dump(mode="json", exclude={"sparsity", "rounds"})
    return [
        Stage(
            partial(_prune, number),
            TrainingNeed(options.train) if number > 1 else None,
            bears_on,
        )
        for number in range(1, options.number_of_rounds + 1)
    ]


ITERATIVE_SNIP = Finder(IterativeSnipOptions, _stages)
