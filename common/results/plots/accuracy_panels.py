"""What the panels of a plot of a metric against sparsity show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from common.results.cells import by_seed, finished, summarise_cells
from common.results.naming import rows_of
from common.results.plots.axes import remaining
from common.results.plots.beside import on_our_axes
from common.results.plots.layout import Grid, Request
from common.results.reported import snap
from common.results.spec import AccuracyVsSparsity


@dataclass(frozen=True)
class Panel:
    """What one panel shows: our cells, the reported numbers and the baseline's seeds.

    ``ours`` is False for a panel that stands beside ours and holds reported numbers alone.
    """

    axes: Axes
    cells: pd.DataFrame
    reported: pd.DataFrame
    baseline: tuple[float, ...]
    reported_baseline: tuple[float, ...]
    ours: bool = True

    @property
    def heights(self) -> list[float]:
        """Return every value that has a mark in the panel."""
        values = [*self.cells["mean"], *self.reported["value"], *self.baseline]
        values += self.reported_baseline
        return [value for value in values if not math.isnan(value)]

    @property
    def intervals(self) -> list[tuple[float, float, float]]:
        """Return low end, mean and high end of every interval."""
        return list(self.cells[["low", "mean", "high"]].itertuples(index=False, name=None))


def no_cells(plot: AccuracyVsSparsity) -> pd.DataFrame:
    """Return a frame of cells without a cell."""
    names = [*plot.line_columns, "sparsity", "n", "mean", "low", "high", "at_chance"]
    return pd.DataFrame({name: [] for name in names})


def with_found_sparsity(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Put the mean sparsity of the tickets where the method was given no target."""
    found = runs.groupby(list(keys), dropna=False)["ticket_sparsity"].transform("mean")
    return runs.assign(sparsity=runs["sparsity"].fillna(found.round(4)))


def our_panels(
    request: Request,
    plot: AccuracyVsSparsity,
    grid: Grid,
    runs: pd.DataFrame,
    keys: list[str],
    curves: pd.DataFrame,
) -> dict[tuple, Panel]:
    """Collect what every panel of ours shows."""
    theirs = request.reported_rows(plot.reported_name, (*keys, *plot.line_columns))
    theirs = theirs[theirs["sparsity"].notna() & (theirs["method"] != plot.baseline)]
    if {*keys} <= {*curves.columns}:
        more = on_our_axes(request, curves)
        theirs = pd.concat([theirs, more[~more.index.isin(theirs.index)]])
    targets = runs["sparsity"].dropna().unique()
    theirs = snap(theirs, targets, request.paper.sparsity_tolerance)
    their_dense = request.reported_baseline(plot.baseline, plot.reported_name)
    dense = finished(request.baseline(plot.baseline), plot.metric)
    shared = [key for key in keys if key not in ("method", "variant", "experiment")]
    panels = {}
    for key, axes in grid.panels.items():
        inside = rows_of(runs, keys, key)
        mine, reported_dense = of_same_task(dense, inside), of_same_task(their_dense, inside)
        where = [value for name, value in zip(keys, key) if name in shared]
        mine = rows_of(mine, shared, where)
        cells = summarise_cells(inside, [*plot.line_columns, "sparsity"], plot.metric)
        cells = _with_ends(plot, cells)
        panels[key] = Panel(
            axes,
            cells[cells["n"] > 0],
            rows_of(theirs, keys, key) if len(theirs) else theirs,
            tuple(by_seed(mine, [], plot.metric)["value"]) if len(mine) else (),
            tuple(reported_dense["value"]),
        )
    return panels


def _with_ends(plot: AccuracyVsSparsity, cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with the ends of what is drawn around their means, ``low`` and ``high``."""
    if not plot.in_pruned:
        return cells.assign(low=cells["ci_low"], high=cells["ci_high"])
    return cells.assign(low=cells["mean"] - cells["std"], high=cells["mean"] + cells["std"])


def of_same_task(rows: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return those rows that have a data set and an architecture of the runs."""
    keep = rows["dataset"].isin(runs["dataset"]) & rows["architecture"].isin(runs["architecture"])
    return rows[keep]


def densities_of(panel: Panel) -> list[float]:
    """Return the remaining weights (percent) at which a panel has points."""
    both = pd.concat([panel.cells["sparsity"], panel.reported["sparsity"].astype(float)])
    return [float(value) for value in np.round(remaining(both), 6)]
