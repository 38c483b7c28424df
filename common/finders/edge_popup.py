"""Edge-popup as a finder: learned scores, the largest of every layer or of the network are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from common.config.recipe import Schedule
from common.config.schema import Fraction
from common.config.section import LATER, changed, refuse
from common.finders.base import Finder, FindInputs, Found, one_shot
from common.finders.learned import MaskSearch, left_dense, search_masks
from common.masks import (
    EdgePopupMask,
    GlobalEdgePopupMask,
    GlobalEdgePopupRule,
    LearnedMask,
    LearnedMaskOptions,
    SearchConfig,
    SearchRule,
)
from common.masks.edge_popup import Rule


class EdgePopupSearch(SearchConfig):
    """A search whose defaults are the original's recipe: 100 epochs, 0.1 with cosine decay."""

    epochs: int = Field(100, ge=0)
    batch_size: int = Field(128, gt=0)
    lr: float = Field(0.1, gt=0.0)
    weight_decay: float = Field(1e-4, ge=0.0)
    schedule: Schedule = "cosine"
    patience: int | None = Field(None, gt=0, description="null: never stop early")


class EdgePopupOptions(LearnedMaskOptions):
    """Edge-popup (Ramanujan et al. 2020), by layers; or over the whole network (Rare Gems)."""

    name: Literal["edge_popup"] = "edge_popup"
    sparsity: Fraction
    search: EdgePopupSearch = EdgePopupSearch()
    rule: Rule = Field(
        "rounded", description="rounded: at least one weight a layer; floor: as the original"
    )
    score_init: Literal["kaiming_uniform", "kaiming_normal"] = Field(
        "kaiming_uniform", description="kaiming_uniform: U(-1/sqrt(fan_in), 1/sqrt(fan_in))"
    )
    scope: Annotated[Literal["layer", "global"], LATER] = Field(
        "layer", description="global: one threshold over all layers"
    )
    gradual: Annotated[bool, LATER] = Field(
        False, description="raise the sparsity step by step; needs scope 'global'"
    )
    prune_period: Annotated[int | None, LATER] = Field(
        None, gt=0, description="gradual: epochs between two steps"
    )
    regularization: Annotated[Literal["L2"] | None, LATER] = None
    penalty: Annotated[float, LATER] = Field(
        0.0, ge=0.0, alias="lambda", description="of L2, on the sum over all scores"
    )
    invert: Annotated[bool, LATER] = Field(
        False, description="sanity check: keep the lowest scores"
    )

    @model_validator(mode="after")
    def _agree(self) -> EdgePopupOptions:
        if self.gradual != (self.prune_period is not None):
            raise refuse("gradual and prune_period belong together")
        if self.gradual and self.scope == "layer":
            raise refuse("gradual needs scope 'global'")
        if self.prune_period is not None and self.prune_period >= self.search.epochs:
            raise refuse(
                f"prune_period must be below search.epochs ({self.search.epochs}), found "
                f"{self.prune_period}"
            )
        if self.gradual and self.search.select != "last":
            raise refuse(
                "gradual needs search.select 'last': the sparsity is reached in the last epochs"
            )
        if (self.regularization is None) != (self.penalty == 0.0):
            raise refuse("regularization and lambda belong together")
        if self.scope == "global" and changed(self, "rule"):
            raise refuse("rule has no effect where scope is 'global'")
        return self

    def recipe(self) -> EdgePopupSearch:
        """Return the recipe with the L2 penalty as what it is: weight decay on the scores."""
        decay = self.search.weight_decay + 2 * self.penalty
        return self.search.model_copy(update={"weight_decay": decay})


def first_scores(
    weight: Tensor, scheme: Literal["kaiming_uniform", "kaiming_normal"], draw: torch.Generator
) -> Tensor:
    """Return a layer's first scores, float32 on the CPU, of the weight's shape."""
    fan_in = weight[0].numel()
    scores = torch.empty(weight.shape)
    if scheme == "kaiming_uniform":
        return scores.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=draw)
    return scores.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=draw)


def find_edge_popup(inputs: FindInputs) -> Found:
    """Learn scores over frozen weights; the final network keeps the largest of them."""
    options: EdgePopupOptions = inputs.options
    draw = inputs.generator("scores")

    def make(name: str, weight: Tensor) -> LearnedMask:
        scores = first_scores(weight, options.score_init, draw)
        if options.scope == "global":
            return GlobalEdgePopupMask(weight, scores, invert=options.invert)
        return EdgePopupMask(weight, scores, options.sparsity, options.rule, invert=options.invert)

    def rule(masks: Mapping[str, LearnedMask], _: Callable[[str], None]) -> SearchRule:
        if options.scope == "layer":
            return SearchRule(masks)
        return GlobalEdgePopupRule(
            masks, options.sparsity, epochs=options.search.epochs, period=options.prune_period
        )

    exclude = left_dense(options, inputs.model)
    return search_masks(inputs, MaskSearch(options.recipe(), make, exclude, rule=rule))


EDGE_POPUP: Finder = one_shot(EdgePopupOptions, find_edge_popup)
