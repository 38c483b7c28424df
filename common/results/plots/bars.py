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
    mixture_text,
    panel_keys,
)
from common.results.plots.style import Look, looks
from common.results.reported import at_our_sparsity, comparable, snap
from common.results.spec import Bars

_HEIGHT = 3.0
_TOTAL = 0.84  # of the room between two groups
_WIDEST = 15.0  # inches of a figure with reported bars
_LABEL = 38  # characters of an axis label on one line
_HATCH = "////"


def draw_bars(request: Request) -> Figure | None:
    """Draw a :class:`Bars`, or return None where it has no run."""
    plot = request.plot
    assert isinstance(plot, Bars)
    runs = finished(request.runs, plot.metric)
    if not len(runs):
        return None
    keys = panel_keys(request, runs, (*plot.groups, plot.bars))
    groups = ordered_keys(request.paper, plot.groups, runs)
    lines = looks(request.values(plot.bars), *request.orders([plot.bars]))
    shown = {value: look for value, look in lines.items() if (runs[plot.bars] == value).any()}
    theirs = _reported(request, plot, runs, [*keys, *plot.groups, plot.bars])
    parts = _parts(plot, theirs, [*keys, *plot.groups, plot.bars])
    width = max(3.4, 0.9 + len(groups) * (0.35 + 0.3 * len(shown) * (1 + 0.4 * (parts - 1))))
    widest = math.inf if parts == 1 else max(_WIDEST, width)
    grid = make_grid(request, runs, keys, (width, _HEIGHT), widest)
    counts: list[int] = []
    drawn = False
    for key, axes in grid.panels.items():
        mine = rows_of(runs, keys, key)
        beside = rows_of(theirs, keys, key) if len(theirs) else theirs
        counts += _draw_panel(request, plot, axes, mine, beside, shown, parts)
        _value_axis(plot, axes, [*mine[plot.metric], *beside["value"]])
        drawn |= _draw_reported(request, plot, axes, mine, beside, shown, parts)
    handles: list[Any] = [
        Patch(facecolor=look.colour, alpha=0.75, label=show(request.paper, value))
        for value, look in shown.items()
    ]
    seed: dict[str, Any] = {"marker": "o", "ls": "none", "color": "black", "ms": 3}
    handles.append(Line2D([], [], label="one seed", **seed))
    if drawn and plot.show_reported == "bars":
        handles.append(Patch(fc="white", ec="black", hatch=_HATCH, label="reported"))
    elif drawn:
        style: dict[str, Any] = {"marker": "D", "mfc": "white", "mec": "black", "ls": "none"}
        handles.append(Line2D([], [], label="reported", **style))
    spread = "Mean and 95 % t-interval, " if max(counts) > 1 else ""
    sentences = [f"{spread}{counts_text(counts)}"]
    mixture = mixture_text(runs, [*keys, *plot.groups, plot.bars])
    finish(grid, request, handles, [*sentences, *([mixture] if mixture else [])])
    return grid.figure


def _reported(
    request: Request, plot: Bars, runs: pd.DataFrame, columns: Sequence[str]
) -> pd.DataFrame:
    """Return the reported numbers that have a place in the plot."""
    theirs = request.reported_rows(plot.reported_name, columns)
    theirs = snap(theirs, runs["sparsity"].dropna().unique())
    if "sparsity" not in columns:
        return theirs
    return at_our_sparsity(theirs, comparable(runs, request.paper.reported_protocol))


def _parts(plot: Bars, theirs: pd.DataFrame, columns: Sequence[str]) -> int:
    """Return how many bars stand side by side for one value: ours and those reported."""
    if plot.show_reported != "bars" or not len(theirs):
        return 1
    return 1 + int(theirs.groupby(list(columns), dropna=False).size().max())


def _places(
    request: Request,
    plot: Bars,
    runs: pd.DataFrame,
    theirs: pd.DataFrame,
    shown: dict[Any, Look],
) -> dict:
    """Return the middle of every bar of a panel, (group, bar) -> x; a group stands at its tick."""
    groups = ordered_keys(request.paper, plot.groups, runs)
    width = _TOTAL / len(shown)
    places = {}
    for number, group in enumerate(groups):
        mine = rows_of(runs, plot.groups, group)
        beside = rows_of(theirs, plot.groups, group) if len(theirs) else theirs
        there = {*mine[plot.bars], *(beside[plot.bars] if len(beside) else ())}
        values = [value for value in shown if value in there]
        for i, value in enumerate(values):
            places[group, value] = number + (i - (len(values) - 1) / 2) * width
    return places


