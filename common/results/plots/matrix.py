"""A metric for every pair of a row and a column, coloured by its difference within the column."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from common.results.cells import finished, summarise_cells
from common.results.naming import (
    decimals,
    metric_label,
    ordered_keys,
    rows_of,
    show,
    show_line,
)
from common.results.plots.beside import beside_rows, make_panels, sentences_beside
from common.results.plots.layout import Grid, Request, counts_text, finish, mixture_text
from common.results.plots.matrix_rows import at_targets, changes, counterpart
from common.results.spec import Matrix

_CELL = (0.74, 0.5)  # inches
_CHARACTER = 0.075  # inches of a row's name
_FRAME = 1.0  # inches of a panel's height besides its cells
_COLUMN_NAME = 11  # characters of a column's name on one line
_MARGIN = 0.58  # of a cell, from the middle of the outer ones to the panel's edge
_MOST_POINTS = 5.0  # larger differences of accuracies have the colour of this one
_MOST_CHANGE = 20.0  # the same of changes, which checks of small networks make large
_COLOURS = {"diagonal": "RdBu", "best": "Reds_r"}
_CHARACTERS_AN_INCH = 11  # of the label of the colour bar
_DARK = 0.45  # luminance of a colour below which its text is white
_HATCH: dict[str, Any] = {"fc": "none", "ec": "#BBBBBB", "hatch": "////", "lw": 0}


@dataclass(frozen=True)
class _Panel:
    """The cells of one panel.

    Attributes:
        axes: where they are drawn.
        rows: names of the rows from the top.
        columns: names of the columns from the left.
        means: (rows, columns), NaN where there is nothing.
        texts: what stands in a cell, by row and column.
        references: for every column the row its colours compare with, None for an empty column.
        own: whether the references are the columns' own rows.
        are_changes: the means are differences already.
    """

    axes: Axes
    rows: list[tuple]
    columns: list[tuple]
    means: np.ndarray
    texts: dict[tuple[int, int], tuple[str, ...]]
    references: list[int | None]
    own: list[bool]
    are_changes: bool

    @property
    def differences(self) -> np.ndarray:
        """Return what colours show: the means less their column's reference, or the changes."""
        if self.are_changes:
            return self.means
        found = np.full(self.means.shape, np.nan)
        for j, i in enumerate(self.references):
            if i is not None:
                found[:, j] = self.means[:, j] - self.means[i, j]
        return found


def draw_matrix(request: Request) -> Figure | None:
    """Draw a :class:`Matrix`, or return None where it has nothing to show."""
    plot = request.plot
    assert isinstance(plot, Matrix)
    if plot.reported_rows is not None and plot.reported_rows in request.reported.columns:
        same = {plot.row_columns[0]: request.reported[plot.reported_rows]}
        request = replace(request, reported=request.reported.assign(**same))
    names = [*plot.row_columns, *plot.column_columns]
    runs = at_targets(request, plot, finished(request.runs, plot.metric))
    if plot.minus is not None:
        what = f"plot {plot.name!r} of {request.paper.name!r}: minus"
        runs = changes(runs, plot.metric, plot.minus, what)
    numbers = at_targets(request, plot, beside_rows(request, plot.reported_name))
    if plot.reported_rows is not None:  # it names rows, so it makes no panels
        numbers = numbers.assign(**{plot.reported_rows: ""})
    if not len(runs) and not (request.alone and len(numbers)):
        return None
    size = _size(
        request, plot, pd.concat([runs[names], numbers[names]] if len(runs) else [numbers])
    )
    extra = () if "sparsity" in names else ("sparsity",)
    grid, keys, theirs = make_panels(request, runs, numbers, names, size, extra=extra)
    cells = summarise_cells(runs, [*keys, *names], plot.metric) if len(runs) else None
    several = cells is not None and cells["n"].nunique() > 1
    panels = []
    for key, axes in grid.panels.items():
        assert cells is not None
        partner = next((other for other, mine in grid.pairs.items() if mine == key), None)
        others = rows_of(numbers, theirs, partner) if partner is not None else None
        ours = rows_of(cells, keys, key)
        panels.append(_collect(request, plot, axes, ours, others, several))
    for key, axes in grid.reported.items():
        mate = grid.pairs.get(key)
        others = rows_of(cells, keys, mate) if cells is not None and mate is not None else None
        inside = rows_of(numbers, theirs, key)
        inside = inside.assign(mean=inside["value"], n=0)
        panels.append(_collect(request, plot, axes, inside, others, several=False))
    _draw_panels(request, plot, grid, panels)
    sentences = []
    if cells is not None:
        counts = cells["n"].tolist()
        mean = "Mean ± standard deviation over seeds, " if max(counts) > 1 else ""
        sentences.append(f"{mean}{counts_text(counts)}")
    if plot.minus is None:
        sentences.append("Colours compare within a column")
    else:
        sentences.append(f"Each seed is compared with its own run ({counterpart(request, plot)})")
    if plot.own_sparsity and request.runs["sparsity"].isna().any():
        sentences.append("Methods with a sparsity of their own have one number for all targets")
    mixture = mixture_text(runs, [*keys, *names]) if len(runs) else ""
    sentences += [*sentences_beside(request, grid), *([mixture] if mixture else [])]
    finish(grid, request, _handles(plot, panels), sentences)
    return grid.figure


