"""Edge-popup as a finder: learned scores, the largest of every layer are kept."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from common.config.schema import Fraction
from common.finders.base import Finder, FindInputs, Found, one_shot
from common.finders.learned import MaskSearch, search_masks
from common.masks import EdgePopupMask, LearnedMask, LearnedMaskOptions, SearchConfig
from common.masks.edge_popup import Rule


class EdgePopupOptions(LearnedMaskOptions):
    """Edge-popup (Ramanujan et al. 2020) with one sparsity for every layer.

    The defaults of ``search`` are the recipe of the original: learning rate 0.1 with cosine decay.
    """

    name: Literal["edge_popup"] = "edge_popup"
    sparsity: Fraction
    search: SearchConfig = SearchConfig(
        epochs=100, batch_size=128, lr=0.1, weight_decay=1e-4, schedule="cosine", patience=None
    )
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
