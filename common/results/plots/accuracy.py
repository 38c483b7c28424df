"""A metric against sparsity, with intervals, the dense baseline and reported numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from common.results.cells import finished
from common.results.naming import metric_label, rows_of
from common.results.plots.accuracy_marks import (
    SOURCE_MARKERS,
    Lines,
    draw_band,
    draw_baseline,
    draw_crosses,
    draw_line,
    draw_reported,
    legend_handles,
)
from common.results.plots.accuracy_panels import (
    Panel,
    densities_of,
    no_cells,
    of_same_task,
    our_panels,
    with_found_sparsity,
)
from common.results.plots.axes import (
    Feet,
    Limits,
    at_foot,
    axis_limits,
    in_two_lines,
    is_below,
    place,
    pruned_axis,
    remaining,
    round_densities,
    sparsity_axis,
)
from common.results.plots.beside import (
    OWN_AXES,
    all_keys,
    beside_rows,
    join_limits,
    make_panels,
    sentences_beside,
)
from common.results.plots.layout import Grid, Request, counts_text, finish
from common.results.plots.style import GREY, Look, paired_looks
from common.results.spec import AccuracyVsSparsity

_PANEL = (3.5, 2.75)
_WIDE_PANEL = (4.4, 3.0)  # of many levels of iterative pruning
_REMAINING = "sparsity / weights remaining (log scale)"
_PRUNED = "weights pruned (%; log scale of those remaining)"
_LABEL = 34  # characters of an axis label on one line
_MOST_APART = 6.2  # curves that stand side by side at their full distance
_MOST_LEVELS = 10  # densities at which curves stand side by side; more of them leave no room
_CROWD = 9  # more crosses in a panel are small ones
_NEAR = 0.35  # decades that a number at the foot of a reported panel needs
_MOST_FEET = 6  # numbers of one reported panel that are written at its foot


def draw_accuracy(request: Request) -> Figure | None:
    """Draw an :class:`AccuracyVsSparsity`, or return None where it has nothing to show."""
    plot = request.plot
    assert isinstance(plot, AccuracyVsSparsity)
    columns = plot.line_columns
    runs = finished(request.runs, plot.metric)
    runs = runs[runs["method"] != plot.baseline]
    beside = beside_rows(request, plot.reported_name)
    curves = beside[beside["sparsity"].notna() & (beside["method"] != plot.baseline)]
    if not len(runs) and not (request.alone and len(curves)):
        return None
    size = _WIDE_PANEL if plot.in_pruned else _PANEL
    grid, keys, theirs = make_panels(request, runs, curves, (*columns, "sparsity"), size)
    runs = with_found_sparsity(runs, [*keys, *columns])
    looks = paired_looks(all_keys(request, columns, curves, plot.baseline), request.orders(columns))
    panels = our_panels(request, plot, grid, runs, keys, curves)
    for key, axes in grid.reported.items():
        inside = rows_of(curves, theirs, key)
        dense = of_same_task(beside[beside["method"] == plot.baseline], inside)
        values = tuple(dense["value"])
        inside = inside.assign(sparsity=inside["printed_sparsity"])  # the paper's own curve
        panels[None, *key] = Panel(axes, no_cells(plot), inside, (), values, ours=False)
    everything = list(panels.values())
    sources = sorted({label for panel in everything for label in panel.reported["label"]})
    own_axes = _draw_panels(plot, grid, panels, looks, keys, sources)
    shown = {
        key: look
        for key, look in looks.items()
        if any(len(rows_of(panel.cells, columns, key)) for panel in everything)
        or any(len(rows_of(panel.reported, columns, key)) for panel in everything if not panel.ours)
    }
    baselines = (
        any(panel.baseline for panel in everything),
        any(panel.reported_baseline for panel in everything),
    )
    chance = any(panel.cells["at_chance"].any() for panel in everything)
    handles = legend_handles(request, shown, sources, baselines, chance)
    counts = [n for panel in everything for n in panel.cells["n"]]
    sentences = [_seeds_text(plot, counts)] if counts else []
    sentences += sentences_beside(request, grid) + ([OWN_AXES] if own_axes else [])
    if any(text.get_gid() == "below" for panel in everything for text in panel.axes.texts):
        sentences.append("An arrow marks a value below the axis")
    finish(grid, request, handles, sentences)
    return grid.figure


def _seeds_text(plot: AccuracyVsSparsity, counts: list[int]) -> str:
    """Return the caption's sentence on what is drawn of the seeds."""
    spread = "Mean and 95 % t-interval, "
    if plot.in_pruned:
        spread = "Mean ± standard deviation over seeds, " if max(counts) > 1 else ""
    return f"{spread}{counts_text(counts)}"


