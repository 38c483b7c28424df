"""What a round of magnitude pruning removes, by several ways of counting."""

from __future__ import annotations

import fractions
import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from common.tickets.counts import keep_top, kept_count


def prune_smallest(
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    fraction: float,
    *,
    count: Literal["exact", "original", "truncated"] = "exact",
    largest: bool = False,
) -> dict[str, Tensor]:
    """Remove the weights of smallest magnitude among those a mask still keeps, over all layers.

    With ``a`` kept weights, ``exact`` removes ceil(fraction * a), ties by position. ``original``
    takes the magnitude with index ceil(fraction * a), counted from 0 in ascending order, and
    removes everything up to it, as the code of Rare Gems does (spec 2.7). ``truncated`` takes the
    one with index int(fraction * a), of the ``a`` kept weights that training left different from
    zero, as the code of ToST does (spec 2.4).

    Args:
        weights: the trained weights by name.
        masks: bool, of the same names and shapes.
        fraction: of the kept weights, in (0, 1).
        count: see above.
        largest: remove the largest ones.

    Returns:
        The new masks; none of them keeps a weight that the old one did not.
    """
    scores = _magnitudes(weights, masks, largest)
    pool = torch.cat([scores[name][masks[name]] for name in masks])
    cut = math.ceil(fraction * pool.numel())
    if count == "truncated":
        pool = pool[pool != 0]
        cut = int(fraction * pool.numel())
    if count != "exact":
        if cut >= pool.numel():
            return {name: torch.zeros_like(mask) for name, mask in masks.items()}
        threshold = pool.sort().values[cut]
        return {name: masks[name] & (scores[name] > threshold) for name in masks}
    return _keep_largest(scores, masks, pool.numel() - cut)


def prune_to_target(
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    sparsity: float,
    *,
    largest: bool = False,
) -> dict[str, Tensor]:
    """Remove the kept weights of smallest magnitude until ``kept_count(N, sparsity)`` of N stay.

    Args:
        weights: see ``prune_smallest``.
        masks: likewise; where they keep fewer already, nothing is removed.
        sparsity: of all weights under a mask.
        largest: remove the largest ones.
    """
    kept = sum(int(mask.sum()) for mask in masks.values())
    target = kept_count(sum(mask.numel() for mask in masks.values()), sparsity)
    return _keep_largest(_magnitudes(weights, masks, largest), masks, min(kept, target))


def _magnitudes(
    weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], largest: bool
) -> dict[str, Tensor]:
    sign = -1.0 if largest else 1.0
    return {name: weights[name].detach().abs().double() * sign for name in masks}


def _keep_largest(
    scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], keep: int
) -> dict[str, Tensor]:
    """Keep so many of the highest scores under the masks."""
    lowest = torch.tensor(-math.inf, dtype=torch.float64)
    return keep_top({n: torch.where(masks[n], scores[n], lowest) for n in masks}, keep)


def prune_to_percentile(
    weights: Mapping[str, Tensor], fraction: float | fractions.Fraction
) -> dict[str, Tensor]:
    """Remove every weight up to a percentile of the magnitudes of all of them.

    The percentile is interpolated linearly between order statistics. Of N different magnitudes
    floor((N - 1) * fraction) + 1 are removed; those equal to the percentile are, too. Weights that
    were removed before are zeros here and count (Generalizing Tickets, spec 2.3).

    Args:
        weights: the trained weights by name, zero where they were removed before.
        fraction: of all weights, in [0, 1]; 1 - 0.8 in floating point is a little less than 0.2,
            which makes a difference of one weight where the place among them is a whole number.

    Returns:
        A bool mask for every tensor.
    """
    scores = {name: weight.detach().abs() for name, weight in weights.items()}
    pool = torch.cat([score.flatten() for score in scores.values()])
    place = (pool.numel() - 1) * fraction
    below = math.floor(place)
    low = float(pool.kthvalue(below + 1).values)
    high = float(pool.kthvalue(min(below + 2, pool.numel())).values)
    threshold = low + (high - low) * float(place - below)
    return {name: score.double() > threshold for name, score in scores.items()}
