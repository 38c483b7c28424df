"""Weight rescale: what makes up for the variance that a mask takes away (spec 2.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from common.masks import Rescale


class SmartRescale(Rescale):
    """Smart rescale: one learned factor a layer, W_eff = s W m, first 1."""

    def __init__(self) -> None:
        super().__init__()
        self.factor_parameter = nn.Parameter(torch.ones(()))

    def forward(self, weight: Tensor, mask: Tensor) -> Tensor:
        """Return s W m."""
        return self.factor_parameter * (weight * mask)

    def factor(self, selected: Tensor) -> float:
        """Return s."""
        return float(self.factor_parameter.detach())


class DynamicRescale(Rescale):
    """Dynamic weight rescale of Zhou et al.: W_eff = (N / sum(m)) W m, at every forward pass.

    The gradient flows through the sum, too. A mask without a single 1 is not scaled.
    """

    def forward(self, weight: Tensor, mask: Tensor) -> Tensor:
        """Return (N / sum(m)) W m."""
        return weight * mask * (mask.numel() / mask.sum().clamp(min=1.0))

    def factor(self, selected: Tensor) -> float:
        """Return N over the number of selected weights."""
        return selected.numel() / max(1, int(selected.sum()))