def _draw_panels(
    plot: AccuracyVsSparsity,
    grid: Grid,
    panels: dict[tuple, Panel],
    lines: Lines,
    keys: list[str],
    sources: Sequence[str],
) -> bool:
    """Draw all panels; those of one data set and architecture share their y axis.

    A reported panel shares that of its neighbour where this squeezes neither; return whether some
    do not.
    """
    ours = {key: panel for key, panel in panels.items() if panel.ours}
    theirs = {panel.axes: panel for panel in panels.values() if not panel.ours}
    densities = sorted({d for panel in ours.values() for d in densities_of(panel)}, reverse=True)
    dodge = 0.018 * max(math.log10(densities[0] / densities[-1]), 0.3) if densities else 0.0
    levels = {d for panel in ours.values() for d in np.round(remaining(panel.cells["sparsity"]), 6)}
    dodge = 0.0 if plot.in_pruned or len(levels) > _MOST_LEVELS else dodge
    groups: dict[tuple, list[Panel]] = {}
    for key, panel in ours.items():
        shared = tuple(v for k, v in zip(keys, key) if k in ("dataset", "architecture"))
        groups.setdefault(shared, []).append(panel)
    values = {panel.axes: panel.heights for panel in panels.values()}
    joined = join_limits(grid, values)
    for group in groups.values():
        own = {panel.axes for panel in group}
        group += [theirs[left] for left, right in joined if right in own]
    apart = [[panel] for axes, panel in theirs.items() if all(axes is not j[0] for j in joined)]
    for group in [*groups.values(), *apart]:
        heights = [height for panel in group for height in panel.heights]
        intervals = [part for panel in group for part in panel.intervals]
        # Where curves of iterative pruning fall is what they are drawn for: none is cut off.
        percent = plot.metric.endswith("accuracy") and not plot.in_pruned
        limits = axis_limits(heights, intervals, percent=percent)
        below = [sum(height < limits.low for height in panel.heights) for panel in group]
        if any(n > _MOST_FEET for n, panel in zip(below, group, strict=True) if not panel.ours):
            limits = axis_limits(heights, intervals, percent=False)
        for panel in group:
            _draw_panel(plot, panel, lines, limits, sources, dodge)
    _label_axes(plot, grid, panels, densities)
    return len(joined) < len(grid.pairs)


def _label_axes(
    plot: AccuracyVsSparsity, grid: Grid, panels: dict[tuple, Panel], densities: list[float]
) -> None:
    """Scale the x axes, the same for all panels of ours and for all reported ones."""
    first = min(place(axes).colspan.start for axes in grid.all_axes)
    theirs = {d for panel in panels.values() if not panel.ours for d in densities_of(panel)}
    ticks = None
    if (
        theirs or plot.in_pruned
    ):  # the ticks of ours are at our own points, however many are reported
        cells = [panel.cells["sparsity"] for panel in panels.values() if panel.ours]
        ticks = [float(d) for sparsity in cells for d in np.round(remaining(sparsity), 6)]
    for panel in panels.values():
        if plot.in_pruned:
            at = ticks if panel.ours else None
            pruned_axis(panel.axes, densities if panel.ours else sorted(theirs, reverse=True), at)
        elif panel.ours:
            sparsity_axis(panel.axes, densities, ticks)
        else:
            reported = sorted(theirs, reverse=True)
            sparsity_axis(panel.axes, reported, round_densities(reported))
        if place(panel.axes).colspan.start == first:
            panel.axes.set_ylabel(in_two_lines(metric_label(plot.metric), _LABEL))
        if not any(is_below(axes, panel.axes) for axes in grid.all_axes):
            panel.axes.set_xlabel(_PRUNED if plot.in_pruned else _REMAINING)


def _draw_panel(
    plot: AccuracyVsSparsity,
    panel: Panel,
    lines: Lines,
    limits: Limits,
    sources: Sequence[str],
    dodge: float,
) -> None:
    """Draw the curves, the reported numbers and the baseline of one panel."""
    axes = panel.axes
    axes.set_ylim(limits.low, limits.high)
    if panel.baseline:
        draw_baseline(axes, panel.baseline, by_std=plot.in_pruned)
    for height in panel.reported_baseline:
        axes.axhline(height, color=GREY, lw=1.0, ls=":", zorder=1.5, gid="reported_baseline")
    feet: Feet = []
    columns = plot.line_columns
    present = [value for value in lines if len(rows_of(panel.cells, columns, value))]
    step = dodge * min(1.0, _MOST_APART / max(len(present), 1))
    crowded = plot.in_pruned or panel.cells["at_chance"].sum() > _CROWD
    for i, value in enumerate(present):
        cells = rows_of(panel.cells, columns, value)
        cells = cells.sort_values("sparsity", kind="stable")
        shift = 10 ** (step * ((len(present) - 1) / 2 - i))
        x = remaining(cells["sparsity"]) * shift
        y = at_foot(cells["mean"].to_numpy(), x, limits, feet, axes)
        half = np.where(y == cells["mean"], (cells["high"] - cells["low"]) / 2, np.nan)
        if plot.in_pruned:
            draw_band(axes, x, y, half, lines[value])
        else:
            draw_line(axes, x, y, half, lines[value])
        draw_crosses(axes, x, y, cells["at_chance"].to_numpy(dtype=bool), crowded)
        _draw_reported(plot, panel, value, lines[value], shift, sources, limits, feet)
    for value in [value for value in lines if value not in present]:
        _draw_reported(plot, panel, value, lines[value], 1.0, sources, limits, feet)


def _draw_reported(
    plot: AccuracyVsSparsity,
    panel: Panel,
    value: tuple,
    look: Look,
    shift: float,
    sources: Sequence[str],
    limits: Limits,
    feet: Feet,
) -> None:
    """Draw the reported numbers of one curve as open markers, one shape a source.

    In a panel of their own they are joined by a line, on an axis of what is pruned by a thin one.
    """
    mine = rows_of(panel.reported, plot.line_columns, value)
    joined = plot.in_pruned or not panel.ours
    mine = mine.sort_values("sparsity", kind="stable") if joined else mine
    for source, theirs in mine.groupby("label", sort=True):
        number = sources.index(str(source)) % len(SOURCE_MARKERS)
        marker = SOURCE_MARKERS[number] or look.marker
        x = remaining(theirs["sparsity"]) * shift
        near = 0.1 if panel.ours else _NEAR
        y = at_foot(theirs["value"].to_numpy(), x, limits, feet, panel.axes, near)
        size = 7.5 if plot.beside is None else 5.0  # a number a cell of ours, or a whole curve
        thin = joined and panel.ours
        draw_reported(panel.axes, x, y, look, marker, None if joined else size, thin)
