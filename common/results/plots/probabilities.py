"""How the probabilities to be selected spread during a mask search."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from common.results.curves import Histograms, mean_histograms
from common.results.naming import rows_of
from common.results.plots.axes import is_below, place
from common.results.plots.layout import (
    Request,
    counts_text,
    finish,
    make_grid,
    mixture_text,
    panel_keys,
)
from common.results.spec import SelectionProbabilities

_PANEL = (3.5, 3.0)
_COLOURS = "viridis"
_LEAST = 1e-3  # rarer weights have the colour of this fraction
_MOST_EPOCHS = 10


def draw_probabilities(request: Request) -> Figure | None:
    """Draw a :class:`SelectionProbabilities`, or return None where no run has histograms."""
    plot = request.plot
    assert isinstance(plot, SelectionProbabilities)
    runs = request.runs
    noted = runs["selection_probability"].map(lambda found: bool(found and found["epoch"]))
    runs = runs[noted.astype(bool)]
    if not len(runs):
        return None
    keys = panel_keys(request, runs, ())
    grid = make_grid(request, runs, keys, _PANEL)
    panels = {key: mean_histograms(rows_of(runs, keys, key)) for key in grid.panels}
    norm = LogNorm(_LEAST, 1.0, clip=True)
    mesh: Any = None
    for key, axes in grid.panels.items():
        mesh = _draw_panel(axes, panels[key], norm)
        title = textwrap.fill(axes.get_title(loc="left"), 42)
        axes.set_title(title, loc="left", fontweight="bold")
        if not any(is_below(other, axes) for other in grid.panels.values()):
            axes.set_xlabel("selection probability")
        if place(axes).colspan.start == 0:
            axes.set_ylabel("epoch of the search")
    bar = grid.figure.colorbar(mesh, ax=list(grid.panels.values()), extend="min", aspect=28)
    bar.set_label("fraction of the weights (log scale)")
    counts = [int(rows_of(runs, keys, key)["seed"].nunique()) for key in grid.panels]
    sentences = [f"Mean over seeds, {counts_text(counts)}" if max(counts) > 1 else "n = 1 seed"]
    if any(len(set(found.counts)) > 1 for found in panels.values()):
        sentences.append("Seeds that stopped early count up to their last epoch")
    if any(found.interpolated for found in panels.values()):
        sentences.append("Between the epochs that a run noted its histograms are mixed")
    sentences.append("One row a noted epoch; white: no weight")
    mixture = mixture_text(runs, keys)
    finish(grid, request, [], [*sentences, *([mixture] if mixture else [])])
    return grid.figure


def _draw_panel(axes: Axes, found: Histograms, norm: LogNorm) -> Any:
    """Draw the map of one panel, one row an epoch; return what carries its colours."""
    rows = np.arange(len(found.epochs) + 1) - 0.5
    shown = np.ma.masked_where(found.fractions <= 0, found.fractions)
    mesh = axes.pcolormesh(found.edges, rows, shown, norm=norm, cmap=_COLOURS, gid="ours")
    count = len(found.epochs)
    ticks = sorted({0, *range(count - 1, -1, -math.ceil(count / _MOST_EPOCHS))})
    axes.set_yticks(ticks, [f"{found.epochs[i]:g}" for i in ticks])
    axes.set_xlim(found.edges[0], found.edges[-1])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.grid(visible=False)
    return mesh
