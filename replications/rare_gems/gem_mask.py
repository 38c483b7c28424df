"""The mask of Gem-Miner and of the hypercube search: scores in [0, 1], rounded at a threshold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from common.masks import LearnedMask

TicketMask = Literal["frozen", "rounded"]
ScoreInit = Literal["unif", "half", "bern", "skew", "bimodal", "all_one"]

SMALLEST_UNIFORM = 1e-7
"""Uniform numbers are kept this far from 0 and 1, so that their normal quantile is finite."""


def _beta(a: float, b: float) -> Callable[[torch.Size, torch.Generator], Tensor]:
    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        # PyTorch's beta distribution takes no generator.
        seed = int(torch.randint(2**62, (), generator=generator))
        values = np.random.default_rng(seed).beta(a, b, size=tuple(shape))
        return torch.from_numpy(values).float()

    return draw


SCORE_INITS: dict[str, Callable[[torch.Size, torch.Generator], Tensor]] = {
    "unif": lambda shape, generator: torch.rand(shape, generator=generator),
    "half": lambda shape, generator: torch.full(shape, 0.5),
    "bern": lambda shape, generator: torch.randint(2, shape, generator=generator).float(),
    "skew": _beta(1.0, 5.0),
    "bimodal": _beta(0.1, 0.1),
    "all_one": lambda shape, generator: torch.ones(shape),
}
"""First scores by name (spec 2.8), float32 on the CPU."""


class _Round(torch.autograd.Function):
    """Forward q * 1[p > t]; backward the rounding is the identity: dL/dp = q * dL/dm."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, active: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(active)
        return (scores > threshold).to(scores.dtype).mul_(active)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (active,) = ctx.saved_tensors
        return grads[0] * active, None, None


class GemMask(LearnedMask):
    """The mask q * 1[p > t] of scores p and a freeze mask q (spec 2.1), or q * p (spec 2.4).

    Args:
        weight: the weight under the mask.
        scores: first scores in [0, 1], of its shape.
        threshold: t; strict, a score of exactly t is rounded to 0.
        quantized: round in the search; False: the network of the search has the weights w * p.
        ticket: whether the found network keeps all that is not frozen (``frozen``), or of that
            only what is rounded to 1 (``rounded``).
        probabilistic: round to 1 with probability p, outside of the search.
        noise: standard deviation of Gaussian noise on the scores before they are rounded in the
            search.
        clamp_in_forward: no gradient where a score lies outside of [0, 1].

    Attributes:
        active: q, 1 where the weight is not frozen, else 0; of the weight's dtype.
        level: t, without dimensions; whoever drives the search may move it.
    """

    def __init__(
        self,
        weight: Tensor,
        scores: Tensor,
        *,
        threshold: float = 0.5,
        quantized: bool = True,
        ticket: TicketMask = "frozen",
        probabilistic: bool = False,
        noise: float = 0.0,
        clamp_in_forward: bool = False,
    ) -> None:
        super().__init__(weight, scores)
        self.active: Tensor
        self.level: Tensor
        self.register_buffer("active", torch.ones_like(weight))
        self.register_buffer("level", weight.new_tensor(threshold))
        self.quantized, self.ticket = quantized, ticket
        self.probabilistic, self.deviation = probabilistic, noise
        self.clamp_in_forward = clamp_in_forward
        self.is_random = probabilistic or noise > 0
        self.is_relaxed = not quantized or self.is_random

    def mask(self) -> Tensor:
        """Return the mask of the search, straight-through."""
        scores = self.latent.clamp(0.0, 1.0) if self.clamp_in_forward else self.latent
        if not self.quantized:
            return scores * self.active
        if self.deviation:
            uniform = self.drawn().clamp(SMALLEST_UNIFORM, 1 - SMALLEST_UNIFORM)
            normal = torch.erfinv(2 * uniform - 1) * math.sqrt(2.0)
            scores = scores + self.deviation * normal
        mask: Tensor = _Round.apply(scores, self.active, self.level)
        return mask

    def rounded(self) -> Tensor:
        """Return where the weight is active and its score rounded to 1."""
        scores, active = self.latent.detach(), self.active.bool()
        return active & (self.drawn() < scores if self.probabilistic else scores > self.level)

    def selected(self) -> Tensor:
        """Return the mask of the ticket; a weight that does not count is dense in it."""
        whole = self.ticket == "frozen" or not self.counted
        return self.active.bool() if whole else self.rounded()

    def probability(self) -> Tensor | None:
        """Return p where rounding is random."""
        return self.latent.detach() * self.active if self.probabilistic else None

    @torch.no_grad()
    def freeze(self, active: Tensor) -> None:
        """Take over which weights stay active (bool)."""
        self.active.copy_(active)
