"""The axes of plots against sparsity: which values they span and where their ticks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec

_LEAST_DENSITY = 1e-6


@dataclass(frozen=True)
class Limits:
    """The y axis: values below ``low`` are drawn at the foot with their value beside them."""

    low: float
    high: float


def axis_limits(
    heights: Sequence[float], intervals: Sequence[tuple[float, float, float]], percent: bool
) -> Limits:
    """Return limits that show the differences between the bulk of the points.

    A few values far below all others (collapsed networks) would flatten every curve; where a gap
    of more than ten points and one and a half times the others' range sets them apart, the axis
    ends above them.

    Args:
        heights: every value that has a mark.
        intervals: (low, mean, high) of the marks that have an interval.
        percent: the values are percentages; others are never set apart.
    """
    values, start = sorted(heights), 0
    for i in range(1, (len(values) + 1) // 2):
        gap, span = values[i] - values[i - 1], values[-1] - values[i]
        if percent and gap > max(10.0, 1.5 * span):
            start = i
    low, high = values[start], values[-1]
    span = max(high - low, 1.0 if percent else 1e-9)
    kept = [part for part in intervals if part[1] >= low and not math.isnan(part[0])]
    ends = [bound for part in kept for bound in (part[0], part[2])]
    low_end = max(min([low, *ends]), low - 0.5 * span)
    high_end = min(max([high, *ends]), high + 0.5 * span)
    pad = 0.06 * (high_end - low_end) or 0.5
    foot = 0.16 * (high_end - low_end) if start else 0.0
    return Limits(low_end - pad - foot, high_end + pad)


Feet = list[tuple[float, int]]
"""Where values are written at the foot of a panel: logarithm of x, and how far up."""


def at_foot(
    values: np.ndarray,
    x: np.ndarray,
    limits: Limits,
    feet: Feet,
    axes: Axes,
    near: float = 0.1,
) -> np.ndarray:
    """Return where to draw values: those below the axis at its foot, their value beside them.

    Values closer than ``near`` (decades of x) are written above one another.
    """
    heights = values.astype(float).copy()
    span = limits.high - limits.low
    for i, value in enumerate(values):
        if value >= limits.low:
            continue
        column = math.log10(x[i])
        taken = {level for other, level in feet if abs(other - column) < near}
        level = min(set(range(len(taken) + 1)) - taken)
        feet.append((column, level))
        heights[i] = limits.low + span * (0.03 + 0.11 * level)
        axes.annotate(
            f"{value:.1f} ↓",
            (x[i], heights[i]),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
            bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.6},
            zorder=7,
            gid="below",
        )
    return heights


def remaining(sparsity: pd.Series) -> np.ndarray:
    """Return the weights that remain, in percent."""
    return 100 * np.maximum(1 - sparsity.to_numpy(dtype=float), _LEAST_DENSITY)


def sparsity_axis(
    axes: Axes, densities: Sequence[float], at: Sequence[float] | None = None
) -> None:
    """Make x the remaining weights, falling to the right, with ticks where there are points.

    Args:
        axes: the panel.
        densities: the remaining weights (percent) of the points, descending.
        at: where ticks may be; None for all of ``densities``.
    """
    axes.set_xscale("log")
    most, least = densities[0], densities[-1]
    room = max(math.log10(most / least), 0.3)
    axes.set_xlim(most * 10 ** (0.07 * room), least / 10 ** (0.07 * room))
    ticks = _every_tick(densities, room) if at is None else _some_ticks(at or densities, room)
    axes.set_xticks(ticks, [_tick_label(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def pruned_axis(axes: Axes, densities: Sequence[float], at: Sequence[float] | None = None) -> None:
    """Make x what is pruned, in percent, spaced by the logarithm of what remains.

    The levels of iterative pruning, which remove the same share every time, are then equally far
    apart. Arguments are those of :func:`sparsity_axis`; the greatest level always has a tick.
    """
    sparsity_axis(axes, densities, at)
    room = max(math.log10(densities[0] / densities[-1]), 0.3)
    levels = sorted(set(at or densities), reverse=True)
    ticks = levels[:1]
    for density in levels[1:]:
        if _have_room(ticks[-1], density, room):
            ticks.append(density)
    while len(ticks) > 1 and ticks[-1] != levels[-1]:
        if _have_room(ticks[-1], levels[-1], room):
            ticks.append(levels[-1])
        else:
            ticks.pop()
    axes.set_xticks(ticks, [_pruned_label(tick) for tick in ticks])


def _have_room(more: float, less: float, room: float) -> bool:
    """Return whether two densities are far enough apart for what is pruned to stand below both."""
    width = len(_pruned_label(more)) + len(_pruned_label(less))
    return math.log10(more / less) >= (0.009 * width + 0.014) * room


def _pruned_label(density: float) -> str:
    """Return what is pruned in percent with one decimal, or more where hardly any is left."""
    return f"{round(100 - density, max(1, -math.floor(math.log10(density)))):g}"


def _every_tick(densities: Sequence[float], room: float) -> list[float]:
    """Return those densities from the least on that have room for the longest label."""
    labels = [_tick_label(density) for density in densities]
    longest = max(len(line) for label in labels for line in label.split("\n"))
    ticks: list[float] = [min(densities)]
    for density in sorted(densities):
        if math.log10(density / ticks[-1]) >= (0.022 * longest + 0.01) * room:
            ticks.append(density)
    return ticks


def _some_ticks(densities: Sequence[float], room: float) -> list[float]:
    """Return those densities from the greatest on that have room for their own labels."""
    ticks: list[float] = []
    widths: list[int] = []
    for density in sorted(set(densities), reverse=True):
        width = max(len(line) for line in _tick_label(density).split("\n"))
        need = (0.014 * (width + widths[-1]) + 0.012) * room if ticks else 0.0
        if not ticks or math.log10(ticks[-1] / density) >= need:
            ticks.append(density)
            widths.append(width)
    return ticks


def in_two_lines(label: str, room: int) -> str:
    """Return an axis label, broken near its middle if it is longer than ``room`` characters."""
    gaps = [i for i, character in enumerate(label) if character == " "]
    if len(label) <= room or not gaps:
        return label
    middle = min(gaps, key=lambda i: abs(2 * i - len(label)))
    return f"{label[:middle]}\n{label[middle + 1 :]}"


def round_densities(densities: Sequence[float]) -> list[float]:
    """Return the round percentages (1, 2, 5 and so on) from the least to the most of some."""
    least, most = 0.98 * min(densities), 1.02 * max(densities)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    rounds = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [value for value in rounds if least <= value <= most]


def _tick_label(density: float) -> str:
    """Return sparsity and remaining weights with two significant digits of the latter."""
    decimals = max(0, 1 - math.floor(math.log10(density)))
    return f"{round(1 - density / 100, decimals + 2):g}\n{round(density, decimals):g} %"


def place(axes: Axes) -> SubplotSpec:
    """Return where in its grid an axes is."""
    spec = axes.get_subplotspec()
    assert spec is not None
    return spec


def is_below(axes: Axes, other: Axes) -> bool:
    """Return whether an axes is in the same column as another, further down."""
    mine, theirs = place(axes), place(other)
    return mine.colspan.start == theirs.colspan.start and mine.rowspan.start > theirs.rowspan.start
