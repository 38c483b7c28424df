"""A metric against sparsity, with intervals, the dense baseline and reported numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from common.results.cells import by_seed, finished, summarise_cells
from common.results.naming import metric_label, rows_of, show
from common.results.plots.axes import (
    Limits,
    at_foot,
    axis_limits,
    is_below,
    place,
    remaining,
    sparsity_axis,
)
from common.results.plots.layout import (
    Grid,
    Request,
    counts_text,
    finish,
    make_grid,
    panel_keys,
)
from common.results.plots.style import GREY, Look, looks
from common.results.reported import snap
from common.results.spec import AccuracyVsSparsity
from common.results.statistics import summarise

_PANEL = (3.5, 2.75)
_SOURCE_MARKERS = ("", "D", "*", "h")  # the first source has the line's own marker, but open


@dataclass(frozen=True)
class _Panel:
    """What one panel shows: our cells, the reported numbers and the baseline's seeds."""

    axes: Axes
    cells: pd.DataFrame
    reported: pd.DataFrame
    baseline: tuple[float, ...]
    reported_baseline: tuple[float, ...]

    @property
    def heights(self) -> list[float]:
        """Return every value that has a mark in the panel."""
        values = [*self.cells["mean"], *self.reported["value"], *self.baseline]
        values += self.reported_baseline
        return [value for value in values if not math.isnan(value)]

    @property
    def intervals(self) -> list[tuple[float, float, float]]:
        """Return low end, mean and high end of every interval."""
        return list(self.cells[["ci_low", "mean", "ci_high"]].itertuples(index=False, name=None))


def draw_accuracy(request: Request) -> Figure | None:
    """Draw an :class:`AccuracyVsSparsity`, or return None where it has no run."""
    plot = request.plot
    assert isinstance(plot, AccuracyVsSparsity)
    runs = finished(request.runs, plot.metric)
    runs = runs[runs["method"] != plot.baseline]
    if not len(runs):
        return None
    keys = panel_keys(request, runs, (plot.lines, "sparsity"))
    runs = _with_found_sparsity(runs, [*keys, plot.lines])
    grid = make_grid(request, runs, keys, _PANEL)
    lines = looks(
        request.values(plot.lines, leave_out=plot.baseline), *request.orders([plot.lines])
    )
    panels = _panels(request, plot, grid, runs, keys)
    sources = sorted({label for panel in panels.values() for label in panel.reported["label"]})
    _draw_panels(request, plot, grid, panels, lines, keys, sources)
    shown = {value for p in panels.values() for value in p.cells[plot.lines]}
    handles = _handles(request, {k: v for k, v in lines.items() if k in shown}, sources, panels)
    counts = [n for panel in panels.values() for n in panel.cells["n"]]
    sentences = [f"Mean and 95 % t-interval, {counts_text(counts)}"]
    if any(text.get_gid() == "below" for panel in panels.values() for text in panel.axes.texts):
        sentences.append("An arrow marks a value below the axis")
    finish(grid, request, handles, sentences)
    return grid.figure


