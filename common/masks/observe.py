"""What there is to know about learned masks after an epoch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from common.masks.base import LearnedMask
from common.training import Row

BINS = 20
EDGES = tuple(index / BINS for index in range(BINS + 1))


@torch.no_grad()
def observe(masks: Mapping[str, LearnedMask]) -> Row:
    """Return the masks' statistics; the device is waited for, so once an epoch is often enough.

    Returns:
        ``sparsity``: fraction of the weights under a mask that the found network lacks;
        ``exact_zeros``: fraction of the latents that are exactly 0 (never moved, or tied);
        ``largest_latent``: largest absolute latent; ``layers``: for every weight its sparsity, its
        mean selection probability and its learned factor, as far as it has them; and
        ``selection_probability``: the fractions of all weights in 20 equal bins of [0, 1].
    """
    masks = {name: mask for name, mask in masks.items() if mask.counted}
    columns = {name: _count(mask) for name, mask in masks.items()}
    table = torch.stack([torch.cat([part.double() for part in row]) for row in columns.values()])
    total = sum(mask.size for mask in masks.values())
    layers: dict[str, dict[str, float]] = {}
    kept, zeros, largest = 0.0, 0.0, 0.0
    histogram = torch.zeros(BINS, dtype=torch.float64)
    for (name, mask), row in zip(masks.items(), table.cpu(), strict=True):
        size = mask.size
        kept, zeros = kept + float(row[0]), zeros + float(row[1])
        largest = max(largest, float(row[2]))
        layers[name] = {"sparsity": 1.0 - float(row[0]) / size}
        if mask.probability() is not None:
            layers[name]["mean_probability"] = float(row[3]) / size
            histogram += row[5:]
        if any(True for _ in mask.rescale.parameters()):
            layers[name]["factor"] = float(row[4])
    result: Row = {
        "sparsity": 1.0 - kept / total,
        "exact_zeros": zeros / total,
        "largest_latent": largest,
        "layers": layers,
    }
    if any(mask.probability() is not None for mask in masks.values()):
        result["selection_probability"] = (histogram / histogram.sum()).tolist()
    return result


def _count(mask: LearnedMask) -> list[Tensor]:
    """Return kept, zeros, largest latent, sum of probabilities, factor, and the histogram."""
    latent, probability = mask.latent.detach(), mask.probability()
    counts = latent.new_zeros(BINS)
    mean = latent.new_zeros(1)
    if probability is not None:
        counts = torch.histc(probability, BINS, 0.0, 1.0)
        mean = probability.double().sum().view(1)
    selected = mask.selected()
    return [
        selected.sum().view(1),
        (latent == 0).sum().view(1),
        latent.abs().max().view(1),
        mean,
        torch.tensor([mask.rescale.factor(selected)], device=latent.device),
        counts,
    ]
