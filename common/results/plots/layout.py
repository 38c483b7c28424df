"""What all plots share: their runs, the grid of panels, title, caption and legend."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend

from common.results.cells import require_columns, select
from common.results.datasets import dataset_notes
from common.results.naming import ordered, ordered_keys, show_key
from common.results.plots.style import new_figure
from common.results.reported import comparable
from common.results.spec import REPORTED, Paper, Plot, Selector

NEVER_AVERAGED = ("dataset", "architecture", "method", "variant")
_FREE_FOR_BASELINE = ("method", "variant", "sparsity")


@dataclass(frozen=True)
class Request:
    """One plot to draw.

    Attributes:
        paper: gives order and labels.
        plot: what to draw.
        protocol: whose runs; :data:`REPORTED` for reported numbers alone.
        frame: the paper's runs of every protocol, so that colours agree between protocols.
        reported: its reported numbers.
    """

    paper: Paper
    plot: Plot
    protocol: str
    frame: pd.DataFrame
    reported: pd.DataFrame

    @property
    def alone(self) -> bool:
        """Return whether reported numbers are drawn alone."""
        return self.protocol == REPORTED

    @property
    def comparable(self) -> pd.DataFrame:
        """Return those of the plot's runs that reported numbers may stand beside."""
        return comparable(self.runs, self.paper.reported_protocol)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Return the finished runs the plot is made of."""
        chosen = self._mine
        return chosen[(chosen["protocol"] == self.protocol) & (chosen["status"] == "finished")]

    def baseline(self, method: str | None) -> pd.DataFrame:
        """Return the finished runs of the baseline method, which has no variant or sparsity."""
        chosen = self._chosen(self._baseline_where())
        chosen = chosen[(chosen["protocol"] == self.protocol) & (chosen["status"] == "finished")]
        return chosen[chosen["method"] == method]

    def values(self, column: str, leave_out: str | None = None) -> list[Any]:
        """Return all values of a column in any protocol, in the paper's order."""
        chosen = self._mine
        return ordered(self.paper, column, chosen.loc[chosen["method"] != leave_out, column])

    def keys(self, columns: Sequence[str], leave_out: str | None = None) -> list[tuple]:
        """Return all value tuples of some columns in any protocol, in the paper's order."""
        chosen = self._mine
        return ordered_keys(self.paper, columns, chosen[chosen["method"] != leave_out])

    def orders(self, columns: Sequence[str]) -> list[Sequence[Any]]:
        """Return the paper's order of the values of every column."""
        return [self.paper.order.get(column, ()) for column in columns]

    def reported_rows(self, metric: str, columns: Sequence[str]) -> pd.DataFrame:
        """Return the reported numbers that belong in the plot; none unless they may be shown.

        They may be shown for their own protocol only, beside data sets that are complete, and
        where ``columns`` are columns of reported numbers.
        """
        return self._reported(metric, columns, self.plot.where)

    def reported_baseline(self, method: str | None, metric: str) -> pd.DataFrame:
        """Return the baseline's reported numbers, under the same conditions."""
        rows = self._reported(metric, (), self._baseline_where())
        return rows[rows["method"] == method]

    def _baseline_where(self) -> Selector:
        """Return the part of the plot's selector that bears on its baseline."""
        return {k: v for k, v in self.plot.where.items() if k not in _FREE_FOR_BASELINE}

    def _reported(self, metric: str, columns: Sequence[str], where: Selector) -> pd.DataFrame:
        """Return the reported numbers that match and may be shown."""
        rows = self.reported
        nothing = rows.iloc[:0]
        known = set(rows.columns)
        if self.protocol != self.paper.reported_protocol or not {*columns, *where} <= known:
            return nothing
        rows = rows[rows["metric"] == metric]
        chosen = select(rows, {name: value for name, value in where.items() if name != "sparsity"})
        if "sparsity" in where:  # an empty one fits any
            fits = select(chosen, {"sparsity": where["sparsity"]}).index
            chosen = chosen[chosen.index.isin(fits) | chosen["sparsity"].isna()]
        rows = chosen[chosen["experiment"].isin(self.plot.experiments)]
        return rows[rows["dataset"].isin(self.comparable["dataset"])]

    @cached_property
    def _mine(self) -> pd.DataFrame:
        """Return the plot's runs of every protocol."""
        return self._chosen(self.plot.where)

    def _chosen(self, where: Selector) -> pd.DataFrame:
        """Return the runs of the plot's experiments that match."""
        chosen = select(self.frame, where, f"plot {self.plot.name!r} of {self.paper.name!r}")
        return chosen[chosen["experiment"].isin(self.plot.experiments)]


def panel_keys(request: Request, runs: pd.DataFrame, used: Sequence[str]) -> list[str]:
    """Return the panel columns, with those added that would be averaged over otherwise."""
    what = f"plot {request.plot.name!r} of {request.paper.name!r}"
    require_columns(runs, (*request.plot.panels, *used), what)
    keys = list(request.plot.panels)
    taken = {*keys, *used}
    return keys + [
        name for name in NEVER_AVERAGED if name not in taken and runs[name].nunique() > 1
    ]


@dataclass(frozen=True)
class Grid:
    """A figure with one panel for each key that has runs.

    Attributes:
        figure: the figure.
        panels: our panels by their key.
        rows: how many rows of panels there are.
        panel_height: of one row in inches.
        reported: the panels of reported numbers, by keys of their own.
        pairs: key of a reported panel -> key of that panel of ours it stands beside.
    """

    figure: Figure
    panels: dict[tuple, Axes]
    rows: int
    panel_height: float
    reported: dict[tuple, Axes] = field(default_factory=dict)
    pairs: Mapping[tuple, tuple] = field(default_factory=dict)

    @property
    def all_axes(self) -> list[Axes]:
        """Return the axes of all panels."""
        return [*self.panels.values(), *self.reported.values()]