def _with_found_sparsity(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Put the mean sparsity of the tickets where the method was given no target."""
    found = runs.groupby(list(keys), dropna=False)["ticket_sparsity"].transform("mean")
    return runs.assign(sparsity=runs["sparsity"].fillna(found.round(4)))


def _panels(
    request: Request, plot: AccuracyVsSparsity, grid: Grid, runs: pd.DataFrame, keys: list[str]
) -> dict[tuple, _Panel]:
    """Collect what every panel shows."""
    theirs = request.reported_rows(plot.reported_name, (*keys, plot.lines))
    theirs = theirs[theirs["sparsity"].notna() & (theirs["method"] != plot.baseline)]
    theirs = snap(theirs, runs["sparsity"].dropna().unique())
    their_dense = request.reported_baseline(plot.baseline, plot.reported_name)
    dense = finished(request.baseline(plot.baseline), plot.metric)
    shared = [key for key in keys if key not in ("method", "variant", "experiment")]
    panels = {}
    for key, axes in grid.panels.items():
        inside = rows_of(runs, keys, key)
        mine, reported_dense = _of_same_task(dense, inside), _of_same_task(their_dense, inside)
        where = [value for name, value in zip(keys, key) if name in shared]
        mine = rows_of(mine, shared, where)
        cells = summarise_cells(inside, [plot.lines, "sparsity"], plot.metric)
        panels[key] = _Panel(
            axes,
            cells[cells["n"] > 0],
            rows_of(theirs, keys, key) if len(theirs) else theirs,
            tuple(by_seed(mine, [], plot.metric)["value"]) if len(mine) else (),
            tuple(reported_dense["value"]),
        )
    return panels


def _of_same_task(rows: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return those rows that have a data set and an architecture of the runs."""
    keep = rows["dataset"].isin(runs["dataset"]) & rows["architecture"].isin(runs["architecture"])
    return rows[keep]


def _draw_panels(
    request: Request,
    plot: AccuracyVsSparsity,
    grid: Grid,
    panels: dict[tuple, _Panel],
    lines: dict[Any, Look],
    keys: list[str],
    sources: Sequence[str],
) -> None:
    """Draw all panels; those of one data set and architecture share their y axis."""
    densities = sorted({d for panel in panels.values() for d in _densities(panel)}, reverse=True)
    dodge = 0.018 * max(math.log10(densities[0] / densities[-1]), 0.3)
    groups: dict[tuple, list[_Panel]] = {}
    for key, panel in panels.items():
        shared = tuple(v for k, v in zip(keys, key) if k in ("dataset", "architecture"))
        groups.setdefault(shared, []).append(panel)
    for group in groups.values():
        heights = [height for panel in group for height in panel.heights]
        intervals = [part for panel in group for part in panel.intervals]
        limits = axis_limits(heights, intervals, percent=plot.metric.endswith("accuracy"))
        for panel in group:
            _draw_panel(plot, panel, lines, limits, sources, dodge)
    first = min(place(axes).colspan.start for axes in grid.panels.values())
    for panel in panels.values():
        sparsity_axis(panel.axes, densities)
        if place(panel.axes).colspan.start == first:
            panel.axes.set_ylabel(metric_label(plot.metric))
        if not any(is_below(axes, panel.axes) for axes in grid.panels.values()):
            panel.axes.set_xlabel("sparsity / weights remaining (log scale)")


def _draw_panel(
    plot: AccuracyVsSparsity,
    panel: _Panel,
    lines: dict[Any, Look],
    limits: Limits,
    sources: Sequence[str],
    dodge: float,
) -> None:
    """Draw the curves, the reported numbers and the baseline of one panel."""
    axes = panel.axes
    axes.set_ylim(limits.low, limits.high)
    if panel.baseline:
        _draw_baseline(axes, panel.baseline)
    for height in panel.reported_baseline:
        axes.axhline(height, color=GREY, lw=1.0, ls=":", zorder=1.5, gid="reported_baseline")
    feet: dict[float, int] = {}
    present = [value for value in lines if (panel.cells[plot.lines] == value).any()]
    for i, value in enumerate(present):
        cells = panel.cells[panel.cells[plot.lines] == value]
        cells = cells.sort_values("sparsity", kind="stable")
        shift = 10 ** (dodge * ((len(present) - 1) / 2 - i))
        x = remaining(cells["sparsity"]) * shift
        y = at_foot(cells["mean"].to_numpy(), x, limits, feet, axes)
        half = np.where(y == cells["mean"], (cells["ci_high"] - cells["ci_low"]) / 2, np.nan)
        _draw_line(axes, x, y, half, lines[value])
        marked = cells["at_chance"].to_numpy(dtype=bool)
        if marked.any():
            axes.plot(
                *(x[marked], y[marked], "x"), color="black", ms=8, mew=1.3, zorder=6, gid="chance"
            )
        _draw_reported(plot, panel, value, lines[value], shift, sources, limits, feet)
    for value in [value for value in lines if value not in present]:
        _draw_reported(plot, panel, value, lines[value], 1.0, sources, limits, feet)


def _draw_reported(
    plot: AccuracyVsSparsity,
    panel: _Panel,
    value: Any,
    look: Look,
    shift: float,
    sources: Sequence[str],
    limits: Limits,
    feet: dict[float, int],
) -> None:
    """Draw the reported numbers of one curve as open markers, one shape a source."""
    mine = panel.reported[panel.reported[plot.lines] == value]
    for source, theirs in mine.groupby("label", sort=True):
        number = sources.index(str(source)) % len(_SOURCE_MARKERS)
        marker = _SOURCE_MARKERS[number] or look.marker
        x = remaining(theirs["sparsity"]) * shift
        y = at_foot(theirs["value"].to_numpy(), x, limits, feet, panel.axes)
        style: dict[str, Any] = {"mfc": "white", "mec": look.colour, "mew": 1.2, "ms": 7.5}
        panel.axes.plot(x, y, ls="none", marker=marker, zorder=3, gid="reported", **style)


def _draw_line(axes: Axes, x: np.ndarray, y: np.ndarray, half: np.ndarray, look: Look) -> None:
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


def _draw_baseline(axes: Axes, values: Sequence[float]) -> None:
    """Draw the dense network as a line with the band of its interval."""
    numbers = summarise(values)
    axes.axhline(numbers.mean, color=GREY, lw=1.0, zorder=1.5, gid="baseline")
    if numbers.n > 1:
        axes.axhspan(numbers.low, numbers.high, color=GREY, alpha=0.18, lw=0, zorder=1)


def _densities(panel: _Panel) -> list[float]:
    """Return the remaining weights (percent) at which a panel has points."""
    both = pd.concat([panel.cells["sparsity"], panel.reported["sparsity"].astype(float)])
    return [float(value) for value in np.round(remaining(both), 6)]


def _handles(
    request: Request,
    lines: dict[Any, Look],
    sources: Sequence[str],
    panels: dict[tuple, _Panel],
) -> list[Any]:
    """Return what the legend explains."""
    plot = request.plot
    assert isinstance(plot, AccuracyVsSparsity)
    handles: list[Any] = [
        Line2D([], [], color=k.colour, marker=k.marker, ls=k.dashes, label=show(request.paper, v))
        for v, k in lines.items()
    ]
    if any(panel.baseline for panel in panels.values()):
        name = show(request.paper, plot.baseline)
        handles.append(Patch(facecolor=GREY, alpha=0.35, label=f"{name} (95 % interval)"))
    if any(panel.reported_baseline for panel in panels.values()):
        label = f"{show(request.paper, plot.baseline)}, reported"
        handles.append(Line2D([], [], color=GREY, lw=1.0, ls=":", label=label))
    for number, source in enumerate(sources):
        marker = _SOURCE_MARKERS[number % len(_SOURCE_MARKERS)] or "o"
        label = f"reported ({source})" if source else "reported"
        look: dict[str, Any] = {"marker": marker, "mfc": "white", "mec": "black", "ls": "none"}
        handles.append(Line2D([], [], label=label, **look))
    if any(panel.cells["at_chance"].any() for panel in panels.values()):
        label = "some run at chance level"
        handles.append(Line2D([], [], color="black", marker="x", ls="none", ms=8, label=label))
    return handles
