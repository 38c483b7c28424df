"""Freezing: which of the active weights a Gem-Miner search gives up at an event (spec 2.1)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from common.masks import kth_smallest

Tensors = Mapping[str, Tensor]


def event_count(epochs: int, period: int) -> int:
    """Return the number of freezing events n = floor((E - 1) / T) of a search."""
    return max(epochs - 1, 0) // period


def fraction_per_event(density: float, events: int) -> float:
    """Return r = 1 - density^(1 / n), the fraction of the active weights that an event freezes."""
    return 1.0 - density ** (1.0 / events)


def threshold_of(scores: Tensor, fraction: float, *, largest: bool = False) -> Tensor:
    """Return the k-th smallest (or largest) of all scores, k = ceil(fraction * count).

    Args:
        scores: any shape, not empty.
        fraction: in (0, 1].
        largest: count from the largest score.
    """
    count = scores.numel()
    k = min(max(math.ceil(fraction * count), 1), count)
    return kth_smallest(scores, count - k + 1 if largest else k)


def freeze_lowest(
    scores: Tensors,
    active: Tensors,
    fraction: float,
    *,
    largest: bool = False,
    ties: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Freeze the active weights with the lowest absolute scores, over all layers together.

    The threshold t is the k-th smallest active score, k = ceil(fraction * active); everything up to
    and including t goes, so tied scores go at once and more than k weights may.

    Args:
        scores: floating, by name.
        active: bool, of the same names and shapes.
        fraction: of the active weights, in [0, 1]; 0 freezes nothing.
        largest: freeze the largest scores instead (the score inversion of spec 2.13).
        ties: draws which of the weights tied at t go, so that exactly k do; None: all of them.

    Returns:
        The weights that stay active. Where nothing was active, nothing is.
    """
    sizes = {name: scores[name].abs() for name in active}
    pool = torch.cat([sizes[name][active[name]] for name in active])
    if pool.numel() == 0 or fraction == 0:
        return {name: mask.clone() for name, mask in active.items()}
    limit = threshold_of(pool, fraction, largest=largest)
    sign = -1.0 if largest else 1.0
    stays = {name: active[name] & (sign * sizes[name] > sign * limit) for name in active}
    if ties is None:
        return stays
    tied = {name: active[name] & (sizes[name] == limit) for name in active}
    excess = int(sum(mask.sum() for mask in active.values())) - math.ceil(fraction * pool.numel())
    excess -= int(sum(mask.sum() for mask in stays.values()))
    return _revive(stays, tied, excess, ties)


def freeze_lowest_by_layer(
    scores: Tensors,
    active: Tensors,
    fraction: float,
    *,
    largest: bool = False,
    ties: torch.Generator,
) -> dict[str, Tensor]:
    """Freeze exactly ceil(fraction * active) weights of every layer by the rule of its own scores.

    Where ties would take more, random ones of the tied weights are revived (spec 2.4).
    """
    stays: dict[str, Tensor] = {}
    for name, mask in active.items():
        stays |= freeze_lowest(
            {name: scores[name]}, {name: mask}, fraction, largest=largest, ties=ties
        )
    return stays


def freeze_below(scores: Tensors, active: Tensors, threshold: float) -> dict[str, Tensor]:
    """Freeze every active weight whose score is not above a fixed threshold."""
    return {name: mask & (scores[name] > threshold) for name, mask in active.items()}


def _revive(
    stays: Tensors, tied: Tensors, count: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return ``stays`` with ``count`` random ones of the tied weights."""
    flat = torch.cat([mask.flatten() for mask in tied.values()])
    places = flat.nonzero().squeeze(1)
    chosen = places[torch.randperm(len(places), generator=generator)[:count].to(places.device)]
    revived = torch.zeros_like(flat)
    revived[chosen] = True
    parts = revived.split([mask.numel() for mask in tied.values()])
    return {
        name: mask | part.view(mask.shape)
        for (name, mask), part in zip(stays.items(), parts, strict=True)
    }
