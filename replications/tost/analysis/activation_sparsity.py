"""What ``activation_sparsity.py`` does: how many activations are near zero (spec 2.10)."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from common.errors import UserError
from common.results.plots.style import GREY, Look, looks, new_figure, plot_style
from common.training import prepare_device
from replications.tost.analysis.drawing import NAME_INCHES, Outcome, frame
from replications.tost.analysis.networks import Network, build_network, by_label, make_place
from replications.tost.analysis.points import Point, choose_points, measure, original_indices
from replications.tost.analysis.sources import open_sources

_BARS = 3  # layers up to which bars are drawn in place of lines


def analyse(flags: Namespace) -> Outcome:
    """Measure the networks and return the plot and the table by network and layer.

    Raises:
        UserError: a file that is no such network, or a layer that it does not have.
    """
    sources = open_sources(flags.network, distinct=True)
    labels = [source.label for source in sources]
    configs = by_label(flags.config, labels, "--config")
    activations = by_label(flags.activation, labels, "--activation")
    context = make_place(flags)
    prepare_device(context.torch_device, context.threads)
    parts = []
    for source in sources:
        if source.is_ticket:
            note = "is a ticket; its start weights are measured, not trained ones"
            print(f"note: {source.label} {note}", file=sys.stderr)
        network = build_network(
            source,
            context,
            batch_size=flags.batch_size,
            config=configs.get(source.label, ""),
            activation=activations.get(source.label, ""),
        )
        parts.append(_rows(network, _chosen(network, flags), flags))
    table = pd.concat(parts).reset_index(drop=True)
    return Outcome(_draw(table, flags), table, _lines(table))


def _chosen(network: Network, flags: Namespace) -> list[Point]:
    """Return where a network is measured: by names, or by the original's indices."""
    if flags.layer is None:
        where = f"--layers, {network.source.label}"
        return choose_points(network.points, flags.layers, where)
    known = original_indices(network.name)
    for index in flags.layer:
        if index not in known:
            close = min(known, key=lambda other: abs(other - index))
            listed = ", ".join(f"{number} {name}" for number, name in known.items())
            raise UserError(
                f"--layer {index}: is no activation of the original's {network.name}; did you mean "
                f"{close}? (known: {listed})"
            )
    return choose_points(network.points, [known[index] for index in flags.layer])


def _rows(network: Network, points: Sequence[Point], flags: Namespace) -> pd.DataFrame:
    """Return a row for each layer of a network."""
    counts, accuracy = measure(
        network.model, points, network.test, flags.threshold, flags.batch_size
    )
    kinds = {point.name: point for point in points}
    try:
        indices = {name: index for index, name in original_indices(network.name).items()}
    except UserError:
        indices = {}
    images = network.test.image_count
    rows = [
        {
            "network": network.source.label,
            "model": network.name,
            "activation": network.activation,
            "dataset": network.dataset,
            "layer": name,
            "kind": kinds[name].kind,
            "module": kinds[name].module,
            "original_index": indices.get(name),
            "threshold": flags.threshold,
            "near_zero_percent": found.near_zero_percent,
            "zero_percent": found.zero_percent,
            "near_zero": found.near_zero,
            "values": found.values,
            "values_an_image": found.values // images,
            "images": images,
            "test_accuracy": accuracy,
            "file": str(network.source.path),
        }
        for name, found in counts.items()
    ]
    return pd.DataFrame(rows).astype({"original_index": "Int64"})


def _lines(table: pd.DataFrame) -> list[str]:
    lines = []
    for label, rows in table.groupby("network", sort=False):
        first = rows.iloc[0]
        lines.append(
            f"{label}: {first['activation']}, test accuracy {first['test_accuracy']:.2f} % on "
            f"{first['images']} images of {first['dataset']}"
        )
        width = max(len(name) for name in rows["layer"])
        lines += [
            f"  {row['layer']:<{width}}  {row['near_zero_percent']:6.2f} %"
            for _, row in rows.iterrows()
        ]
    return lines


