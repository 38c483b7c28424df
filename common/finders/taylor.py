"""Taylor pruning: remove the weights whose loss would change least, of a trained network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Literal

from pydantic import Field, model_validator

from common.config.section import changed, refuse
from common.finders.base import Finder, FindInputs, PretrainConfig, Stage
from common.finders.initial import scored_masks, scoring_batches
from common.finders.pretrained import Rewinding, check_rewinding, pretraining, start_state
from common.finders.score_options import PlainCount, ScoreOptions
from common.finders.scores import score
from common.tickets.ticket import Ticket


class TaylorOptions(ScoreOptions):
    """First-order Taylor pruning, score ``|w * sum_b dL_b/dw|`` (ToST, spec 2.3).

    At the same weights and images it is SNIP's score; here it is taken of a trained network, and
    the ticket starts from where ``rewinding`` says.
    """

    name: Literal["taylor"] = "taylor"
    count: PlainCount = "exact"
    source: Literal["trained", "init"] = Field("trained", description="the weights that are scored")
    pretrain: PretrainConfig | None = Field(None, description="recipe of source 'trained'")
    rewinding: Rewinding = Field("init", description="which weights the ticket starts from")
    rewind_epoch: int | None = Field(None, ge=0, description="copy kept after this epoch, from 0")

    @model_validator(mode="after")
    def _agree(self) -> TaylorOptions:
        if self.source == "init":
            for name in changed(self, "pretrain", "rewinding", "rewind_epoch"):
                raise refuse(f"{name} has no effect where source is 'init'")
        elif self.pretrain is None:
            raise refuse("pretrain is missing; source 'trained' needs the recipe of that training")
        else:
            check_rewinding(self.pretrain, self.rewinding, self.rewind_epoch)
        return self


def find_taylor(inputs: FindInputs) -> Ticket:
    """Prune by the Taylor score of the trained network, or of the initial one."""
    options: TaylorOptions = inputs.options
    model = copy.deepcopy(inputs.model)
    start = inputs.initial_state()
    if options.source == "trained":
        start = start_state(inputs, options.rewinding, options.rewind_epoch)
        model.load_state_dict(inputs.need_trained().final)
    batches = scoring_batches(inputs, options)
    score_of = partial(score, "taylor", batches=batches, bn_mode=options.bn_mode)
    masks = scored_masks(options, model, score_of, options.iterations, options.count)
    return Ticket(masks, start)


def _stages(options: TaylorOptions) -> Sequence[Stage]:
    need = pretraining(options.pretrain, options.rewinding, options.rewind_epoch)
    return (Stage(find_taylor, need),)


TAYLOR = Finder(TaylorOptions, _stages)
