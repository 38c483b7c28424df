"""Which share of its weights every layer keeps or loses, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from common.results.curves import spread, spread_text
from common.results.naming import ordered_keys, rows_of, same, show, show_line
from common.results.plots.axes import place
from common.results.plots.beside import (
    add_to_title,
    all_keys,
    make_panels,
    on_our_axes,
    sentences_beside,
)
from common.results.plots.layer_profiles import at_target, reported_profiles, with_densities
from common.results.plots.layout import Grid, Request, counts_text, finish
from common.results.plots.style import Look, paired_looks
from common.results.spec import LayerDensities

_PANEL = (5.2, 3.1)
_PANEL_OF_PAIR = (4.4, 3.1)
_MOST_NAMES = 14
_EMPTIED: Mapping[str, Any] = {"color": "black", "ms": 8, "mew": 1.3, "zorder": 6}


def draw_layers(request: Request) -> Figure | None:
    """Draw a :class:`LayerDensities`, or return None where it has nothing to show."""
    plot = request.plot
    assert isinstance(plot, LayerDensities)
    runs = with_densities(request.runs, plot, request.paper.sparsity_tolerance)
    profiles = reported_profiles(request, plot)
    if not len(runs) and not (request.alone and len(profiles)):
        return None
    used = (*plot.lines, "sparsity")
    grid, keys, theirs = make_panels(
        request, runs, profiles, used, _PANEL_OF_PAIR if len(profiles) else _PANEL
    )
    if not plot.targets and len(runs):
        highest = runs.groupby(keys, dropna=False)["sparsity"].transform("max") if keys else None
        highest = runs["sparsity"].max() if highest is None else highest
        runs = runs[(runs["sparsity"] == highest) | runs["sparsity"].isna()]
    if grid.reported:
        names = all_keys(request, plot.lines, profiles)
    else:
        names = ordered_keys(request.paper, plot.lines, runs)
    looks = paired_looks(names, request.orders(plot.lines))
    shown = {
        key: look
        for key, look in looks.items()
        if len(rows_of(runs, plot.lines, key)) or len(rows_of(profiles, plot.lines, key))
    }
    overlay = on_our_axes(request, profiles)
    lowest = _lowest([*runs["layer_densities"], *profiles["layer_densities"]])
    counts: list[int] = []
    for key, axes in grid.panels.items():
        mine = rows_of(runs, keys, key)
        if plot.show == "pruning_rate":
            counts += _draw_rates(axes, mine, plot, shown)
        else:
            counts += _draw_panel(axes, mine, plot, shown, lowest)
        if set(keys) <= set(overlay.columns):
            _draw_reported(axes, at_target(request, rows_of(overlay, keys, key), mine), plot, shown)
        if grid.reported:
            add_to_title(axes, _target(request, mine))
        else:
            title = [axes.get_title(loc="left"), _target(request, mine)]
            axes.set_title(", ".join(filter(None, title)), loc="left", fontweight="bold")
    for key, axes in grid.reported.items():
        inside = rows_of(profiles, theirs, key)
        _draw_reported(axes, inside, plot, shown, joined=True)
        _reported_axis(axes, inside, plot, lowest)
        add_to_title(axes, _target(request, inside))
    sentences = [_band_text(plot, counts)] if counts else []
    sentences += sentences_beside(request, grid)
    finish(grid, request, _handles(request, grid, runs, overlay, shown), sentences)
    return grid.figure


def _handles(
    request: Request,
    grid: Grid,
    runs: pd.DataFrame,
    overlay: pd.DataFrame,
    shown: dict[tuple, Look],
) -> list[Any]:
    """Return what the legend explains."""
    handles: list[Any] = [
        Line2D([], [], color=look.colour, marker=look.marker, ls=look.dashes, label=label)
        for label, look in (
            (show_line(request.paper, value), look) for value, look in shown.items()
        )
    ]
    if any((pd.Series(d.values()) <= 0).any() for d in runs["layer_densities"]):
        label = "layer emptied in some run"
        handles.append(Line2D([], [], color="black", marker="x", ls="none", ms=8, label=label))
    if grid.reported or len(overlay):
        style: dict[str, Any] = {"marker": "o", "mfc": "white", "mec": "black", "ls": "none"}
        handles.append(Line2D([], [], label="reported", **style))
    return handles


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


def _draw_reported(
    axes: Axes,
    profiles: pd.DataFrame,
    plot: LayerDensities,
    lines: dict[tuple, Look],
    joined: bool = False,
) -> None:
    """Draw reported curves as open markers, joined by a line in a panel of their own."""
    low, _ = axes.get_ylim()
    for key, look in lines.items():
        for kept in rows_of(profiles, plot.lines, key)["layer_densities"]:
            values = np.array(list(kept.values()), dtype=float)
            heights = 1 - values if plot.show == "pruning_rate" else 100 * values
            style: dict[str, Any] = {"mfc": "white", "mec": look.colour, "ms": 4.5, "ls": "none"}
            if joined:
                style |= {"ls": look.dashes, "color": look.colour, "lw": 1.1}
            elif plot.show == "kept":
                heights = np.maximum(heights, low)
            axes.plot(list(kept), heights, marker=look.marker, gid="reported", zorder=5, **style)


def _reported_axis(axes: Axes, profiles: pd.DataFrame, plot: LayerDensities, lowest: float) -> None:
    """Scale the axes of a reported panel as those of ours."""
    if plot.show == "pruning_rate":
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("pruning rate (fraction removed)")
    else:
        _kept_axis(axes, lowest)
    axes.set_xlabel("layer number, from input to output")
    last = max(max(kept) for kept in profiles["layer_densities"])
    axes.set_xlim(0.3, last + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    if place(axes).colspan.start:
        axes.set_ylabel("")


def _lowest(profiles: Sequence[Mapping[Any, float]]) -> float:
    """Return half of the smallest positive density: where emptied layers are drawn."""
    positive = [value for densities in profiles for value in densities.values() if value > 0]
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
    _kept_axis(axes, lowest)  # first: a flat profile would have no limits of its own
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
    _layer_axis(axes, names)
    return counts


def _kept_axis(axes: Axes, lowest: float) -> None:
    """Make y the percentage kept, on a logarithmic axis that ends a little above 100."""
    axes.set_yscale("log")
    axes.set_ylim(100 * lowest / 1.3, 140)
    axes.set_yticks(*percent_ticks(100 * lowest / 1.3))
    axes.set_yticks([], minor=True)
    axes.set_ylabel("weights kept in the layer (%)")


def percent_ticks(low: float) -> tuple[list[float], list[str]]:
    """Return ticks and labels of a percent axis that ends at 100.

    They are the decades, and their 2 and 5 too where the axis has only the one decade.
    """
    powers = range(math.floor(math.log10(low)), 3)
    steps = (1, 2, 5) if low > 10 else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    ticks = [tick for tick in ticks if low <= tick <= 100]
    return ticks, [f"{tick:g}" for tick in ticks]


def _layer_axis(axes: Axes, names: list[str]) -> None:
    """Name the layers where there is room, else number them."""
    if len(names) <= _MOST_NAMES:
        short = [name.removesuffix(".weight") for name in names]
        axes.set_xticks(range(1, len(names) + 1), short, rotation=35, ha="right", fontsize=7)
        axes.set_xlabel("layer, from input to output")
    else:
        axes.set_xlabel("layer number, from input to output")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
