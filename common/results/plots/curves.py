"""Metrics against the epochs of a mask search, averaged over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from common.results.curves import SeedCurves, has_curve, seed_curves, spread, spread_text
from common.results.naming import metric_label, ordered_keys, rows_of, show, show_line
from common.results.plots.axes import is_below, place, round_densities
from common.results.plots.beside import (
    OWN_AXES,
    all_keys,
    beside_rows,
    join_limits,
    make_panels,
    on_our_axes,
    sentences_beside,
)
from common.results.plots.layout import Grid, Request, counts_text, finish, mixture_text
from common.results.plots.style import DASHES, Look, paired_looks
from common.results.reported import reported_epochs
from common.results.spec import DensityCurves, TrainingCurves

_PANEL = (3.6, 2.8)
_LEAST_DENSITY = 0.01  # percent; lower ones are drawn there

Values = dict[Axes, list[float]]


def draw_curves(request: Request) -> Figure | None:
    """Draw a :class:`TrainingCurves` or a :class:`DensityCurves`.

    Returns None where no run has the curve and no reported numbers are to be drawn alone.
    """
    plot = request.plot
    assert isinstance(plot, (TrainingCurves, DensityCurves))
    metrics = (plot.metric,) if isinstance(plot, TrainingCurves) else plot.metrics
    runs = _with_curves(request.runs, metrics)
    points = _reported_points(request, plot)
    if not len(runs) and not (request.alone and len(points)):
        return None
    grid, keys, theirs = make_panels(request, runs, points, plot.lines, _PANEL)
    names = (
        all_keys(request, plot.lines, points)
        if grid.reported
        else ordered_keys(request.paper, plot.lines, runs)
    )
    looks = paired_looks(names, request.orders(plot.lines))
    lines = {
        key: look
        for key, look in looks.items()
        if len(rows_of(runs, plot.lines, key)) or len(rows_of(points, plot.lines, key))
    }
    overlay = on_our_axes(request, points)
    drawn: list[SeedCurves] = []
    values: Values = {axes: [] for axes in grid.all_axes}
    for key, axes in grid.panels.items():
        mine = rows_of(runs, keys, key)
        for number, (value, look) in enumerate(lines.items()):
            for i, metric in enumerate(metrics):
                these = _with_curves(rows_of(mine, plot.lines, value), (metric,))
                if not len(these):
                    continue
                drawn.append(_shown(seed_curves(these, metric), plot))
                dashed = look if len(metrics) == 1 else replace(look, dashes=DASHES[i])
                _draw_curve(axes, drawn[-1], dashed, number / len(lines))
                values[axes] += drawn[-1].mean[~np.isnan(drawn[-1].mean)].tolist()
        if set(keys) <= set(overlay.columns):
            inside = rows_of(overlay, keys, key)
            _draw_points(axes, inside[inside["epoch"].notna()], plot, lines)
    for key, axes in grid.reported.items():
        inside = rows_of(points, theirs, key)
        _draw_points(axes, inside, plot, lines, joined=True)
        values[axes] += inside["value"].tolist()
    own_axes = _label_axes(grid, keys, plot, values)
    sentences = _sentences(drawn, mixture_text(runs, (*keys, *plot.lines))) if drawn else []
    sentences += sentences_beside(request, grid) + ([OWN_AXES] if own_axes else [])
    finish(grid, request, _handles(request, grid, lines, metrics, drawn, len(overlay)), sentences)
    return grid.figure


def _with_curves(runs: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the runs that have the curve of at least one metric."""
    there = runs["search_curves"].map(lambda c: any(has_curve(c, metric) for metric in metrics))
    return runs[there.astype(bool)]


def _shown(curve: SeedCurves, plot: TrainingCurves | DensityCurves) -> SeedCurves:
    """Return the curve as it is drawn: a sparsity as the percentage kept."""
    if isinstance(plot, TrainingCurves):
        return curve
    return replace(curve, values=np.maximum(100 * (1 - curve.values), _LEAST_DENSITY))


def _reported_points(request: Request, plot: TrainingCurves | DensityCurves) -> pd.DataFrame:
    """Return the reported numbers beside the plot with their ``epoch``, NaN for a level."""
    if isinstance(plot, DensityCurves):
        points = beside_rows(request, plot.reported_metric)
        points = points.assign(value=points["value"].clip(lower=_LEAST_DENSITY))
    else:
        points = beside_rows(request, plot.reported_name, f"{plot.metric}_pct")
    points = points.assign(epoch=reported_epochs(points))
    level = points["epoch"].isna()
    return points[~level] if isinstance(plot, DensityCurves) else points


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


