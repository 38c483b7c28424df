"""How many weights a sparsity keeps, and which: the one pruning-ratio rule of the workbench."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal

import torch
from torch import Tensor

from common.errors import UserError


def check_sparsity(sparsity: float) -> None:
    """Raise ``UserError`` unless ``sparsity`` lies in [0, 1]."""
    if not 0.0 <= sparsity <= 1.0:
        raise UserError(f"sparsity: must lie in [0, 1], found {sparsity!r}")


def kept_count(total: int, sparsity: float) -> int:
    """Return floor(total * (1 - sparsity)) in exact decimal arithmetic.

    The sparsity is taken as the decimal number it is written as, so 0.9 of 20,024,000 weights
    keeps 2,002,400 and not the 2,002,399 of binary floating point.
    """
    check_sparsity(sparsity)
    exact = Decimal(total) * (1 - Decimal(repr(float(sparsity))))
    return int(exact.to_integral_value(rounding=ROUND_FLOOR))


def removed_count(total: int, sparsity: float) -> int:
    """Return floor(total * sparsity) in exact decimal arithmetic."""
    check_sparsity(sparsity)
    exact = Decimal(total) * Decimal(repr(float(sparsity)))
    return int(exact.to_integral_value(rounding=ROUND_FLOOR))


def keep_top(scores: Mapping[str, Tensor], keep: int) -> dict[str, Tensor]:
    """Keep exactly the ``keep`` highest scores over all tensors together.

    Ties are broken by position: the earlier tensor, then the lower flat index, is kept.

    Args:
        scores: a tensor of scores per name, higher = keep, any floating dtype.
        keep: how many entries survive, between 0 and the number of scores.

    Returns:
        A bool mask per name with the shape of its scores and ``keep`` entries set in all.

    Raises:
        UserError: a score is not a number, or ``keep`` is out of range.
    """
    flat = torch.cat([score.detach().flatten() for score in scores.values()]).cpu()
    if not 0 <= keep <= flat.numel():
        raise UserError(f"keep: must lie in [0, {flat.numel()}], found {keep}")
    if torch.isnan(flat).any():
        bad = [name for name, score in scores.items() if torch.isnan(score).any()]
        raise UserError(f"scores: not a number in {', '.join(bad)}")
    chosen = torch.zeros(flat.numel(), dtype=torch.bool)
    if keep == flat.numel():
        chosen[:] = True
    elif keep > 0:
        threshold = torch.kthvalue(flat, flat.numel() - keep + 1).values
        chosen = flat > threshold
        ties = (flat == threshold).nonzero().flatten()
        chosen[ties[: keep - int(chosen.sum())]] = True
    sizes = [score.numel() for score in scores.values()]
    return {
        name: part.view(score.shape).clone()
        for (name, score), part in zip(scores.items(), chosen.split(sizes), strict=True)
    }


def keep_top_with_ties(scores: Mapping[str, Tensor], keep: int) -> dict[str, Tensor]:
    """Keep every score that is at least the ``keep``-th highest one, so more where it ties.

    Args:
        scores: as for :func:`keep_top`.
        keep: how many entries survive at least; with 0 none does.

    Raises:
        UserError: as :func:`keep_top`.
    """
    masks = keep_top(scores, keep)
    if keep == 0:
        return masks
    lowest = min(float(scores[name][mask].min()) for name, mask in masks.items() if mask.any())
    return {name: (score >= lowest).cpu() for name, score in scores.items()}


def keep_above(scores: Mapping[str, Tensor], remove: int) -> dict[str, Tensor]:
    """Keep every score above the ``remove``-th lowest one, so fewer where that one ties.

    It is the rule of ToST's code: a threshold, and whatever does not exceed it goes.

    Args:
        scores: as for :func:`keep_top`.
        remove: how many entries go at least; with 0 none does.

    Raises:
        UserError: as :func:`keep_top`.
    """
    total = sum(score.numel() for score in scores.values())
    masks = keep_top(scores, total - remove)
    if remove in (0, total):
        return masks
    gone = torch.stack(
        [scores[name][~mask].max() for name, mask in masks.items() if not mask.all()]
    )
    highest = float(gone.max())
    return {name: (score > highest).cpu() for name, score in scores.items()}
