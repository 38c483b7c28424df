"""A metric against the epochs of a mask search, averaged over seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from common.results.curves import SeedCurves, has_curve, seed_curves, spread, spread_text
from common.results.naming import metric_label, ordered_keys, rows_of, show_line
from common.results.plots.axes import is_below, place
from common.results.plots.layout import (
    Grid,
    Request,
    counts_text,
    finish,
    make_grid,
    mixture_text,
    panel_keys,
)
from common.results.plots.style import Look, paired_looks
from common.results.spec import TrainingCurves

_PANEL = (3.6, 2.8)


def draw_curves(request: Request) -> Figure | None:
    """Draw a :class:`TrainingCurves`, or return None where no run has the curve."""
    plot = request.plot
    assert isinstance(plot, TrainingCurves)
    runs = request.runs
    runs = runs[runs["search_curves"].map(lambda c: has_curve(c, plot.metric)).astype(bool)]
    if not len(runs):
        return None
    keys = panel_keys(request, runs, plot.lines)
    lines = paired_looks(ordered_keys(request.paper, plot.lines, runs), request.orders(plot.lines))
    grid = make_grid(request, runs, keys, _PANEL)
    drawn: list[SeedCurves] = []
    for key, axes in grid.panels.items():
        mine = rows_of(runs, keys, key)
        for number, (value, look) in enumerate(lines.items()):
            these = rows_of(mine, plot.lines, value)
            if len(these):
                drawn.append(seed_curves(these, plot.metric))
                _draw_curve(axes, drawn[-1], look, number / len(lines))
    _label_axes(grid, keys, metric_label(plot.metric))
    handles: list[Any] = [
        Line2D(
            *([], []),
            color=look.colour,
            marker=look.marker,
            ls=look.dashes,
            label=show_line(request.paper, value),
        )
        for value, look in lines.items()
    ]
    if any(curve.ends for curve in drawn):
        style: dict[str, Any] = {"marker": "|", "ms": 9, "mew": 1.4, "ls": "none"}
        handles.append(Line2D([], [], color="black", label="a seed stopped here", **style))
    finish(grid, request, handles, _sentences(drawn, mixture_text(runs, (*keys, *plot.lines))))
    return grid.figure


def _draw_curve(axes: Axes, curve: SeedCurves, look: Look, phase: float) -> None:
    """Draw one mean with its band and the ends of seeds that stopped early.

    ``phase``, from 0 to 1, moves the markers along the curve, so that those of close curves do not
    hide each other.
    """
    x, mean = curve.epochs, curve.mean
    low, high = spread(curve.values)
    if not np.isnan(low).all():
        axes.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0, gid="band")
    marks = _marked(len(x), phase)
    style: dict[str, Any] = {"color": look.colour, "marker": look.marker, "ls": look.dashes}
    axes.plot(x, mean, markevery=marks, ms=4.5, zorder=4, gid="ours", **style)
    if curve.ends:
        ends = np.array(curve.ends)
        style = {"color": look.colour, "ls": "none", "marker": "|", "ms": 11, "mew": 1.6}
        axes.plot(x[ends], mean[ends], zorder=5, gid="stopped", **style)


def _marked(points: int, phase: float) -> list[int]:
    """Return which points of a curve carry its marker: all of a few, else about eight."""
    if points <= 8:
        return list(range(points))
    return sorted({round((i + phase) * (points - 1) / 8) for i in range(8)})


def _label_axes(grid: Grid, keys: list[str], label: str) -> None:
    """Name the axes at the grid's edge; panels of one data set have the same axes."""
    first = min(place(axes).colspan.start for axes in grid.panels.values())
    groups: dict[tuple, list[Axes]] = {}
    for key, axes in grid.panels.items():
        shared = tuple(v for k, v in zip(keys, key) if k == "dataset")
        groups.setdefault(shared, []).append(axes)
        if place(axes).colspan.start == first:
            axes.set_ylabel(label)
        if not any(is_below(other, axes) for other in grid.panels.values()):
            axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))
    for group in groups.values():
        x, y = ([f(axes) for axes in group] for f in (Axes.get_xlim, Axes.get_ylim))
        for axes in group:
            axes.set_xlim(min(low for low, _ in x), max(high for _, high in x))
            axes.set_ylim(min(low for low, _ in y), max(high for _, high in y))


def _sentences(drawn: list[SeedCurves], mixture: str) -> list[str]:
    """Return the sentences of the caption."""
    present = {int(n) for curve in drawn for n in (~np.isnan(curve.values)).sum(axis=0)}
    counts = [len(curve.values) for curve in drawn]
    mean = "Mean over seeds" if max(counts) > 1 else "One curve a run"
    band = spread_text(present)
    sentences = [", ".join(filter(None, [mean, band and f"band {band}", counts_text(counts)]))]
    if any(curve.ends for curve in drawn):
        sentences.append("Behind a tick the mean is over the seeds that are left")
    if any(curve.interpolated for curve in drawn):
        sentences.append("Straight lines between the epochs that a run noted")
    return [*sentences, *([mixture] if mixture else [])]
