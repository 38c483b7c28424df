"""Grouped bars with every seed as a dot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from common.results.cells import by_seed, finished, summarise_cells
from common.results.naming import decimals, metric_label, ordered_keys, rows_of, show, show_key
from common.results.plots.layout import (
    Request,
    counts_text,
    finish,
    make_grid,
    panel_keys,
)
from common.results.plots.style import Look, looks
from common.results.reported import snap
from common.results.spec import Bars

_HEIGHT = 3.0
_TOTAL = 0.84  # of the room between two groups


def draw_bars(request: Request) -> Figure | None:
    """Draw a :class:`Bars`, or return None where it has no run."""
    plot = request.plot
    assert isinstance(plot, Bars)
    runs = finished(request.runs, plot.metric)
    if not len(runs):
        return None
    keys = panel_keys(request, runs, (*plot.groups, plot.bars))
    groups = ordered_keys(request.paper, plot.groups, runs)
    lines = looks(request.values(plot.bars))
    shown = {value: look for value, look in lines.items() if (runs[plot.bars] == value).any()}
    width = max(3.4, 0.9 + len(groups) * (0.35 + 0.3 * len(shown)))
    grid = make_grid(request, runs, keys, (width, _HEIGHT))
    theirs = request.reported_rows(plot.reported_name, (*keys, *plot.groups, plot.bars))
    theirs = snap(theirs, runs["sparsity"].dropna().unique())
    counts: list[int] = []
    drawn = False
    for key, axes in grid.panels.items():
        mine = rows_of(runs, keys, key)
        beside = rows_of(theirs, keys, key) if len(theirs) else theirs
        counts += _draw_panel(request, plot, axes, mine, shown)
        _value_axis(plot, axes, [*mine[plot.metric], *beside["value"]])
        drawn |= _draw_reported(request, plot, axes, mine, beside, shown)
    handles: list[Any] = [
        Patch(facecolor=look.colour, alpha=0.75, label=show(request.paper, value))
        for value, look in shown.items()
    ]
    seed: dict[str, Any] = {"marker": "o", "ls": "none", "color": "black", "ms": 3}
    handles.append(Line2D([], [], label="one seed", **seed))
    if drawn:
        style: dict[str, Any] = {"marker": "D", "mfc": "white", "mec": "black", "ls": "none"}
        handles.append(Line2D([], [], label="reported", **style))
    finish(grid, request, handles, [f"Mean and 95 % t-interval, {counts_text(counts)}"])
    return grid.figure


def _places(request: Request, plot: Bars, runs: pd.DataFrame, shown: dict[Any, Look]) -> dict:
    """Return the middle of every bar: (group, bar) -> x."""
    groups = ordered_keys(request.paper, plot.groups, runs)
    width = _TOTAL / len(shown)
    return {
        (group, value): number + (i - (len(shown) - 1) / 2) * width
        for number, group in enumerate(groups)
        for i, value in enumerate(shown)
    }


def _draw_panel(
    request: Request, plot: Bars, axes: Axes, runs: pd.DataFrame, shown: dict[Any, Look]
) -> list[int]:
    """Draw the bars of one panel; return how many seeds each one has."""
    places = _places(request, plot, runs, shown)
    width = 0.92 * _TOTAL / len(shown)
    columns = (*plot.groups, plot.bars)
    cells = summarise_cells(runs, columns, plot.metric)
    seeds = by_seed(runs, columns, plot.metric)
    digits = min(decimals(plot.metric), 1)
    counts = []
    for (group, value), x in places.items():
        cell = rows_of(cells, columns, (*group, value))
        if not len(cell):
            continue
        row, look = cell.iloc[0], shown[value]
        counts.append(int(row["n"]))
        axes.bar(x, row["mean"], width, color=look.colour, alpha=0.75, gid="ours")
        if row["n"] > 1:
            half = (row["ci_high"] - row["ci_low"]) / 2
            axes.errorbar(x, row["mean"], half, fmt="none", ecolor="black", elinewidth=1)
        dots = rows_of(seeds, columns, (*group, value))["value"].to_numpy()
        spread = [x + width * (0.5 * (i + 0.5) / len(dots) - 0.35) for i in range(len(dots))]
        axes.plot(spread, dots, "o", color="black", ms=2.6, zorder=5, gid="seed")
        axes.annotate(
            f"{row['mean']:.{digits}f}",
            (x, 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
            color="white",
            fontweight="bold",
            rotation=90,
        )
    groups = list(dict.fromkeys(group for group, _ in places))
    labels = [
        "\n".join(show_key(request.paper, k, v) for k, v in zip(plot.groups, group))
        for group in groups
    ]
    axes.set_xticks(range(len(groups)), labels)
    axes.grid(visible=False, axis="x")
    return counts


def _value_axis(plot: Bars, axes: Axes, values: Sequence[float]) -> None:
    """Start the axis at zero, or, where the bars would all look alike, say where it starts."""
    least, most = min(values), max(values)
    span = most - least
    label = metric_label(plot.metric)
    if least > 0 and span < most / 5:
        start = max(0.0, math.floor(least - 1.2 * max(span, most / 100)))
        axes.set_ylim(start, most + 0.35 * max(span, most / 100))
        label += f"; axis starts at {start:g}" if start else ""
    elif plot.metric.endswith("accuracy"):
        axes.set_ylim(0, min(105.0, 1.1 * max(most, 1.0)))
    axes.set_ylabel(label)


def _draw_reported(
    request: Request,
    plot: Bars,
    axes: Axes,
    runs: pd.DataFrame,
    theirs: pd.DataFrame,
    shown: dict[Any, Look],
) -> bool:
    """Draw the reported numbers of one panel as open markers; return whether there are any."""
    drawn = False
    columns = (*plot.groups, plot.bars)
    width = 0.92 * _TOTAL / len(shown)
    for (group, value), x in _places(request, plot, runs, shown).items():
        mine = rows_of(theirs, columns, (*group, value)) if len(theirs) else theirs
        for number in mine["value"]:
            style: dict[str, Any] = {
                "mfc": "white",
                "mec": shown[value].colour,
                "mew": 1.3,
                "ms": 6,
                "zorder": 6,
            }
            axes.plot(x + 0.33 * width, number, "D", gid="reported", **style)
            drawn = True
    return drawn
