"""Edge-popup (Ramanujan et al., arXiv:1911.13299): every layer keeps its largest scores."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from common.masks.base import LearnedMask
from common.tickets import removed_count

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
    """

    def __init__(
        self, weight: Tensor, scores: Tensor, sparsity: float, rule: Rule = "rounded"
    ) -> None:
        super().__init__(weight, scores)
        self.removed = edge_popup_removed(weight.numel(), sparsity, rule)

    def mask(self) -> Tensor:
        """Return the mask of the present scores, straight-through."""
        mask: Tensor = _StraightThrough.apply(self.latent, self.selected())
        return mask

    def selected(self) -> Tensor:
        """Return where the absolute score is not below the smallest one that is kept."""
        scores = self.latent.detach().abs()
        if self.removed >= scores.numel():
            return torch.zeros_like(scores, dtype=torch.bool)
        return scores >= kth_smallest(scores, self.removed + 1)
