"""Which share of its weights every layer keeps, layer by layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from common.results.naming import ordered_keys, rows_of, same, show
from common.results.plots.layout import (
    Request,
    counts_text,
    finish,
    make_grid,
    panel_keys,
)
from common.results.plots.style import Look, paired_looks
from common.results.spec import LayerDensities

_PANEL = (5.2, 3.1)
_MOST_NAMES = 14


def draw_layers(request: Request) -> Figure | None:
    """Draw a :class:`LayerDensities`, or return None where no run has layer densities."""
    plot = request.plot
    assert isinstance(plot, LayerDensities)
    runs = request.runs
    runs = runs[runs["layer_densities"].map(bool).astype(bool)]
    if plot.sparsity is not None:
        runs = runs[(runs["sparsity"] - plot.sparsity).abs() < 1e-6]
    runs = runs[runs["method"] != "dense"]
    if not len(runs):
        return None
    keys = panel_keys(request, runs, (*plot.lines, "sparsity"))
    if plot.sparsity is None:
        highest = runs.groupby(keys, dropna=False)["sparsity"].transform("max") if keys else None
        highest = runs["sparsity"].max() if highest is None else highest
        runs = runs[(runs["sparsity"] == highest) | runs["sparsity"].isna()]
    lines = paired_looks(ordered_keys(request.paper, plot.lines, runs))
    grid = make_grid(request, runs, keys, _PANEL)
    lowest = _lowest(runs)
    counts: list[int] = []
    for key, axes in grid.panels.items():
        mine = rows_of(runs, keys, key)
        counts += _draw_panel(axes, mine, plot, lines, lowest)
        levels = sorted({show(request.paper, value) for value in mine["sparsity"]})
        title = [axes.get_title(loc="left"), f"sparsity {', '.join(levels)}"]
        axes.set_title(", ".join(filter(None, title)), loc="left", fontweight="bold")
    handles: list[Any] = [
        Line2D([], [], color=look.colour, marker=look.marker, ls=look.dashes, label=label)
        for label, look in ((_label(request, value), look) for value, look in lines.items())
    ]
    if any((pd.Series(d.values()) <= 0).any() for d in runs["layer_densities"]):
        label = "layer emptied in some run"
        handles.append(Line2D([], [], color="black", marker="x", ls="none", ms=8, label=label))
    sentences = [f"Mean over seeds, band from the lowest to the highest, {counts_text(counts)}"]
    finish(grid, request, handles, sentences)
    return grid.figure


def _label(request: Request, key: tuple) -> str:
    """Return a curve's name; a missing variant is left out."""
    parts = [show(request.paper, value) for value in key if value not in ("", "none")]
    return ", ".join(part for part in parts if not same(part, None))


def _lowest(runs: pd.DataFrame) -> float:
    """Return half of the smallest positive density: where emptied layers are drawn."""
    positive = [v for densities in runs["layer_densities"] for v in densities.values() if v > 0]
    return min(positive, default=0.01) / 2


def _draw_panel(
    axes: Axes,
    runs: pd.DataFrame,
    plot: LayerDensities,
    lines: dict[tuple, Look],
    lowest: float,
) -> list[int]:
    """Draw the curves of one panel; return how many seeds each one has."""
    counts: list[int] = []
    names: list[str] = []
    for key, look in lines.items():
        mine = rows_of(runs, plot.lines, key)
        if not len(mine):
            continue
        counts.append(int(mine["seed"].nunique()))
        profiles = pd.DataFrame(mine["layer_densities"].tolist())
        names = list(profiles.columns) if len(profiles.columns) > len(names) else names
        x = np.arange(1, len(profiles.columns) + 1)
        values = profiles.to_numpy(dtype=float)
        mean = 100 * np.maximum(values.mean(axis=0), lowest)
        axes.plot(x, mean, color=look.colour, marker=look.marker, ls=look.dashes, ms=4, gid="ours")
        if len(values) > 1:
            low, high = (100 * np.maximum(f(values, axis=0), lowest) for f in (np.min, np.max))
            axes.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)
        emptied = (values <= 0).any(axis=0)
        if emptied.any():
            style: dict[str, Any] = {
                "color": "black",
                "ms": 8,
                "mew": 1.3,
                "gid": "emptied",
                "zorder": 6,
            }
            axes.plot(x[emptied], mean[emptied], "x", **style)
    axes.set_yscale("log")
    axes.set_ylim(100 * lowest / 1.3, 140)
    axes.set_yticks(*_decades(100 * lowest / 1.3))
    axes.set_yticks([], minor=True)
    axes.set_ylabel("weights kept in the layer (%)")
    _layer_axis(axes, names)
    return counts


def _decades(low: float) -> tuple[list[float], list[str]]:
    """Return ticks and labels of a percent axis that ends at 100."""
    powers = range(math.ceil(math.log10(low)), 3)
    ticks = [float(10.0**power) for power in powers]
    return ticks, [f"{tick:g}" for tick in ticks]


def _layer_axis(axes: Axes, names: list[str]) -> None:
    """Name the layers where there is room, else number them."""
    if len(names) <= _MOST_NAMES:
        short = [name.removesuffix(".weight") for name in names]
        axes.set_xticks(range(1, len(names) + 1), short, rotation=35, ha="right", fontsize=7)
        axes.set_xlabel("layer, from input to output")
    else:
        axes.set_xlabel("layer number, from input to output")