def _size(request: Request, plot: Matrix, rows: pd.DataFrame) -> tuple[float, float]:
    """Return the size of a panel that has room for all rows and columns."""
    down, across = (
        ordered_keys(request.paper, names, rows)
        for names in (plot.row_columns, plot.column_columns)
    )
    longest = max(len(show_line(request.paper, key)) for key in down)
    width = 0.75 + _CHARACTER * longest + _CELL[0] * len(across)
    return max(width, 2.7), _FRAME + _CELL[1] * len(down)


def _collect(
    request: Request,
    plot: Matrix,
    axes: Axes,
    cells: pd.DataFrame,
    others: pd.DataFrame | None,
    several: bool,
) -> _Panel:
    """Return what a panel shows.

    Args:
        request: the plot.
        plot: the same, by its class.
        axes: the panel.
        cells: what it shows, with the columns ``mean``, ``std`` and ``n`` (0 for a reported one).
        others: what its neighbour shows, whose rows and columns it has, too.
        several: cells differ in ``n``, so that each one tells its own.
    """
    names = [*plot.row_columns, *plot.column_columns]
    every = cells[names] if others is None else pd.concat([cells[names], others[names]])
    rows = ordered_keys(request.paper, plot.row_columns, every)
    columns = ordered_keys(request.paper, plot.column_columns, every)
    means = np.full((len(rows), len(columns)), np.nan)
    texts: dict[tuple[int, int], tuple[str, ...]] = {}
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            mine = rows_of(cells, names, (*row, *column))
            if len(mine):
                means[i, j] = mine["mean"].iloc[0]
                texts[i, j] = _texts(plot, mine, several)
    references: list[int | None] = []
    own = []
    for j, column in enumerate(columns if plot.minus is None else []):
        there = [i for i in range(len(rows)) if not np.isnan(means[i, j])]
        fit = [i for i in there if {*rows[i]} & {*column}] if plot.reference == "diagonal" else []
        best = max(there, key=lambda i: means[i, j], default=None)
        references.append(fit[0] if fit else best)
        own.append(bool(fit))
    return _Panel(axes, rows, columns, means, texts, references, own, plot.minus is not None)


def _texts(plot: Matrix, cells: pd.DataFrame, several: bool) -> tuple[str, ...]:
    """Return the lines of a cell: the mean (or all reported numbers), the spread, the seeds."""
    digits, sign = min(decimals(plot.metric), 2), ""
    if plot.minus is not None:
        digits, sign = min(digits, 1), "+"
    first = cells.iloc[0]
    means = [round(value, digits) + 0.0 for value in dict.fromkeys(cells["mean"])]  # not -0.0
    lines = [" / ".join(f"{value:{sign}.{digits}f}" for value in means)]
    if len(cells) == 1 and not np.isnan(first["std"]):
        lines.append(f"± {first['std']:.{digits}f}")
    if several:
        lines.append(f"n = {first['n']}")
    return tuple(lines)


def _draw_panels(request: Request, plot: Matrix, grid: Grid, panels: Sequence[_Panel]) -> None:
    """Draw all panels in the same colours, and their colour bar."""
    largest = max(float(np.nanmax(np.abs(panel.differences))) for panel in panels)
    limit = max(largest, 1e-9)
    if plot.metric.endswith("accuracy"):
        most = _MOST_POINTS if plot.minus is None else _MOST_CHANGE
        limit = min(max(largest, 1.0), most)
    reference = plot.reference if plot.minus is None else "diagonal"
    norm = Normalize(-limit, 0.0 if reference == "best" else limit, clip=True)
    colours = ScalarMappable(norm, _COLOURS[reference])
    for panel in panels:
        _draw_panel(request, plot, panel, colours)
    extend = "neither"
    if largest > limit:
        below = min(float(np.nanmin(panel.differences)) for panel in panels) < -limit
        above = max(float(np.nanmax(panel.differences)) for panel in panels) > limit
        extend = "both" if below and above else ("min" if below else "max")
    bar = grid.figure.colorbar(colours, ax=grid.all_axes, aspect=25, extend=extend)
    room = max(12, int(_CHARACTERS_AN_INCH * grid.rows * grid.panel_height))
    bar.set_label(textwrap.fill(_colour_label(request, plot, panels), room))


