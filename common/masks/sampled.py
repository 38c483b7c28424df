"""A mask of independent random entries, each with a learned probability."""

from __future__ import annotations

import torch
from torch import Tensor

from common.masks.base import LearnedMask, Rescale


class SampledMask(LearnedMask):
    """A mask whose entries are 1 with probability sigma(latent), sampled at every forward.

    Subclasses say how gradients reach the latent.

    Args:
        weight: the weight under the mask.
        first: first value of all latents.
        rescale: how the masked weight is scaled.
        threshold: a latent of at least this is selected in the end, so a tie is.
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

    def selected(self) -> Tensor:
        """Return where the latent reaches the threshold."""
        return self.latent.detach() >= self.threshold

    def probability(self) -> Tensor:
        """Return sigma(latent)."""
        return torch.sigmoid(self.latent.detach())
