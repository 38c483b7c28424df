"""Masks sampled by the straight-through Gumbel-Softmax, parametrised as the paper does (ASLP)."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from common.masks import Rescale, SampledMask

Parametrization = Literal["aslp", "naive", "logsigmoid"]

SMALLEST_UNIFORM = 1e-7
"""Uniform numbers are kept this far from 0 and 1, so that their logit is finite."""


class _StraightThrough(torch.autograd.Function):
    """Forward the hard (or soft) mask, backward the derivative y (1 - y) / tau of the soft one."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, noise: Tensor, tau: float, hard: bool) -> Tensor:
        shifted = torch.logit(noise, eps=SMALLEST_UNIFORM).add_(latent)
        selected = (shifted >= 0).to(latent.dtype) if hard else None
        soft = (shifted if tau == 1.0 else shifted.div_(tau)).sigmoid_()
        ctx.tau = tau
        ctx.save_for_backward(soft)
        return soft.clone() if selected is None else selected

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (soft,) = ctx.saved_tensors
        slope = (1 - soft).mul_(soft)
        if ctx.tau != 1.0:
            slope.div_(ctx.tau)
        return slope.mul_(grads[0]), None, None, None


def straight_through_gumbel(
    latent: Tensor, noise: Tensor, *, tau: float = 1.0, hard: bool = True
) -> Tensor:
    """Sample a mask by the straight-through Gumbel-Softmax with logits (latent, 0), spec 2.2.

    Only the difference of the two Gumbel variables matters, and that is one logistic variable
    L = logit(U): the mask is 1 where latent + L >= 0, so with probability sigma(latent) whatever
    ``tau`` is; the gradient is that of y = sigma((latent + L) / tau).

    Args:
        latent: any shape, float32.
        noise: U, uniform in [0, 1), of the latent's shape; kept 1e-7 from 0 and 1.
        tau: temperature.
        hard: False returns y itself.

    Returns:
        The mask: exactly 0 or 1, or y where ``hard`` is False.
    """
    mask: Tensor = _StraightThrough.apply(latent, noise, tau, hard)
    return mask


def literal_gumbel(
    latent: Tensor,
    noise: Tensor,
    *,
    tau: float = 1.0,
    hard: bool = True,
    stable: bool = False,
) -> Tensor:
    """Sample the same mask from the log-probabilities (log p, log(1 - p)) with p = sigma(latent).

    The parametrisation that the paper replaces, computed as it is written: 1 - p is exactly 0 in
    float32 from a latent of 17 on, and p from -89 on, so the gradient there is not a number. With
    ``stable`` the logarithms are computed by ``logsigmoid`` and all is well, at a higher cost.

    Arguments and result are those of :func:`straight_through_gumbel`.
    """
    if stable:
        difference = F.logsigmoid(latent) - F.logsigmoid(-latent)
    else:
        probability = torch.sigmoid(latent)
        difference = torch.log(probability) - torch.log(1 - probability)
    shifted = difference + torch.logit(noise, eps=SMALLEST_UNIFORM)
    soft = torch.sigmoid(shifted / tau)
    if not hard:
        return soft
    # Adding and subtracting would leave 1 + 6e-8 in place of 1; the values are set instead.
    return _keep_value((shifted.detach() >= 0).to(soft.dtype), soft)


def _keep_value(hard: Tensor, soft: Tensor) -> Tensor:
    """Return ``hard`` with the gradient of ``soft``."""
    mask: Tensor = _Replace.apply(soft, hard)
    return mask


class _Replace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, soft: Tensor, hard: Tensor) -> Tensor:
        return hard

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


class GumbelMask(SampledMask):
    """A sampled mask with the gradient of the straight-through Gumbel-Softmax (spec 2.2).

    Args:
        weight: the weight under the mask.
        first: first value of all latents.
        rescale: how the masked weight is scaled.
        threshold: a latent of at least this is selected in the end, so a tie is.
        tau: temperature; it changes the gradient, not the law of the mask.
        hard: False masks with the soft values.
        parametrization: how the logits are computed.
    """

    def __init__(
        self,
        weight: Tensor,
        *,
        first: float = 0.0,
        rescale: Rescale | None = None,
        threshold: float = 0.0,
        tau: float = 1.0,
        hard: bool = True,
        parametrization: Parametrization = "aslp",
    ) -> None:
        super().__init__(weight, first=first, rescale=rescale, threshold=threshold)
        self.tau, self.hard = tau, hard
        self.parametrization = parametrization

    def mask(self) -> Tensor:
        """Return a sampled mask."""
        if self.parametrization == "aslp":
            return straight_through_gumbel(self.latent, self.drawn(), tau=self.tau, hard=self.hard)
        stable = self.parametrization == "logsigmoid"
        return literal_gumbel(
            self.latent, self.drawn(), tau=self.tau, hard=self.hard, stable=stable
        )