def _colour_label(request: Request, plot: Matrix, panels: Sequence[_Panel]) -> str:
    """Return what the colours show."""
    unit = "points" if plot.metric.endswith("accuracy") else metric_label(plot.metric)
    if plot.minus is not None:
        return f"change against {counterpart(request, plot)} ({unit})"
    own = [is_own for panel in panels for is_own in panel.own]
    if not any(own):
        return f"difference to the column's best ({unit})"
    label = f"difference to the column's own row ({unit})"
    return label if all(own) else f"{label}, to its best where it has none"


def _draw_panel(request: Request, plot: Matrix, panel: _Panel, colours: ScalarMappable) -> None:
    """Draw the cells of one panel, the reference of every column in a frame."""
    axes, differences = panel.axes, panel.differences
    for i in range(len(panel.rows)):
        for j in range(len(panel.columns)):
            corner = (j - 0.5, i - 0.5)
            if (i, j) not in panel.texts:
                axes.add_patch(Rectangle(corner, 1, 1, gid="empty", **_HATCH))
                continue
            colour = colours.to_rgba(differences[i, j])
            style: dict[str, Any] = {"fc": colour, "ec": "white", "lw": 0.8, "gid": "cell"}
            axes.add_patch(Rectangle(corner, 1, 1, **style))
            light = float(np.dot(colour[:3], (0.2126, 0.7152, 0.0722)))
            _write(axes, (j, i), panel.texts[i, j], "white" if light < _DARK else "black")
    for j, reference in enumerate(panel.references):
        if reference is not None and panel.own[j]:
            corner = (j - 0.46, reference - 0.46)
            frame: dict[str, Any] = {"fc": "none", "ec": "black", "lw": 1.2, "gid": "own"}
            axes.add_patch(Rectangle(corner, 0.92, 0.92, zorder=3, **frame))
    paper = request.paper
    across = [textwrap.fill(show_line(paper, key), _COLUMN_NAME) for key in panel.columns]
    axes.set_xticks(range(len(across)), across)
    axes.set_yticks(range(len(panel.rows)), [show_line(paper, key) for key in panel.rows])
    axes.set_xlim(-_MARGIN, len(across) - 1 + _MARGIN)
    axes.set_ylim(len(panel.rows) - 1 + _MARGIN, -_MARGIN)
    axes.set_xlabel(_axis_label(request, plot.column_columns))
    axes.set_ylabel(_axis_label(request, plot.row_columns))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _axis_label(request: Request, columns: Sequence[str]) -> str:
    """Return the names of the columns; one with an empty label says nothing beside others."""
    labels = request.paper.labels
    said = [name for name in columns if labels.get(name) != ""] or columns
    return ", ".join(show(request.paper, name) for name in said)


def _write(axes: Axes, middle: tuple[int, int], lines: Sequence[str], colour: str) -> None:
    """Write the lines of a cell, the first one larger."""
    style: dict[str, Any] = {"ha": "center", "color": colour, "textcoords": "offset points"}
    if len(lines) == 1:
        axes.annotate(lines[0], middle, (0, 0), va="center", fontsize=8.5, gid="number", **style)
        return
    rise = 2 if len(lines) == 2 else 5
    axes.annotate(lines[0], middle, (0, rise), va="bottom", fontsize=8.5, gid="number", **style)
    more = "\n".join(lines[1:])
    axes.annotate(more, middle, (0, rise - 1), va="top", fontsize=6.5, gid="more", **style)


def _handles(plot: Matrix, panels: Sequence[_Panel]) -> list[Any]:
    """Return what the legend explains."""
    handles: list[Any] = []
    if any(any(panel.own) for panel in panels):
        handles.append(Patch(fc="none", ec="black", lw=1.2, label="the column's own row"))
    if any(len(panel.texts) < panel.means.size for panel in panels):
        handles.append(Patch(label="no number", **_HATCH))
    return handles