def _draw(table: pd.DataFrame, flags: Namespace) -> Figure:
    """Draw every network over the layers: as lines, or as bars where there are few layers."""
    layers = _in_order(table)
    networks = list(dict.fromkeys(table["network"]))
    shown = looks(networks)
    few = len(layers) <= _BARS
    with plot_style():
        width = 0.9 + len(layers) * (0.5 + 0.3 * len(networks) if few else 0.36)
        high = 2.6 if few else 2.3 + NAME_INCHES * max(map(len, layers))
        figure = new_figure(max(5.4, width), high)
        axes = figure.subplots()
        handles: list[Any] = []
        for number, (label, look) in enumerate(shown.items()):
            rows = table[table["network"] == label].set_index("layer").reindex(layers)
            name = _legend_name(table, label)
            if few:
                _draw_bars(axes, rows, look.colour, (number, len(networks)))
                handles.append(Patch(color=look.colour, label=name))
            else:
                handles.append(_draw_line(axes, rows, look, name))
        if not few and set(table["kind"]) > {"inside"}:
            hollow: dict[str, Any] = {"color": GREY, "marker": "o", "ls": "", "mfc": "white"}
            handles.append(Line2D([], [], label="inside a block", **hollow))
        axes.set_xticks(range(len(layers)), layers, rotation=0 if few else 90)
        axes.set_xlim(-0.6, len(layers) - 0.4)
        top = max(float(table["near_zero_percent"].max()), 1.0)
        axes.set_ylim(0 if few else -0.02 * top, 1.08 * top)
        axes.set_xlabel("activation, in the order of the forward pass")
        axes.set_ylabel("activations near zero (%)")
        images = " / ".join(str(count) for count in dict.fromkeys(table["images"]))
        data = " / ".join(dict.fromkeys(table["dataset"]))
        caption = (
            f"Share of the values a with |a| ≤ {flags.threshold:g} among all that an activation "
            f"gives on the {images} test images of {data}. In brackets: what stands for ReLU, and "
            "the test accuracy."
        )
        if not few and set(table["kind"]) > {"inside"}:
            caption += " Filled: outputs of blocks and of the stem."
        frame(figure, flags.title or "Activations near zero", caption, handles)
    return figure


def _in_order(table: pd.DataFrame) -> list[str]:
    """Return the layers of all networks, each one's in its own order."""
    layers: list[str] = []
    for _, rows in table.groupby("network", sort=False):
        at = 0
        for name in rows["layer"]:
            if name in layers:
                at = layers.index(name) + 1
            else:
                layers.insert(at, name)
                at += 1
    return layers


def _legend_name(table: pd.DataFrame, label: str) -> str:
    first = table[table["network"] == label].iloc[0]
    return f"{label} ({first['activation']}, {first['test_accuracy']:.1f} %)"


def _draw_bars(axes: Axes, rows: pd.DataFrame, colour: str, place: tuple[int, int]) -> None:
    """Draw one network's bars: the number ``place[0]`` of ``place[1]`` in every group."""
    width = 0.8 / place[1]
    x = np.arange(len(rows)) + (place[0] - (place[1] - 1) / 2) * width
    bars = axes.bar(x, rows["near_zero_percent"], width=0.9 * width, color=colour)
    axes.bar_label(bars, fmt="%.1f", fontsize=7, padding=1)
    axes.grid(visible=False, axis="x")


def _draw_line(axes: Axes, rows: pd.DataFrame, look: Look, name: str) -> Line2D:
    """Draw one network's line, its marks hollow inside of blocks; return its legend's entry."""
    x = np.arange(len(rows))
    there = rows["near_zero_percent"].notna().to_numpy()
    style: dict[str, Any] = {"color": look.colour, "marker": look.marker}
    y = rows["near_zero_percent"].to_numpy(dtype=float)
    axes.plot(x[there], y[there], color=look.colour, ls="-")
    blocks = bool((rows["kind"].dropna() != "inside").any())
    for inside in (False, True):
        marked = there & ((rows["kind"] == "inside").to_numpy() == inside)
        hollow = inside and blocks
        axes.plot(x[marked], y[marked], ls="", mfc="white" if hollow else look.colour, **style)
    return Line2D([], [], ls="-", label=name, **style)
