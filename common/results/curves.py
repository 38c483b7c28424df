"""Averaging over seeds what runs noted epoch by epoch, where seeds stop at different epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from common.errors import UserError


@dataclass(frozen=True)
class SeedCurves:
    """One curve a seed on common epochs.

    Attributes:
        epochs: every epoch that some run noted, ascending.
        values: (seeds, epochs); NaN before a seed's first and after its last epoch.
        interpolated: some seed's value lies on a line between two epochs that it noted.
    """

    epochs: np.ndarray
    values: np.ndarray
    interpolated: bool

    @property
    def mean(self) -> np.ndarray:
        """Return the mean over the seeds that are there at each epoch."""
        return _mean(self.values)

    @property
    def ends(self) -> list[int]:
        """Return where in ``epochs`` a seed ends before the last epoch, ascending."""
        last = [int(np.flatnonzero(~np.isnan(row))[-1]) for row in self.values]
        return sorted({index for index in last if index < len(self.epochs) - 1})


@dataclass(frozen=True)
class Histograms:
    """Histograms averaged over seeds.

    Attributes:
        edges: (bins + 1,) the bins' ends.
        epochs: those of the run that went on for longest.
        fractions: (epochs, bins); every row is the mean over the seeds that are there.
        counts: (epochs,) how many seeds that are.
        interpolated: some seed's histogram is a mixture of two that it noted.
    """

    edges: np.ndarray
    epochs: np.ndarray
    fractions: np.ndarray
    counts: np.ndarray
    interpolated: bool


def has_curve(curves: dict[str, Any], metric: str) -> bool:
    """Return whether a run's curves have a value of a metric."""
    return any(value is not None and value == value for value in curves.get(metric, ()))  # noqa: PLR0124 - NaN


def seed_curves(runs: pd.DataFrame, metric: str) -> SeedCurves:
    """Bring the curves of some runs, all with the metric, to common epochs.

    Runs may note different epochs (long ones note fewer in between); between two of its epochs a
    run's curve is a straight line. Runs of one seed are averaged first.
    """
    noted = []
    for curves in runs["search_curves"]:
        y = np.array([np.nan if v is None else v for v in curves[metric]], dtype=float)
        known = ~np.isnan(y)
        noted.append((np.asarray(curves["epoch"], dtype=float)[known], y[known]))
    epochs = np.unique(np.concatenate([x for x, _ in noted]))
    on_common = [np.interp(epochs, x, y, left=np.nan, right=np.nan) for x, y in noted]
    seeds = runs["seed"].to_numpy()
    values = np.stack(
        [
            _mean(np.stack([y for y, s in zip(on_common, seeds, strict=True) if s == seed]))
            for seed in np.unique(seeds)
        ]
    )
    return SeedCurves(epochs, values, any(_gaps(x, epochs) for x, _ in noted))


def mean_histograms(runs: pd.DataFrame) -> Histograms:
    """Average the selection probabilities of some runs, all of which have them.

    Raises:
        UserError: the runs' bins differ.
    """
    noted = runs["selection_probability"].tolist()
    edges = np.asarray(noted[0]["edges"], dtype=float)
    for run, one in zip(runs["run"], noted, strict=True):
        if len(one["edges"]) != len(edges) or not np.allclose(one["edges"], edges):
            raise UserError(
                f"search.selection_probability.edges of run {run!r} differ from those of "
                f"{runs['run'].iloc[0]!r}, with which it would be averaged"
            )
    epochs = np.asarray(max((one["epoch"] for one in noted), key=lambda e: e[-1]), dtype=float)
    seeds = runs["seed"].to_numpy()
    on_common: dict[int, list[np.ndarray]] = {}
    for seed, one in zip(seeds, noted, strict=True):
        rows = np.asarray(one["fractions"], dtype=float)
        bins = [np.interp(epochs, one["epoch"], bin_, left=np.nan, right=np.nan) for bin_ in rows.T]
        on_common.setdefault(int(seed), []).append(np.stack(bins, axis=1))
    values = np.stack([_mean(np.stack(group)) for group in on_common.values()])
    counts = (~np.isnan(values[:, :, 0])).sum(axis=0)
    interpolated = any(_gaps(np.asarray(one["epoch"], dtype=float), epochs) for one in noted)
    return Histograms(edges, epochs, _mean(values), counts, interpolated)


def spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the band around a mean over seeds.

    Args:
        values: (seeds, points), NaN where a seed has none.

    Returns:
        Low and high ends: mean -+ standard deviation (ddof 1) where three seeds or more are there,
        the lowest and highest of two, NaN for one.
    """
    there = ~np.isnan(values)
    count, mean = there.sum(axis=0), _mean(values)
    squares = np.where(there, (values - mean) ** 2, 0.0).sum(axis=0)
    std = np.sqrt(squares / np.maximum(count - 1, 1))
    lowest = np.where(there, values, np.inf).min(axis=0)
    highest = np.where(there, values, -np.inf).max(axis=0)
    low = np.where(count >= 3, mean - std, lowest)
    high = np.where(count >= 3, mean + std, highest)
    return np.where(count > 1, low, np.nan), np.where(count > 1, high, np.nan)


def spread_text(seeds: set[int]) -> str:
    """Return what the bands of :func:`spread` are, given the numbers of seeds they are over."""
    if max(seeds, default=0) < 2:
        return ""
    if max(seeds) < 3:
        return "from the lowest to the highest seed"
    return "± standard deviation" + (" (lowest to highest for two seeds)" if 2 in seeds else "")


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean along the first axis over what is there; NaN where nothing is."""
    count = (~np.isnan(values)).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def _gaps(mine: np.ndarray, epochs: np.ndarray) -> bool:
    """Return whether there are epochs between a run's first and last that it did not note."""
    inside = epochs[(epochs >= mine[0]) & (epochs <= mine[-1])]
    return bool((~np.isin(inside, mine)).any())
