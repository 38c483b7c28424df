"""Supermasks (Zhou et al., arXiv:1905.01067): Bernoulli masks, trained straight-through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from common.masks import LearnedMask, Rescale


class _Bernoulli(torch.autograd.Function):
    """Forward U < sigma(latent), backward sigma's derivative p (1 - p)."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, noise: Tensor) -> Tensor:
        probability = torch.sigmoid(latent)
        ctx.save_for_backward(probability)
        return (noise < probability).to(latent.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (probability,) = ctx.saved_tensors
        return (1 - probability).mul_(probability).mul_(grads[0]), None


def straight_through_bernoulli(latent: Tensor, noise: Tensor) -> Tensor:
    """Sample b ~ Bernoulli(p), p = sigma(latent), with the gradient of p (spec 2.5).

    Args:
        latent: any shape, float32.
        noise: uniform in [0, 1), of the latent's shape.

    Returns:
        A mask of exact zeros and ones.
    """
    mask: Tensor = _Bernoulli.apply(latent, noise)
    return mask


class SupermaskMask(LearnedMask):
    """A mask whose entries are 1 with probability sigma(latent), sampled at every forward.

    Args:
        weight: the weight under the mask.
        first: first value of all latents.
        rescale: how the masked weight is scaled.
        threshold: a latent of at least this is selected in the pruned network.
    """

    is_random = True

    def __init__(
        self,
        weight: Tensor,
        *,
        first: float = 0.0,
        rescale: Rescale | None = None,
        threshold: float = 0.0,
    ) -> None:
        super().__init__(weight, torch.full_like(weight, first), rescale)
        self.threshold = threshold

    def mask(self) -> Tensor:
        """Return a sampled mask."""
        return straight_through_bernoulli(self.latent, self.drawn())

    def selected(self) -> Tensor:
        """Return where the latent reaches the threshold."""
        return self.latent.detach() >= self.threshold

    def probability(self) -> Tensor:
        """Return sigma(latent)."""
        return torch.sigmoid(self.latent.detach())
