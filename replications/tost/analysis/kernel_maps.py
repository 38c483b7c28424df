"""What ``kernel_maps.py`` does: maps of dead filters, and histograms of zero rates (spec 2.10)."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from common.results.plots.style import COLOURS, GREY, new_figure, plot_style
from replications.tost.analysis.drawing import Outcome, frame, percent
from replications.tost.analysis.kernels import (
    GRIDS,
    FilterCounts,
    filter_counts,
    kernel_map,
    rate_histogram,
)
from replications.tost.analysis.levels import convolutions, level_of
from replications.tost.analysis.sources import open_sources

_PANEL = 2.4  # inches of a panel's width
_ABREAST = 5
_SHADES = ("#AAAAAA", "#000000", "#FFFFFF")
_TITLE = 30  # characters of a panel's title on one line


@dataclass(frozen=True)
class _Panel:
    """One network.

    Attributes:
        label: what to call it.
        file: where it comes from.
        sparsity: of its convolutions.
        counts: its filters by layer.
        alive: (filters,) bool.
        histogram: filters by zero rate.
    """

    label: str
    file: str
    sparsity: float
    counts: list[FilterCounts]
    alive: np.ndarray
    histogram: np.ndarray


def analyse(flags: Namespace) -> Outcome:
    """Draw the maps and histograms and return them with the table of all bins.

    Raises:
        UserError: a file that holds no network, or one without convolutions.
    """
    panels = []
    for source in open_sources(flags.network, distinct=False):
        level = level_of(source, flags.zero)
        names = convolutions(level)
        counts = filter_counts(level, names)
        alive = np.concatenate([layer.rates for layer in counts]) < flags.threshold
        histogram = rate_histogram(counts, flags.bins)
        panels.append(
            _Panel(level.label, level.file, level.sparsity(names), counts, alive, histogram)
        )
    lines = [
        f"{panel.label}: {int((~panel.alive).sum())} of {len(panel.alive)} filters are dead at "
        f"sparsity {percent(panel.sparsity)} of the convolutions"
        for panel in panels
    ]
    return Outcome(_draw(panels, flags), _table(panels, flags), lines)


def _table(panels: Sequence[_Panel], flags: Namespace) -> pd.DataFrame:
    """Return a row for each bin of each network."""
    edges = np.arange(flags.bins + 1) / flags.bins
    return pd.DataFrame(
        [
            {
                "network": panel.label,
                "sparsity": panel.sparsity,
                "zero_rate_from": edges[place],
                "zero_rate_to": edges[place + 1],
                "filters": int(count),
                "filters_percent": 100 * count / len(panel.alive),
                "all_filters": len(panel.alive),
                "dead_filters": int((~panel.alive).sum()),
                "threshold": flags.threshold,
                "file": panel.file,
            }
            for panel in panels
            for place, count in enumerate(panel.histogram)
        ]
    )


def _draw(panels: Sequence[_Panel], flags: Namespace) -> Figure:
    """Draw every network's map with its histogram below it, some networks abreast."""
    columns = min(_ABREAST, len(panels))
    bands = -(-len(panels) // columns)
    images = [kernel_map(panel.alive) for panel in panels]
    tall = max(image.shape[0] / image.shape[1] for image in images)
    high = (_PANEL * min(tall, 1.6) + 0.3, 1.6)
    with plot_style():
        width = max(5.4, columns * (_PANEL + 0.35))
        figure = new_figure(width, bands * sum(high) + 0.25 * bands)
        grid = figure.subplots(2 * bands, columns, squeeze=False, height_ratios=high * bands)
        for place in range(bands * columns):
            band, column = divmod(place, columns)
            above, below = grid[2 * band][column], grid[2 * band + 1][column]
            if place >= len(panels):
                above.set_axis_off()
                below.set_axis_off()
                continue
            _draw_map(above, panels[place], images[place])
            alike = [other for other in panels if len(other.alive) == len(panels[place].alive)]
            top = max(int(other.histogram.max()) for other in alike)
            _draw_histogram(below, panels[place], flags, top)
            if column == 0:
                below.set_ylabel("filters")
        handles = [
            Patch(fc="white", ec="black", lw=0.6, label="alive"),
            Patch(color="black", label="dead"),
            Patch(color=COLOURS[0], label="filters by zero rate"),
        ]
        if any((image < 0).any() for image in images):
            handles.append(Patch(color=_SHADES[0], label="no filter"))
        orders = {"column by column" if _runs_down(panel) else "row by row" for panel in panels}
        order = " or ".join(sorted(orders, reverse=True))
        caption = (
            f"Above: every filter of the convolutions, {order} from the first layer; dead where at "
            f"least {100 * flags.threshold:g} % of its weights are removed. Below: filters by the "
            "fraction of their weights that is removed; beyond the dashed line they are dead."
        )
        frame(figure, flags.title or "Filters that pruning has emptied", caption, handles)
    return figure


def _draw_map(axes: Axes, panel: _Panel, image: np.ndarray) -> None:
    colours = ListedColormap(_SHADES)
    axes.imshow(image, cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
    dead = 100 * float((~panel.alive).mean())
    label = panel.label if len(panel.label) <= _TITLE else f"{panel.label[: _TITLE - 1]}…"
    title = f"{label}\nsparsity {percent(panel.sparsity)}, dead {dead:.1f} %"
    axes.set_title(title, loc="left", fontsize=8.5)
    _mark_stages(axes, panel, image.shape)
    axes.tick_params(length=2, labelsize=6.5)
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_linewidth(0.6)


def _runs_down(panel: _Panel) -> bool:
    """Return whether filters that follow each other stand below each other."""
    return len(panel.alive) in GRIDS and GRIDS[len(panel.alive)][1]


def _mark_stages(axes: Axes, panel: _Panel, shape: tuple[int, ...]) -> None:
    """Mark where the filters of the stem and of every stage begin."""
    down = _runs_down(panel)
    step = shape[0] if down else shape[1]
    starts: dict[str, int] = {}
    seen = 0
    for layer in panel.counts:
        starts.setdefault(_stage(layer.layer), seen)
        seen += len(layer.removed)
    lanes = [start / step - 0.5 for start in starts.values()]
    room = 0.06 * (shape[1] if down else shape[0])
    ticks: list[tuple[float, str]] = []
    for lane, name in zip(reversed(lanes), reversed(starts), strict=True):
        if not ticks or ticks[-1][0] - lane >= room:
            ticks.append((lane, name))
    places, names = zip(*reversed(ticks), strict=True)
    if down:
        axes.set_xticks(places, names, rotation=45, ha="right")
        axes.set_yticks([])
    else:
        axes.set_yticks(places, names)
        axes.set_xticks([])


def _stage(layer: str) -> str:
    """Return the stage of a layer: what its name begins with, or itself in a plain sequence."""
    first, _, rest = layer.removesuffix(".weight").partition(".")
    return rest if first == "features" else first


def _draw_histogram(axes: Axes, panel: _Panel, flags: Namespace, top: int) -> None:
    edges = np.arange(flags.bins + 1) / flags.bins
    style: dict[str, Any] = {"width": 1 / flags.bins, "align": "edge", "ec": "white", "lw": 0.4}
    axes.bar(edges[:-1], panel.histogram, color=COLOURS[0], **style)
    axes.axvline(flags.threshold, color=GREY, ls="--", lw=1.0)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.06 * top)
    axes.set_xlabel("zero rate of a filter")
