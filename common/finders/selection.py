"""From scores to masks: which weights stay, over the network or layer by layer, in steps or not."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from common.finders.scores import Scores
from common.models import prunable_parameters
from common.tickets.counts import (
    check_sparsity,
    keep_above,
    keep_top,
    keep_top_with_ties,
    kept_count,
    removed_count,
)

Masks = dict[str, Tensor]
Count = Literal["exact", "original", "threshold", "ties_kept"]
Scope = Literal["global", "local"]


def select_masks(
    scores: Scores, sparsity: float, *, count: Count = "exact", scope: Scope = "global"
) -> Masks:
    """Keep the highest scores.

    Args:
        scores: a tensor per name, higher = keep.
        sparsity: fraction of the N scored weights to remove.
        count: ``exact`` keeps floor(density * N), ties by position. ``threshold`` removes
            floor(sparsity * N) and all ties with the last of them (ToST). ``original`` keeps
            N - floor(sparsity * N) + 1 (GraSP). ``ties_kept`` keeps all ties with the last of
            ``exact``.
        scope: ``local`` does so inside every tensor, with N its size.

    Returns:
        A bool mask per name, on the CPU.
    """
    return _after_step(scores, None, sparsity, 1, 1, count, scope)


def prune_in_steps(
    model: nn.Module,
    score_of: Callable[[nn.Module], Scores],
    sparsity: float,
    steps: int,
    *,
    count: Count = "exact",
    scope: Scope = "global",
) -> Masks:
    """Score and prune in turn; after step j of n the density is ``(1 - sparsity)^(j / n)``.

    Weights keep their values and are masked in the forward pass; a removed one stays removed.

    Args:
        model: any plain module; it is left as it is.
        score_of: scores a masked copy of it.
        sparsity: fraction of the scored weights to remove in the end.
        steps: how often it is scored.
        count: see ``select_masks``.
        scope: likewise.
    """
    check_sparsity(sparsity)
    model = copy.deepcopy(model)
    weights = prunable_parameters(model)
    masks: Masks | None = None
    for done in range(1, steps + 1):
        scores = {name: value.detach().cpu() for name, value in score_of(model).items()}
        masks = _after_step(scores, masks, sparsity, done, steps, count, scope)
        with torch.no_grad():
            for name, mask in masks.items():
                weights[name].mul_(mask.to(weights[name].device))
    assert masks is not None, "there is at least one step"
    return masks


def _after_step(
    scores: Scores,
    masks: Masks | None,
    sparsity: float,
    done: int,
    steps: int,
    count: Count,
    scope: Scope,
) -> Masks:
    """Return the masks after a step; ``masks`` are those before it, None: nothing is removed."""
    if masks is not None:
        scores = _ranked(scores, masks, count)
    groups = [scores] if scope == "global" else [{name: value} for name, value in scores.items()]
    kept: Masks = {}
    for group in groups:
        kept |= _select(group, sparsity, done, steps, count)
    return kept if masks is None else {name: kept[name] & mask for name, mask in masks.items()}


def _ranked(scores: Scores, masks: Masks, count: Count) -> Scores:
    """Put removed weights behind all others: a threshold rule sees them with score 0, as ToST's."""
    below = -math.inf
    if count == "threshold" and all(bool((value >= 0).all()) for value in scores.values()):
        below = 0.0
    return {name: value.masked_fill(~masks[name], below) for name, value in scores.items()}


def _select(scores: Scores, sparsity: float, done: int, steps: int, count: Count) -> Masks:
    total = sum(value.numel() for value in scores.values())
    density = (1.0 - sparsity) ** (done / steps)
    if count == "threshold":
        removed = removed_count(total, sparsity)
        return keep_above(scores, removed if done == steps else int((1.0 - density) * total))
    last = kept_count(total, sparsity)
    if count == "original":
        removed = removed_count(total, sparsity)
        last = total - removed + (1 if removed else 0)
    keep = last if done == steps else max(round(total * density), last)
    return keep_top_with_ties(scores, keep) if count == "ties_kept" else keep_top(scores, keep)
