"""The finder that only this paper has: one-shot global magnitude on a trained network ("LT")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from common.config.schema import FindOptions, Fraction
from common.finders import Finder, FindInputs, PretrainConfig, Stage, TrainingNeed, score
from common.models import prunable_parameters
from common.pipeline import Methods
from common.tickets import Ticket, keep_top, removed_count


class LotteryTicketOptions(FindOptions):
    """Prune the convolutions of a trained network once, then start again from initialisation."""

    name: Literal["lt"] = "lt"
    sparsity: Fraction
    pretrain: PretrainConfig


def find_lottery_ticket(inputs: FindInputs) -> Ticket:
    """Keep the convolution weights whose magnitude exceeds one global threshold (spec 2.4).

    The threshold is the weight of rank floor(N p) (from 0) among the sorted magnitudes of the
    convolutions, where N counts the classifier too; the classifier stays dense. So the network as
    a whole has sparsity p, and N - floor(N p) - 1 weights survive. The ticket starts from the
    initial weights.
    """
    options: LotteryTicketOptions = inputs.options
    start = inputs.initial_state()
    inputs.model.load_state_dict(inputs.need_trained().final)
    scores = score("magnitude", inputs.model)
    convolutions = prunable_parameters(inputs.model, "conv")
    conv_scores = {name: value for name, value in scores.items() if name in convolutions}
    total = sum(value.numel() for value in scores.values())
    conv_total = sum(value.numel() for value in conv_scores.values())
    removed = min(removed_count(total, options.sparsity) + 1, conv_total)
    masks = keep_top(conv_scores, conv_total - removed)
    dense = {
        name: torch.ones(value.shape, dtype=torch.bool)
        for name, value in scores.items()
        if name not in convolutions
    }
    return Ticket({name: {**masks, **dense}[name] for name in scores}, start)


def _stages(options: LotteryTicketOptions) -> Sequence[Stage]:
    return (Stage(find_lottery_ticket, TrainingNeed(options.pretrain)),)


METHODS = Methods().extended(finders={"lt": Finder(LotteryTicketOptions, _stages)})
