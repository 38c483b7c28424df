"""Which share of its weights every layer keeps or loses, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from common.results.curves import spread, spread_text
from common.results.naming import ordered_keys, rows_of, same, show, show_line
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
_EMPTIED: Mapping[str, Any] = {"color": "black", "ms": 8, "mew": 1.3, "zorder": 6}


def draw_layers(request: Request) -> Figure | None:
    """Draw a :class:`LayerDensities`, or return None where no run has layer densities."""
    plot = request.plot
    assert isinstance(plot, LayerDensities)
    runs = request.runs
    runs = runs[runs["layer_densities"].map(bool).astype(bool)]
    if plot.sparsity is not None:
        near = (runs["sparsity"] - plot.sparsity).abs() < 1e-6
        runs = runs[near | runs["sparsity"].isna()]
    runs = runs[runs["method"] != "dense"]
    if not len(runs):
        return None
    keys = panel_keys(request, runs, (*plot.lines, "sparsity"))
    if plot.sparsity is None:
        highest = runs.groupby(keys, dropna=False)["sparsity"].transform("max") if keys else None
        highest = runs["sparsity"].max() if highest is None else highest
        runs = runs[(runs["sparsity"] == highest) | runs["sparsity"].isna()]
    lines = paired_looks(ordered_keys(request.paper, plot.lines, runs), request.orders(plot.lines))
    grid = make_grid(request, runs, keys, _PANEL)
    lowest = _lowest(runs)
    counts: list[int] = []
    for key, axes in grid.panels.items():
        mine = rows_of(runs, keys, key)
        if plot.show == "pruning_rate":
            counts += _draw_rates(axes, mine, plot, lines)
        else:
            counts += _draw_panel(axes, mine, plot, lines, lowest)
        title = [axes.get_title(loc="left"), _target(request, mine)]
        axes.set_title(", ".join(filter(None, title)), loc="left", fontweight="bold")
    handles: list[Any] = [
        Line2D([], [], color=look.colour, marker=look.marker, ls=look.dashes, label=label)
        for label, look in (
            (show_line(request.paper, value), look) for value, look in lines.items()
        )
    ]
    if any((pd.Series(d.values()) <= 0).any() for d in runs["layer_densities"]):
        label = "layer emptied in some run"
        handles.append(Line2D([], [], color="black", marker="x", ls="none", ms=8, label=label))
    finish(grid, request, handles, [_band_text(plot, counts)])
    return grid.figure


def _target(request: Request, runs: pd.DataFrame) -> str:
    """Return the target sparsity of a panel, empty where its methods have none."""
    targets = [value for value in sorted(set(runs["sparsity"])) if not same(value, None)]
    if not targets:
        return ""
    levels = sorted({show(request.paper, value) for value in targets})
    return f"sparsity {', '.join(levels)}" + (" or found" if runs["sparsity"].isna().any() else "")


def _band_text(plot: LayerDensities, counts: list[int]) -> str:
    """Return the caption's sentence on the seeds and the band."""
    if plot.show == "kept":
        return f"Mean over seeds, band from the lowest to the highest, {counts_text(counts)}"
    band = spread_text(set(counts))
    mean = "Mean over seeds" if max(counts) > 1 else ""
    return ", ".join(filter(None, [mean, band and f"error bars {band}", counts_text(counts)]))


def _draw_rates(
    axes: Axes, runs: pd.DataFrame, plot: LayerDensities, lines: dict[tuple, Look]
) -> list[int]:
    """Draw the pruning rates of one panel; return how many seeds each curve has.

    Curves that lie close together are moved apart sideways a little.
    """
    counts: list[int] = []
    names: list[str] = []
    present = {key: rows_of(runs, plot.lines, key) for key in lines}
    present = {key: mine for key, mine in present.items() if len(mine)}
    for i, (key, mine) in enumerate(present.items()):
        profiles = pd.DataFrame(mine["layer_densities"].tolist(), index=mine["seed"])
        values = 1 - profiles.groupby(level=0).mean().to_numpy(dtype=float)
        counts.append(len(values))
        names = list(profiles.columns) if len(profiles.columns) > len(names) else names
        shift = 0.5 * ((i + 0.5) / len(present) - 0.5)
        x, mean, look = (
            np.arange(1, len(profiles.columns) + 1) + shift,
            values.mean(axis=0),
            lines[key],
        )
        style: dict[str, Any] = {"color": look.colour, "marker": look.marker, "ls": look.dashes}
        axes.plot(x, mean, ms=4, lw=0.9, zorder=4, gid="ours", **style)
        if len(values) > 1:
            low, high = spread(values)
            bars = (np.maximum(mean - low, 0), np.maximum(high - mean, 0))
            axes.errorbar(x, mean, bars, fmt="none", ecolor=look.colour, elinewidth=1.0, alpha=0.75)
        emptied = (profiles.to_numpy() <= 0).any(axis=0)
        if emptied.any():
            axes.plot(x[emptied], mean[emptied], "x", gid="emptied", **_EMPTIED)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("pruning rate (fraction removed)")
    _layer_axis(axes, names)
    axes.set_xlim(0.5, len(names) + 0.5)
    return counts


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
            axes.plot(x[emptied], mean[emptied], "x", gid="emptied", **_EMPTIED)
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
