"""What ``zero_kernels.py`` does: filters of which next to nothing is left (spec 2.10)."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from common.results.plots.axes import remaining, sparsity_axis
from common.results.plots.style import COLOURS, GREY, looks, new_figure, plot_style
from replications.tost.analysis.drawing import NAME_INCHES, Outcome, frame, percent
from replications.tost.analysis.kernels import FilterCounts, filter_counts, strengths
from replications.tost.analysis.levels import Level, convolutions, level_of
from replications.tost.analysis.sources import open_sources

WHOLE = "all"
_CHANCE = "random masks of the same layer densities"


@dataclass(frozen=True)
class _Network:
    """A network and the filters of its convolutions."""

    level: Level
    names: list[str]
    counts: list[FilterCounts]


def analyse(flags: Namespace) -> Outcome:
    """Count the zero kernels and return their plot and the table by network and layer.

    Raises:
        UserError: a file that holds no network, or one without convolutions.
    """
    networks = []
    for source in open_sources(flags.network, distinct=False):
        level = level_of(source, flags.zero)
        names = convolutions(level)
        networks.append(_Network(level, names, filter_counts(level, names)))
    table = pd.concat([_rows(network, flags.threshold) for network in networks])
    table = table.reset_index(drop=True)
    draw = _draw_layers if len(networks) == 1 else _draw_levels
    return Outcome(draw(table, flags), table, _lines(table))


def _rows(network: _Network, threshold: float) -> pd.DataFrame:
    """Return a row for the whole network and one for each layer."""
    level = network.level
    parts = [(WHOLE, network.names, network.counts)]
    parts += [(one.layer, [one.layer], [one]) for one in network.counts]
    rows = []
    for layer, names, counts in parts:
        filters = sum(len(one.removed) for one in counts)
        zero = sum(one.zero_kernels(threshold) for one in counts)
        strength = strengths(level, names)
        rows.append(
            {
                "network": level.label,
                "layer": layer.removesuffix(".weight"),
                "sparsity": level.sparsity(names),
                "filters": filters,
                "threshold": threshold,
                "zero_kernels": zero,
                "zero_kernels_percent": 100 * zero / filters,
                "by_chance_percent": 100
                * sum(one.by_chance(threshold) for one in counts)
                / filters,
                "empty_filters": sum(int((one.removed == one.size).sum()) for one in counts),
                "mean_zero_rate": float(np.concatenate([one.rates for one in counts]).mean()),
                "weights": sum(level.removed[name].numel() for name in names),
                "kept_weights": strength.kept,
                "mean_abs_of_kept": strength.mean_abs,
                "std_of_kept": strength.std,
                "file": level.file,
            }
        )
    return pd.DataFrame(rows)


def _lines(table: pd.DataFrame) -> list[str]:
    return [
        f"{row['network']}: {row['zero_kernels']} of {row['filters']} filters "
        f"({row['zero_kernels_percent']:.2f} %) at sparsity {percent(row['sparsity'])} of the "
        "convolutions"
        for _, row in table[table["layer"] == WHOLE].iterrows()
    ]


def _caption(table: pd.DataFrame, threshold: float) -> str:
    counts = sorted(set(table.loc[table["layer"] == WHOLE, "filters"]))
    of = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return (
        f"A filter counts where more than {100 * threshold:g} % of its weights are removed; "
        f"{of} filters of all convolutions together. Expected: if every layer's mask were "
        "permuted at random within the layer."
    )


def _draw_layers(table: pd.DataFrame, flags: Namespace) -> Figure:
    """Draw the share of every layer of one network."""
    whole, layers = table[table["layer"] == WHOLE].iloc[0], table[table["layer"] != WHOLE]
    with plot_style():
        names = [f"{row.layer} ({row.filters})" for row in layers.itertuples()]
        high = 2.3 + NAME_INCHES * max(map(len, names))
        figure = new_figure(max(5.4, 1.2 + 0.3 * len(layers)), high)
        axes = figure.subplots()
        places = np.arange(len(layers))
        axes.bar(places, layers["zero_kernels_percent"], width=0.66, color=COLOURS[0])
        chance = layers["by_chance_percent"]
        axes.hlines(chance, places - 0.42, places + 0.42, color="black", lw=1.8)
        axes.axhline(whole["zero_kernels_percent"], color=GREY, ls="--", lw=1.2)
        axes.set_xticks(places, names, rotation=90)
        axes.set_xlim(-0.8, len(layers) - 0.2)
        axes.grid(visible=False, axis="x")
        _share_axis(axes, [*layers["zero_kernels_percent"], *chance])
        axes.set_xlabel("layer (its filters)")
        handles = [
            Patch(color=COLOURS[0], label="of the layer"),
            Line2D([], [], color=GREY, ls="--", lw=1.2, label="of the whole network"),
            Line2D([], [], color="black", lw=1.8, label=f"expected of {_CHANCE}"),
        ]
        title = f"Zero kernels of {whole['network']}, sparsity {percent(whole['sparsity'])}"
        frame(figure, flags.title or title, _caption(table, flags.threshold), handles)
    return figure


def _draw_levels(table: pd.DataFrame, flags: Namespace) -> Figure:
    """Draw the share of every network against its sparsity; a line for each label."""
    wholes = table[table["layer"] == WHOLE].sort_values("sparsity")
    labels = list(dict.fromkeys(table["network"]))
    handles: list[Any] = []
    with plot_style():
        figure = new_figure(max(5.4, 2.2 + 0.42 * wholes["sparsity"].nunique()), 3.3)
        axes = figure.subplots()
        for label, look in looks(labels).items():
            mine = wholes[wholes["network"] == label]
            style: dict[str, Any] = {"color": look.colour, "marker": look.marker}
            x = remaining(mine["sparsity"])
            axes.plot(x, mine["zero_kernels_percent"], label=label, ls="-", **style)
            chance: dict[str, Any] = {
                "color": look.colour,
                "ls": (0, (1, 1)),
                "marker": look.marker,
            }
            axes.plot(x, mine["by_chance_percent"], mfc="white", ms=4, lw=1.0, **chance)
            handles.append(Line2D([], [], label=label, ls="-", **style))
        dotted: dict[str, Any] = {"color": GREY, "ls": (0, (1, 1)), "marker": "o", "mfc": "white"}
        handles.append(Line2D([], [], ms=4, lw=1.0, label=f"expected of {_CHANCE}", **dotted))
        sparsity_axis(axes, sorted(set(remaining(wholes["sparsity"])), reverse=True))
        _share_axis(axes, [*wholes["zero_kernels_percent"], *wholes["by_chance_percent"]])
        axes.set_xlabel("sparsity of the convolutions, and weights that remain (log scale)")
        caption = _caption(table, flags.threshold)
        frame(figure, flags.title or "Zero kernels against sparsity", caption, handles)
    return figure


def _share_axis(axes: Axes, values: list[float]) -> None:
    top = max([*values, 1.0])
    axes.set_ylim(-0.02 * top, 1.08 * top)
    axes.set_ylabel("zero kernels (% of filters)")
