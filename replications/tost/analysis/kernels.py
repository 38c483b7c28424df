"""Filters of convolutions: how much of each is removed, and how many are all but empty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import hypergeom
from torch import Tensor

from replications.tost.analysis.levels import Level


@dataclass(frozen=True)
class FilterCounts:
    """The filters of one layer: a filter is what makes one output channel.

    Attributes:
        layer: name of the layer's weight.
        removed: (filters,) int64, removed weights of every filter.
        size: weights of a filter.
    """

    layer: str
    removed: Tensor
    size: int

    @property
    def rates(self) -> np.ndarray:
        """Return the fraction of every filter's weights that is removed, float64."""
        rates: np.ndarray = self.removed.numpy() / self.size
        return rates

    def zero_kernels(self, threshold: float) -> int:
        """Return the number of filters of whose weights more than a fraction is removed."""
        return int((self.rates > threshold).sum())

    def by_chance(self, threshold: float) -> float:
        """Return the expected number if the layer's mask were permuted at random."""
        total = len(self.removed) * self.size
        # The most removed weights with which a filter does not count yet.
        most = np.flatnonzero(np.arange(self.size + 1) / self.size <= threshold)[-1]
        tail = hypergeom.sf(most, total, int(self.removed.sum()), self.size)
        return len(self.removed) * float(tail)


def filter_counts(level: Level, names: Sequence[str]) -> list[FilterCounts]:
    """Return the filters of some convolutions, layer by layer."""
    counts = []
    for name in names:
        flat = level.removed[name].flatten(1)
        counts.append(FilterCounts(name, flat.sum(1), flat.shape[1]))
    return counts


@dataclass(frozen=True)
class Strengths:
    """Count, mean magnitude and standard deviation of kept weights; not a number where none is."""

    kept: int
    mean_abs: float
    std: float


def strengths(level: Level, names: Sequence[str]) -> Strengths:
    """Return the statistics of the kept weights of some layers together."""
    kept = torch.cat([level.weights[name][~level.removed[name]].double() for name in names])
    if not len(kept):
        return Strengths(0, math.nan, math.nan)
    return Strengths(len(kept), float(kept.abs().mean()), float(kept.std(correction=0)))


GRIDS: dict[int, tuple[tuple[int, int], bool]] = {
    4800: ((60, 80), True),
    8512: ((112, 76), False),
    26560: ((160, 166), False),
}
"""Filters of ResNet-18, -34 and -50 -> shape that the original gives their map, and whether it is
transposed."""


def kernel_map(alive: np.ndarray) -> np.ndarray:
    """Arrange filters as an image.

    Args:
        alive: (filters,) bool, in the order of layers.

    Returns:
        1 where a filter is alive, 0 where it is dead, and -1 where there is none: int8, of the
        original's shape for its networks, else the most square that holds all filters.
    """
    count = len(alive)
    (rows, columns), transposed = GRIDS.get(count, (square_grid(count), False))
    cells = np.full(rows * columns, -1, dtype=np.int8)
    cells[:count] = alive
    image = cells.reshape(rows, columns)
    return image.T if transposed else image


def square_grid(count: int) -> tuple[int, int]:
    """Return rows and columns of the most square grid with room for so many cells."""
    columns = math.isqrt(max(count, 1) - 1) + 1
    return -(-count // columns), columns


def rate_histogram(counts: Sequence[FilterCounts], bins: int) -> np.ndarray:
    """Count filters by their removed fraction, in bins of equal width over [0, 1].

    A bin holds its lower edge; the last one its upper edge, too. Whole numbers decide, so that a
    rate on an edge is never on the wrong side of it.
    """
    histogram = np.zeros(bins, dtype=np.int64)
    for layer in counts:
        places = np.minimum(layer.removed.numpy() * bins // layer.size, bins - 1)
        histogram += np.bincount(places, minlength=bins)
    return histogram