def _draw_points(
    axes: Axes,
    rows: pd.DataFrame,
    plot: TrainingCurves | DensityCurves,
    lines: dict[tuple, Look],
    joined: bool = False,
) -> None:
    """Draw reported points as open markers, joined by a line in a panel of their own."""
    for key, look in lines.items():
        mine = rows_of(rows, plot.lines, key)
        points = mine[mine["epoch"].notna()].sort_values("epoch", kind="stable")
        style: dict[str, Any] = {"mfc": "white", "mec": look.colour, "ms": 4.5, "ls": "none"}
        if joined:
            dashes = DASHES[0] if isinstance(plot, DensityCurves) else look.dashes
            style |= {"ls": dashes, "color": look.colour, "lw": 1.1, "mew": 0.9, "ms": 4}
        if len(points):
            x, y = points["epoch"], points["value"]
            axes.plot(x, y, marker=look.marker, zorder=5, gid="reported", **style)
        for height in mine.loc[mine["epoch"].isna(), "value"]:
            style = {"color": look.colour, "ls": ":", "lw": 1.3, "zorder": 1.5}
            axes.axhline(height, gid="level", **style)


def _marked(points: int, phase: float) -> list[int]:
    """Return which points of a curve carry its marker: all of a few, else about eight."""
    if points <= 8:
        return list(range(points))
    return sorted({round((i + phase) * (points - 1) / 8) for i in range(8)})


def _label_axes(
    grid: Grid, keys: list[str], plot: TrainingCurves | DensityCurves, values: Values
) -> bool:
    """Scale and name the axes; panels of one data set have the same ones.

    A reported panel shares the y axis of its neighbour where this squeezes neither; return whether
    some do not.
    """
    density = isinstance(plot, DensityCurves)
    label = "weights kept (%, log scale)"
    if isinstance(plot, TrainingCurves):
        label = metric_label(plot.metric)
    first = min(place(axes).colspan.start for axes in grid.all_axes)
    groups: dict[tuple, list[Axes]] = {}
    for key, axes in grid.panels.items():
        shared = tuple(v for k, v in zip(keys, key) if k == "dataset")
        groups.setdefault(shared, []).append(axes)
    for axes in grid.all_axes:
        if density:
            axes.set_yscale("log")
        if place(axes).colspan.start == first:
            axes.set_ylabel(label)
        if not any(is_below(other, axes) for other in grid.all_axes):
            axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))
    for group in groups.values():
        _share(group, Axes.get_xlim, Axes.set_xlim)
        _share(group, Axes.get_ylim, Axes.set_ylim)
    logs = {axes: (np.log10(v) if density else np.array(v)).tolist() for axes, v in values.items()}
    joined = join_limits(grid, logs)
    for left, right in joined:
        mates = next(group for group in groups.values() if right in group)
        _share([left, *mates], Axes.get_ylim, Axes.set_ylim)
    for axes in grid.all_axes if density else ():
        ticks = round_densities(axes.get_ylim())
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_yticks([], minor=True)
    return len(joined) < len(grid.pairs)


def _share(group: Sequence[Axes], get: Any, put: Any) -> None:
    """Give all axes of a group the limits that hold each one's."""
    limits = [get(axes) for axes in group]
    for axes in group:
        put(axes, min(low for low, _ in limits), max(high for _, high in limits))


def _handles(
    request: Request,
    grid: Grid,
    lines: dict[tuple, Look],
    metrics: Sequence[str],
    drawn: Sequence[SeedCurves],
    overlaid: int,
) -> list[Any]:
    """Return what the legend explains."""
    plot, several = request.plot, len(metrics) > 1
    assert isinstance(plot, (TrainingCurves, DensityCurves))
    handles: list[Any] = [
        Line2D(
            *([], []),
            color=look.colour,
            marker=look.marker,
            ls=DASHES[0] if several else look.dashes,
            label=show_line(request.paper, value, plot.lines),
        )
        for value, look in lines.items()
    ]
    if several and drawn:
        for dashes, metric in zip(DASHES, metrics, strict=False):
            label = show(request.paper, metric)
            handles.append(Line2D([], [], color="black", ls=dashes, label=label))
    if any(curve.ends for curve in drawn):
        style: dict[str, Any] = {"marker": "|", "ms": 9, "mew": 1.4, "ls": "none"}
        handles.append(Line2D([], [], color="black", label="a seed stopped here", **style))
    if grid.reported or overlaid:
        style = {"marker": "o", "mfc": "white", "mec": "black", "ls": "none"}
        handles.append(Line2D([], [], label="reported", **style))
    if any(line.get_gid() == "level" for axes in grid.all_axes for line in axes.lines):
        handles.append(Line2D([], [], color="black", ls=":", label="reported level"))
    return handles


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
