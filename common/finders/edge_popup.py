"""Edge-popup as a finder: learned scores, the largest of every layer are kept."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from common.config.schema import Fraction, Schedule
from common.finders.base import Finder, FindInputs, Found, one_shot
from common.finders.learned import MaskSearch, search_masks
from common.masks import EdgePopupMask, LearnedMask, LearnedMaskOptions, SearchConfig
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
    """Edge-popup (Ramanujan et al. 2020) with one sparsity for every layer."""

    name: Literal["edge_popup"] = "edge_popup"
    sparsity: Fraction
    search: EdgePopupSearch = EdgePopupSearch()
    rule: Rule = Field(
        "rounded", description="rounded: at least one weight a layer; floor: as the original"
    )
    score_init: Literal["kaiming_uniform", "kaiming_normal"] = Field(
        "kaiming_uniform", description="kaiming_uniform: U(-1/sqrt(fan_in), 1/sqrt(fan_in))"
    )


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
    """Learn scores over frozen weights; the final network keeps the largest of every layer."""
    options: EdgePopupOptions = inputs.options
    draw = inputs.generator("scores")

    def make(name: str, weight: Tensor) -> LearnedMask:
        scores = first_scores(weight, options.score_init, draw)
        return EdgePopupMask(weight, scores, options.sparsity, options.rule)

    return search_masks(inputs, MaskSearch(options.search, make, options.exclude))


EDGE_POPUP: Finder = one_shot(EdgePopupOptions, find_edge_popup)
