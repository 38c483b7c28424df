"""Supermasks (Zhou et al., arXiv:1905.01067): Bernoulli masks, trained straight-through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from common.masks import SampledMask


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


class SupermaskMask(SampledMask):
    """A sampled mask with the gradient of its probability (spec 2.5)."""

    def mask(self) -> Tensor:
        """Return a sampled mask."""
        return straight_through_bernoulli(self.latent, self.drawn())
