"""Edge-popup (Ramanujan et al., arXiv:1911.13299): every layer keeps its largest scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from common.masks.base import LearnedMask
from common.masks.rule import SearchRule
from common.tickets import removed_count
from common.training import Row

Rule = Literal["rounded", "floor"]


def edge_popup_removed(total: int, sparsity: float, rule: Rule) -> int:
    """Return how many of a layer's weights are removed, ties apart.

    ``rounded``: round(sparsity * (total - 1)), halves to even, so at least one weight is kept. As
    in ASLP's code the product is that of a percentile, 0.01 * (100 * sparsity), whose last bit
    decides where it falls on a half. ``floor``: floor(sparsity * total) in exact decimal
    arithmetic, as the original code means it.
    """
    if rule == "rounded":
        return round(0.01 * (100 * sparsity) * (total - 1))
    return removed_count(total, sparsity)


def kth_smallest(values: Tensor, k: int) -> Tensor:
    """Return the ``k``-th smallest value (from 1) of all elements, a tensor without dimensions."""
    if values.device.type == "cpu":
        # A partition in numpy takes a fraction of the time of PyTorch's kthvalue.
        flat = values.detach().flatten().numpy()
        return torch.from_numpy(np.partition(flat, k - 1)[k - 1 : k]).squeeze(0)
    return values.detach().flatten().sort().values[k - 1]


class _StraightThrough(torch.autograd.Function):
    """Forward a given mask; backward dL/dt = dL/dm * sign(t)."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(scores)
        return mask.to(scores.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (scores,) = ctx.saved_tensors
        return grads[0] * scores.sign(), None


class EdgePopupMask(LearnedMask):
    """Keeps the weights of the largest absolute scores in its layer; ties are kept.

    Args:
        weight: the weight under the mask.
        scores: first scores, of its shape.
        sparsity: fraction of the layer's weights that is removed.
        rule: how the fraction becomes a number of weights, see ``edge_popup_removed``.
        invert: keep the weights of the smallest absolute scores, as a sanity check.
    """

    def __init__(
        self,
        weight: Tensor,
        scores: Tensor,
        sparsity: float,
        rule: Rule = "rounded",
        *,
        invert: bool = False,
    ) -> None:
        super().__init__(weight, scores)
        self.removed = edge_popup_removed(weight.numel(), sparsity, rule)
        self.invert = invert

    def mask(self) -> Tensor:
        """Return the mask of the present scores, straight-through."""
        mask: Tensor = _StraightThrough.apply(self.latent, self.selected())
        return mask

    def selected(self) -> Tensor:
        """Return where the absolute score is not below the smallest one that is kept."""
        scores = self.latent.detach().abs()
        if self.removed >= scores.numel():
            return torch.zeros_like(scores, dtype=torch.bool)
        if self.invert:
            return scores <= kth_smallest(scores, scores.numel() - self.removed)
        return scores >= kth_smallest(scores, self.removed + 1)


class GlobalEdgePopupMask(LearnedMask):
    """Keeps the weights whose absolute score exceeds a level that all layers share.

    Args:
        weight: the weight under the mask.
        scores: first scores, of its shape.
        invert: keep the weights whose absolute score is below the level, as a sanity check.

    Attributes:
        level: without dimensions; a ``GlobalEdgePopupRule`` moves it.
    """

    def __init__(self, weight: Tensor, scores: Tensor, *, invert: bool = False) -> None:
        super().__init__(weight, scores)
        self.level: Tensor
        self.register_buffer("level", weight.new_zeros(()))
        self.invert = invert

    def mask(self) -> Tensor:
        """Return the mask of the present scores, straight-through."""
        mask: Tensor = _StraightThrough.apply(self.latent, self.selected())
        return mask

    def selected(self) -> Tensor:
        """Return where the absolute score lies on the kept side of the level."""
        scores = self.latent.detach().abs()
        return scores < self.level if self.invert else scores > self.level


def gradual_fraction(sparsity: float, epochs: int, period: int, epoch: int) -> float:
    """Return the fraction removed in an epoch of gradual edge-popup (Rare Gems, spec 2.5).

    With n = floor((epochs - 1) / period) and p = 1 - (1 - sparsity)^(1 / n) it is p at first, and
    1 - (1 - p)^floor((e + 1) / period) after every epoch e > 0 that the period divides; never more
    than ``sparsity``.

    Args:
        sparsity: the fraction removed in the end.
        epochs: of the search.
        period: epochs between two steps, below ``epochs``.
        epoch: which one, from 0; ``epochs`` itself asks for the end.
    """
    steps = (epochs - 1) // period
    past = (epoch - 1) // period * period  # the last epoch that changed the fraction
    done = (past + 1) // period if past > 0 else 1
    return float(1.0 - (1.0 - sparsity) ** (min(max(done, 1), steps) / steps))


class GlobalEdgePopupRule(SearchRule):
    """Moves the level that all layers share to the k-th smallest absolute score, k = ceil(r N).

    Args:
        masks: all of them ``GlobalEdgePopupMask``.
        sparsity: r in the end.
        epochs: of the search.
        period: epochs between two steps of r; None: r is there from the first step on.
    """

    def __init__(
        self,
        masks: Mapping[str, LearnedMask],
        sparsity: float,
        *,
        epochs: int,
        period: int | None = None,
    ) -> None:
        super().__init__(masks)
        self._global = [m for m in masks.values() if isinstance(m, GlobalEdgePopupMask)]
        self._sparsity, self._epochs, self._period = sparsity, epochs, period
        self.fraction = 0.0
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Set the fraction that the epoch removes."""
        self.fraction = self._sparsity
        if self._period is not None and self._epochs:
            self.fraction = gradual_fraction(self._sparsity, self._epochs, self._period, epoch)
        self.before_forward()

    def close_epoch(self, epoch: int) -> Row:
        """Go on to the next epoch's fraction, so that the last one leaves the target."""
        self.begin_epoch(epoch + 1)
        return {}

    def end_epoch(self, epoch: int) -> Row:
        """Let the level follow the epoch's last step."""
        self.before_forward()
        return {}

    @torch.no_grad()
    def before_forward(self) -> None:
        """Let the level follow the scores."""
        scores = torch.cat([mask.latent.abs().flatten() for mask in self._global])
        count = scores.numel()
        k = min(math.ceil(self.fraction * count), count)
        if self._global[0].invert:
            level = kth_smallest(scores, count - k + 1) if k else scores.new_tensor(math.inf)
        else:
            level = kth_smallest(scores, k) if k else scores.new_tensor(-1.0)
        for mask in self._global:
            mask.level.copy_(level)
