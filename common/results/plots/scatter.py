"""One metric against another, cell by cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from common.results.cells import by_seed, finished
from common.results.datasets import chance_percent
from common.results.naming import metric_label, rows_of, same, show, show_key, sort_key
from common.results.plots.axes import is_below, place
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
from common.results.plots.style import GREY, MARKERS, Look, paired_looks
from common.results.reported import levels
from common.results.spec import Scatter

_PANEL = (3.6, 3.4)
_OTHER = "."
_RASTERISED = 400  # seeds of a panel from which on they are pixels in vector graphics
_NAMES = ("method", "variant", "dataset", "architecture", "label")

Marks = Mapping[tuple, str]


def draw_scatter(request: Request) -> Figure | None:
    """Draw a :class:`Scatter`, or return None where it has nothing to show."""
    plot = request.plot
    assert isinstance(plot, Scatter)
    runs = finished(finished(request.runs, plot.x), plot.y)
    runs = runs[runs["method"] != "dense"]
    points = reported_points(request, plot)
    if not len(runs) and not (request.alone and len(points)):
        return None
    points = levels(points, runs["sparsity"].dropna().unique(), request.paper.sparsity_tolerance)
    columns = list(dict.fromkeys((plot.colours, *plot.markers, "method", "variant", "sparsity")))
    grid, keys, theirs = make_panels(request, runs, points, columns, _PANEL)
    names = all_keys(request, (plot.colours,), points, leave_out="dense")
    colours = paired_looks(names, request.orders([plot.colours]))
    marks = _marks(request, runs, points, plot.markers)
    overlay = on_our_axes(request, points)
    shown: dict[Axes, pd.DataFrame] = {}
    counts: list[int] = []
    dots = False
    for key, axes in grid.panels.items():
        mine = rows_of(runs, keys, key)
        seeds = _seeds(mine, columns, plot)
        cells = seeds.groupby(columns, dropna=False, sort=True)[["x", "y"]].mean().reset_index()
        sizes = seeds.groupby(columns, dropna=False).size()
        counts += sizes.tolist()
        if sizes.max() > 1:
            dots = True
            _draw_seeds(axes, seeds, plot, colours)
        _draw_cells(axes, cells, plot, colours, marks, is_open=False)
        shown[axes] = cells
        if set(keys) <= set(overlay.columns):
            inside = rows_of(overlay, keys, key)
            _draw_cells(axes, inside, plot, colours, marks, is_open=True)
            shown[axes] = pd.concat([cells, inside])
        shown[axes] = pd.concat([shown[axes], seeds])
        _draw_chance(axes, plot, mine["chance"])
    for key, axes in grid.reported.items():
        shown[axes] = rows_of(points, theirs, key)
        _draw_cells(axes, shown[axes], plot, colours, marks, is_open=True)
        chances = (chance_percent(dataset, {}) for dataset in shown[axes]["dataset"])
        _draw_chance(axes, plot, chances)
    own_axes = _scale(grid, plot, shown)
    inside = pd.concat(shown.values())
    handles = _handles(
        request, inside, colours, marks, dots, bool(grid.reported) or len(overlay) > 0
    )
    sentences = [f"Mean over seeds, {counts_text(counts)}"] if counts else []
    sentences += sentences_beside(request, grid) + ([OWN_AXES] if own_axes else [])
    mixture = mixture_text(runs, [*keys, *columns]) if counts else ""
    finish(grid, request, handles, [*sentences, *([mixture] if mixture else [])])
    return grid.figure


def reported_points(request: Request, plot: Scatter) -> pd.DataFrame:
    """Return the reported points: the columns of reported numbers with ``x`` and ``y``.

    Numbers of one experiment are joined first; what is left is joined across experiments.
    """
    names = plot.reported_names
    rows = beside_rows(request, *names)
    rows = rows[rows["method"] != "dense"]
    x, y = (rows[rows["metric"] == name].rename_axis("row").reset_index() for name in names)
    found = []
    for by in (["experiment", *_NAMES], list(_NAMES)):
        both = x.merge(y, on=by, suffixes=("", "_y"))
        gap = (both["sparsity"] - both["sparsity_y"]).abs()
        room = request.paper.sparsity_tolerance * (1 - both["sparsity"]) + 5e-5
        both = both.assign(gap=gap.fillna(0.0))[(gap <= room) | both["sparsity"].isna()]
        both = both.sort_values("gap", kind="stable")
        both = both.drop_duplicates("row").drop_duplicates("row_y")
        found.append(both)
        x, y = x[~x["row"].isin(both["row"])], y[~y["row"].isin(both["row_y"])]
    points = pd.concat(found).sort_values("row", ignore_index=True)
    return points.assign(x=points["value"], y=points["value_y"])


def _seeds(runs: pd.DataFrame, columns: Sequence[str], plot: Scatter) -> pd.DataFrame:
    """Return one row a cell and seed with its ``x`` and ``y``."""
    x, y = (by_seed(runs, columns, metric) for metric in (plot.x, plot.y))
    return x.rename(columns={"value": "x"}).assign(y=y["value"])


def _marks(
    request: Request, runs: pd.DataFrame, points: pd.DataFrame, columns: Sequence[str]
) -> dict[tuple, str]:
    """Return the marker of every value tuple; the rarest of too many share a small one."""
    ours = Counter(_keys(runs, columns))
    theirs = Counter(_keys(points, columns))
    every = [*ours, *(key for key in theirs if key not in ours)]
    every.sort(key=lambda key: [sort_key(request.paper, c, v) for c, v in zip(columns, key)])
    own = every
    if len(every) > len(MARKERS):
        own = sorted(every, key=lambda key: (key not in ours, -ours[key] - theirs[key]))
        own = [key for key in every if key in own[: len(MARKERS) - 1]]
    return {key: MARKERS[own.index(key)] if key in own else _OTHER for key in every}


def _keys(rows: pd.DataFrame, columns: Sequence[str]) -> list[tuple]:
    """Return the values of some columns row by row, None for missing ones."""
    if not len(rows):
        return []
    found = rows[list(columns)].itertuples(index=False, name=None)
    return [tuple(None if same(value, None) else value for value in key) for key in found]


def _draw_cells(
    axes: Axes,
    cells: pd.DataFrame,
    plot: Scatter,
    colours: Mapping[tuple, Look],
    marks: Marks,
    is_open: bool,
) -> None:
    """Draw one marker a cell, open ones for reported numbers."""
    if not len(cells):
        return
    keys = list(zip(cells[plot.colours], _keys(cells, plot.markers), strict=True))
    for colour, mark in dict.fromkeys(keys):
        rows = cells[[key == (colour, mark) for key in keys]]
        look = colours[colour,]
        style: dict[str, Any] = {"color": look.colour, "zorder": 4, "gid": "ours"}
        if is_open:
            style |= {"mfc": "none", "mew": 1.2, "gid": "reported", "zorder": 5}
        style["ms"] = 6.5 if marks[mark] != _OTHER else 8
        axes.plot(rows["x"], rows["y"], ls="none", marker=marks[mark], **style)


def _draw_seeds(
    axes: Axes, seeds: pd.DataFrame, plot: Scatter, colours: Mapping[tuple, Look]
) -> None:
    """Draw one faint dot a seed."""
    for colour, rows in seeds.groupby(plot.colours, sort=True):
        style: dict[str, Any] = {"color": colours[colour,].colour, "ms": 3.2, "alpha": 0.4}
        style |= {"mew": 0, "zorder": 3, "rasterized": len(seeds) > _RASTERISED}
        axes.plot(rows["x"], rows["y"], "o", gid="seed", **style)


def _draw_chance(axes: Axes, plot: Scatter, levels: Iterable[float]) -> None:
    """Draw the accuracy of guessing on the axes that are accuracies."""
    for level in sorted({value for value in levels if value == value}):  # noqa: PLR0124 - NaN
        for metric, line in ((plot.x, axes.axvline), (plot.y, axes.axhline)):
            if metric.endswith("accuracy"):
                line(level, color=GREY, lw=0.9, ls=":", zorder=1.5, gid="chance")


def _scale(grid: Grid, plot: Scatter, shown: Mapping[Axes, pd.DataFrame]) -> bool:
    """Set the limits and draw the diagonal; return whether neighbours have axes of their own."""
    alike = plot.x.endswith("accuracy") and plot.y.endswith("accuracy")
    values = {
        axes: [*rows["x"], *rows["y"]] if alike else list(rows["y"]) for axes, rows in shown.items()
    }
    joined = join_limits(grid, values)
    mates = {axes: [axes] for axes in shown}
    for pair in joined:
        for axes in pair:
            mates[axes] = pair
    first = min(place(axes).colspan.start for axes in shown)
    for axes in shown:
        y_limits = _limits([v for mate in mates[axes] for v in values[mate]], alike)
        x_limits = y_limits if alike else _limits(shown[axes]["x"], percent=False)
        axes.set_xlim(*x_limits)
        axes.set_ylim(*y_limits)
        if alike:
            axes.plot(y_limits, y_limits, color=GREY, ls="--", lw=0.9, zorder=1.5, gid="diagonal")
        if place(axes).colspan.start == first:
            axes.set_ylabel(metric_label(plot.y))
        if not any(is_below(other, axes) for other in shown):
            axes.set_xlabel(metric_label(plot.x))
    return len(joined) < len(grid.pairs)


def _limits(values: Iterable[float], percent: bool) -> tuple[float, float]:
    """Return limits with some room around the values; percentages stay near 0 to 100."""
    numbers = np.fromiter(values, dtype=float)
    room = 0.06 * max(float(np.ptp(numbers)), 1.0 if percent else 1e-9)
    low, high = float(numbers.min()) - room, float(numbers.max()) + room
    return (max(low, -1.0), min(high, 102.0)) if percent else (low, high)


def _handles(
    request: Request,
    cells: pd.DataFrame,
    colours: Mapping[tuple, Look],
    marks: Marks,
    dots: bool,
    reported: bool,
) -> list[Any]:
    """Return what the legend explains: colours, then markers in grey, then the lines."""
    plot = request.plot
    assert isinstance(plot, Scatter)
    plain: dict[str, Any] = {"ls": "none", "ms": 6.5}
    handles: list[Any] = [
        Line2D([], [], color=look.colour, marker="o", label=show(request.paper, value), **plain)
        for (value,), look in colours.items()
        if (cells[plot.colours] == value).any()
    ]
    there = set(_keys(cells, plot.markers))
    several = [
        name for i, name in enumerate(plot.markers) if len({key[i] for key in there}) > 1
    ] or list(plot.markers[-1:])
    for key, mark in marks.items():
        if mark == _OTHER or key not in there:
            continue
        parts = [show_key(request.paper, n, v) for n, v in zip(plot.markers, key) if n in several]
        handles.append(Line2D([], [], color=GREY, marker=mark, label=", ".join(parts), **plain))
    if any(marks[key] == _OTHER for key in there):
        names = ", ".join(show(request.paper, name) for name in several)
        style: dict[str, Any] = {"ls": "none", "ms": 8, "marker": _OTHER}
        handles.append(Line2D([], [], color=GREY, label=f"other {names}", **style))
    if dots:
        style = {"ls": "none", "ms": 3.2, "alpha": 0.5, "mew": 0}
        handles.append(Line2D([], [], color="black", marker="o", label="one seed", **style))
    if reported:
        style = {"ls": "none", "ms": 6.5, "mfc": "white", "mec": "black"}
        handles.append(Line2D([], [], marker="o", label="reported", **style))
    if plot.x.endswith("accuracy") and plot.y.endswith("accuracy"):
        handles.append(Line2D([], [], color=GREY, ls="--", lw=0.9, label="equal accuracies"))
    if plot.x.endswith("accuracy") or plot.y.endswith("accuracy"):
        handles.append(Line2D([], [], color=GREY, ls=":", lw=0.9, label="chance level"))
    return handles
