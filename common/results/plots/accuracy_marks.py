"""The marks of a plot of a metric against sparsity: curves, baseline, legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from common.results.naming import show, show_line
from common.results.plots.layout import Request
from common.results.plots.style import GREY, Look
from common.results.spec import AccuracyVsSparsity
from common.results.statistics import summarise

SOURCE_MARKERS = ("", "D", "*", "h")
"""Of reported numbers; the first source has the curve's own marker, but open."""

Lines = Mapping[tuple, Look]


def draw_line(axes: Axes, x: np.ndarray, y: np.ndarray, half: np.ndarray, look: Look) -> None:
    """Draw one of our curves: filled markers with intervals."""
    axes.plot(x, y, color=look.colour, marker=look.marker, ls=look.dashes, zorder=4, gid="ours")
    known = ~np.isnan(half)
    if known.any():
        axes.errorbar(
            *(x[known], y[known], half[known]),
            fmt="none",
            ecolor=look.colour,
            elinewidth=1.0,
            alpha=0.75,
            zorder=3.5,
        )


def draw_band(axes: Axes, x: np.ndarray, y: np.ndarray, half: np.ndarray, look: Look) -> None:
    """Draw one of our curves of many points: small filled markers, a band around their line."""
    style: dict[str, Any] = {"color": look.colour, "marker": look.marker, "ls": look.dashes}
    axes.plot(x, y, ms=3.6, lw=1.3, zorder=4, gid="ours", **style)
    if not np.isnan(half).all():
        axes.fill_between(
            *(x, y - half, y + half), color=look.colour, alpha=0.2, lw=0, zorder=2, gid="band"
        )


def draw_reported(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    look: Look,
    marker: str,
    size: float | None,
    thin: bool = False,
) -> None:
    """Draw reported numbers as open markers of a size in points; without one, as a curve.

    A ``thin`` curve is one that shares its axes with ours.
    """
    style: dict[str, Any] = {"mfc": "white", "mec": look.colour, "marker": marker}
    if size is None:
        style |= {"ls": look.dashes, "color": look.colour, "lw": 1.1, "mew": 0.9, "ms": 4}
        style["zorder"] = 4
        style |= {"lw": 0.7, "ms": 3.6, "mew": 0.8, "zorder": 3} if thin else {}
    else:
        style |= {"ls": "none", "mew": 1.2 if size > 6 else 1.0, "ms": size, "zorder": 3}
    axes.plot(x, y, gid="reported", **style)


def draw_crosses(
    axes: Axes, x: np.ndarray, y: np.ndarray, marked: np.ndarray, crowded: bool
) -> None:
    """Cross out the points at chance level, with small crosses where there are many."""
    cross: dict[str, Any] = {"ms": 4, "mew": 0.8} if crowded else {"ms": 8, "mew": 1.3}
    if marked.any():
        axes.plot(x[marked], y[marked], "x", color="black", zorder=6, gid="chance", **cross)


def draw_baseline(axes: Axes, values: Sequence[float], by_std: bool = False) -> None:
    """Draw the dense network as a line with the band of its interval (or standard deviation)."""
    numbers = summarise(values)
    axes.axhline(numbers.mean, color=GREY, lw=1.0, zorder=1.5, gid="baseline")
    if numbers.n > 1:
        low, high = numbers.low, numbers.high
        if by_std:
            low, high = numbers.mean - numbers.std, numbers.mean + numbers.std
        axes.axhspan(low, high, color=GREY, alpha=0.18, lw=0, zorder=1)


def legend_handles(
    request: Request,
    lines: Lines,
    sources: Sequence[str],
    baselines: tuple[bool, bool],
    chance: bool,
) -> list[Any]:
    """Return what the legend explains.

    Args:
        request: the plot.
        lines: the curves that are there.
        sources: who reports the numbers that are there.
        baselines: whether ours and whether a reported one is there.
        chance: whether a run is at chance level.
    """
    plot = request.plot
    assert isinstance(plot, AccuracyVsSparsity)
    handles: list[Any] = [
        Line2D(
            *([], []),
            color=k.colour,
            marker=k.marker,
            ls=k.dashes,
            label=show_line(request.paper, v),
        )
        for v, k in lines.items()
    ]
    if baselines[0]:
        name = show(request.paper, plot.baseline)
        spread = "± standard deviation" if plot.in_pruned else "95 % interval"
        handles.append(Patch(facecolor=GREY, alpha=0.35, label=f"{name} ({spread})"))
    if baselines[1]:
        label = f"{show(request.paper, plot.baseline)}, reported"
        handles.append(Line2D([], [], color=GREY, lw=1.0, ls=":", label=label))
    for number, source in enumerate(sources):
        marker = SOURCE_MARKERS[number % len(SOURCE_MARKERS)] or "o"
        label = f"reported ({source})" if source else "reported"
        look: dict[str, Any] = {"marker": marker, "mfc": "white", "mec": "black", "ls": "none"}
        handles.append(Line2D([], [], label=label, **look))
    if chance:
        label = "some run at chance level"
        handles.append(Line2D([], [], color="black", marker="x", ls="none", ms=8, label=label))
    return handles