def make_grid(
    request: Request,
    runs: pd.DataFrame,
    keys: list[str],
    size: tuple[float, float],
    widest: float = math.inf,
) -> Grid:
    """Return the panels: the first key's values make the rows, the others' the columns.

    A grid of one row or column, or one that would be half empty or wider than ``widest`` (inches),
    is wrapped instead.
    """
    paper = request.paper
    present = ordered_keys(paper, keys, runs) if keys else [()]
    firsts = list(dict.fromkeys(key[:1] for key in present))
    rests = ordered_keys(paper, keys[1:], runs) if len(keys) > 1 else [()]
    full = 2 * len(present) > len(firsts) * len(rests)
    if full and len(firsts) > 1 and len(rests) > 1 and len(rests) * size[0] <= widest:
        places = {key: (firsts.index(key[:1]), rests.index(key[1:])) for key in present}
        shape = (len(firsts), len(rests))
    else:
        columns = min(3, len(present), max(1, math.floor(min(widest / size[0], 3))))
        places = {key: divmod(i, columns) for i, key in enumerate(present)}
        shape = (-(-len(present) // columns), columns)
    figure = new_figure(max(shape[1] * size[0], 5.4), shape[0] * size[1])
    panels = {}
    for key, (row, column) in places.items():
        axes = figure.add_subplot(shape[0], shape[1], row * shape[1] + column + 1)
        parts = [show_key(paper, name, value) for name, value in zip(keys, key)]
        axes.set_title(", ".join(parts), loc="left", fontweight="bold")
        panels[key] = axes
    return Grid(figure, panels, shape[0], size[1])


def finish(grid: Grid, request: Request, handles: Sequence[Any], sentences: Sequence[str]) -> None:
    """Add the title, the caption and the legend, and make room for them."""
    figure = grid.figure
    width = figure.get_figwidth()
    title = textwrap.fill(request.plot.title, int(width * 10))
    protocol = f"Protocol: {request.protocol}"
    if request.paper.reported is not None and request.protocol != request.paper.reported_protocol:
        own = request.paper.by_the_paper
        protocol += " (not the paper's)" if own else " (not the protocol of the reported numbers)"
    first = [] if request.alone else [protocol]
    text = ". ".join([*first, *sentences, *dataset_notes(request.runs)]) + "."
    caption = textwrap.fill(text, int(width * 16.5))
    above = 0.1 + 0.2 * (title.count("\n") + 1) + 0.15 * (caption.count("\n") + 1)
    below = 0.08
    legend: Legend | None = None
    if handles:
        renderer = FigureCanvasAgg(figure).get_renderer()
        legend = _legend(figure, handles, renderer)
        below += legend.get_window_extent(renderer).height / figure.dpi
    height = grid.rows * grid.panel_height + above + below
    figure.set_figheight(height)
    figure.text(0.012, 1 - 0.06 / height, title, va="top", fontsize=11, fontweight="bold")
    top = 0.09 + 0.2 * (title.count("\n") + 1)
    figure.text(0.012, 1 - top / height, caption, va="top", fontsize=8, color="#444444")
    rect = (0.005, below / height, 0.99, 1 - (above + below) / height)
    _place_panels(figure, rect)


def _place_panels(figure: Figure, rect: tuple[float, float, float, float]) -> None:
    """Lay the panels out inside ``rect``, once, at rounded places.

    The layout's solver gives last digits that differ from call to call; they would end up in the
    names of the clip paths of SVG files.
    """
    engine = ConstrainedLayoutEngine(rect=rect, w_pad=0.06, h_pad=0.06)
    figure.set_layout_engine(engine)
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(tuple(round(value, 4) for value in axes.get_position().bounds))


def _legend(figure: Figure, handles: Sequence[Any], renderer: RendererAgg) -> Legend:
    """Return a legend at the bottom with as many columns as fit the figure's width."""
    limit = 0.98 * figure.get_figwidth() * figure.dpi
    style: dict[str, Any] = {"handlelength": 2.6, "columnspacing": 1.4, "borderaxespad": 0.3}
    widths: list[float] = []
    for columns in range(len(handles), 0, -1):
        # A legend costs time to make; where the texts alone are too wide, none is.
        if widths and _least_width(widths, columns) > limit:
            continue
        legend = figure.legend(handles=list(handles), loc="lower center", ncols=columns, **style)
        legend.set_in_layout(False)
        if columns == 1 or legend.get_window_extent(renderer).width <= limit:
            return legend
        widths = [text.get_window_extent(renderer).width for text in legend.get_texts()]
        legend.remove()
    raise AssertionError("a legend of one column is always taken")


def _least_width(widths: Sequence[float], columns: int) -> float:
    """Return what the texts of a legend take at least, filled column by column as a legend is."""
    parts = np.array_split(np.array(widths), columns)
    return float(sum(part.max() for part in parts if len(part)))


def counts_text(counts: Sequence[int]) -> str:
    """Return ``n = 3 seeds`` or ``n = 1 to 3 seeds``."""
    least, most = min(counts), max(counts)
    return (
        f"n = {most} seed{'s' if most > 1 else ''}"
        if least == most
        else (f"n = {least} to {most} seeds")
    )


def mixture_text(runs: pd.DataFrame, columns: Sequence[str]) -> str:
    """Return the sentence that warns where runs of several configurations are averaged."""
    most = runs["config_hash"].nunique()
    if columns:
        most = runs.groupby(list(columns), dropna=False)["config_hash"].nunique().max()
    return "Some means are over several configurations" if most > 1 else ""