def _draw_panel(
    request: Request,
    plot: Bars,
    axes: Axes,
    runs: pd.DataFrame,
    theirs: pd.DataFrame,
    shown: dict[Any, Look],
    parts: int,
) -> list[int]:
    """Draw the bars of one panel; return how many seeds each one has."""
    places = _places(request, plot, runs, theirs, shown)
    width = 0.92 * _TOTAL / len(shown) / parts
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
        x -= width * (parts - 1) / 2  # noqa: PLW2901 - ours is the first of its parts
        counts.append(int(row["n"]))
        axes.bar(x, row["mean"], width, color=look.colour, alpha=0.75, gid="ours")
        if row["n"] > 1:
            half = (row["ci_high"] - row["ci_low"]) / 2
            axes.errorbar(x, row["mean"], half, fmt="none", ecolor="black", elinewidth=1)
        dots = rows_of(seeds, columns, (*group, value))["value"].to_numpy()
        spread = [x + width * (0.5 * (i + 0.5) / len(dots) - 0.35) for i in range(len(dots))]
        axes.plot(spread, dots, "o", color="black", ms=2.6, zorder=5, gid="seed")
        _write_value(axes, x, f"{row['mean']:.{digits}f}", "white")
    groups = list(dict.fromkeys(group for group, _ in places))
    labels = [
        "\n".join(show_key(request.paper, k, v) for k, v in zip(plot.groups, group))
        for group in groups
    ]
    axes.set_xticks(range(len(groups)) if plot.groups else [], labels if plot.groups else [])
    axes.grid(visible=False, axis="x")
    return counts


def _value_axis(plot: Bars, axes: Axes, values: Sequence[float]) -> None:
    """Start the axis at zero, or, where the bars would all look alike, say where it starts."""
    least, most = min(values), max(values)
    span = most - least
    label = metric_label(plot.metric)
    if least > 0 and 0 < span < most / 5:
        start = max(0.0, math.floor(least - 1.2 * max(span, most / 100)))
        axes.set_ylim(start, most + 0.35 * max(span, most / 100))
        label += f"; axis starts at {start:g}" if start else ""
    elif plot.metric.endswith("accuracy"):
        axes.set_ylim(0, min(105.0, 1.1 * max(most, 1.0)))
    axes.set_ylabel(label if len(label) <= _LABEL else label.replace("; ", "\n"))


def _write_value(axes: Axes, x: float, text: str, colour: str) -> None:
    """Write a value at the foot of its bar."""
    axes.annotate(
        text,
        (x, 0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=7,
        color=colour,
        fontweight="bold",
        rotation=90,
    )


def _draw_reported(
    request: Request,
    plot: Bars,
    axes: Axes,
    runs: pd.DataFrame,
    theirs: pd.DataFrame,
    shown: dict[Any, Look],
    parts: int,
) -> bool:
    """Draw the reported numbers of one panel, open; return whether there are any."""
    drawn = False
    columns = (*plot.groups, plot.bars)
    width = 0.92 * _TOTAL / len(shown)
    for (group, value), x in _places(request, plot, runs, theirs, shown).items():
        mine = rows_of(theirs, columns, (*group, value)) if len(theirs) else theirs
        for i, number in enumerate(mine["value"]):
            drawn = True
            if plot.show_reported == "bars":
                middle = x + (i + 1 - (parts - 1) / 2) * width / parts
                _draw_reported_bar(plot, axes, middle, number, width / parts, shown[value])
                continue
            style: dict[str, Any] = {
                "mfc": "white",
                "mec": shown[value].colour,
                "mew": 1.3,
                "ms": 6,
                "zorder": 6,
            }
            axes.plot(x + 0.33 * width, number, "D", gid="reported", **style)
    return drawn


def _draw_reported_bar(
    plot: Bars, axes: Axes, x: float, number: float, width: float, look: Look
) -> None:
    """Draw one reported number as a hatched bar with its value."""
    style: dict[str, Any] = {"fc": "white", "ec": look.colour, "lw": 0.9, "hatch": _HATCH}
    axes.bar(x, number, width, gid="reported", **style)
    _write_value(axes, x, f"{number:.{min(decimals(plot.metric), 1)}f}", "black")
    axes.texts[-1].set_bbox({"facecolor": "white", "lw": 0, "pad": 0.4})
