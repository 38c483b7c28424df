"""What finding a ticket costs: horizontal bars on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from common.results.cells import by_seed, finished
from common.results.naming import metric_label, rows_of, show_line, sort_key
from common.results.plots.axes import place
from common.results.plots.beside import (
    all_keys,
    beside_rows,
    make_panels,
    on_our_axes,
    sentences_beside,
)
from common.results.plots.layout import Request, counts_text, finish, mixture_text
from common.results.plots.style import Look, paired_looks
from common.results.spec import Costs

_WIDTH = 3.5
_BAR = 0.62  # of the room between two bars
_ROOM_FOR_NUMBERS = 0.28  # of the axis, right of the longest bar
_ROOM_FOR_BOTH = 0.48  # with a reported number in brackets


def draw_costs(request: Request) -> Figure | None:
    """Draw a :class:`Costs`, or return None where it has nothing to show."""
    plot = request.plot
    assert isinstance(plot, Costs)
    parts = [finished(request.runs, m).assign(metric=m) for m in plot.metrics]
    parts = [part.assign(cost=part[m]) for part, m in zip(parts, plot.metrics, strict=True)]
    runs = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    rows = beside_rows(request, *plot.metrics)
    if not len(runs) and not (request.alone and len(rows)):
        return None
    lines = paired_looks(all_keys(request, plot.bars, rows), request.orders(plot.bars))
    order = {
        key: [sort_key(request.paper, column, value) for column, value in zip(plot.bars, key)]
        for key in lines
    }
    lines = {
        key: look
        for key, look in sorted(lines.items(), key=lambda item: order[item[0]])
        if len(rows_of(runs, plot.bars, key)) or len(rows_of(rows, plot.bars, key))
    }
    size = (_WIDTH, 0.95 + 0.27 * len(lines))
    grid, keys, theirs = make_panels(request, runs, rows, plot.bars, size, extra=("metric",))
    overlay = on_our_axes(request, rows)
    overlaid = set(keys) <= set(overlay.columns)
    counts: list[int] = []
    spread = False
    for key, axes in grid.panels.items():
        mine = rows_of(runs, keys, key)
        inside = rows_of(overlay, keys, key) if overlaid else overlay.iloc[:0]
        seeds = by_seed(mine, plot.bars, "cost")
        costs = {k: rows_of(seeds, plot.bars, k)["value"].tolist() for k in lines}
        beside = {k: rows_of(inside, plot.bars, k)["value"].tolist() for k in lines}
        counts += [len(values) for values in costs.values() if values]
        spread |= any(len(set(values)) > 1 for values in costs.values())
        _draw_panel(request, axes, lines, costs, beside, str(key[keys.index("metric")]))
    for key, axes in grid.reported.items():
        inside = rows_of(rows, theirs, key)
        costs = {k: rows_of(inside, plot.bars, k)["value"].tolist() for k in lines}
        _draw_panel(request, axes, lines, costs, {}, str(key[theirs.index("metric")]), False)
    mean = "Mean over seeds, " if max(counts, default=0) > 1 else ""
    sentences = [f"{mean}{counts_text(counts)}"] if counts else []
    mixture = mixture_text(runs, [*keys, *plot.bars]) if counts else ""
    sentences += [*sentences_beside(request, grid), *([mixture] if mixture else [])]
    finish(grid, request, _handles(spread, bool(grid.reported), len(overlay) > 0), sentences)
    return grid.figure


def _draw_panel(
    request: Request,
    axes: Axes,
    lines: Mapping[tuple, Look],
    costs: Mapping[tuple, Sequence[float]],
    beside: Mapping[tuple, Sequence[float]],
    metric: str,
    ours: bool = True,
) -> None:
    """Draw the bars of one panel from the top down, the numbers at their ends."""
    every = [v for part in (costs, beside) for values in part.values() for v in values if v > 0]
    low, high = min(every, default=1.0) / 2, max(every, default=1.0)
    axes.set_xscale("log")
    room = _ROOM_FOR_BOTH if any(beside.values()) else _ROOM_FOR_NUMBERS
    axes.set_xlim(low, low * (1.05 * high / low) ** (1 / (1 - room)))
    for number, (key, look) in enumerate(lines.items()):
        values = costs[key]
        end = low
        mean = sum(values) / max(len(values), 1)
        if values:
            end = max(*values, low)
            fill: dict[str, Any] = {"color": look.colour, "alpha": 0.75, "gid": "ours"}
            if not ours:
                fill = {"fc": "white", "ec": look.colour, "hatch": "////", "gid": "reported"}
            if mean > 0:
                axes.barh(number, mean - low, _BAR, left=low, lw=0.9, **fill)
            if len(set(values)) > 1 and ours:
                dots = [max(value, low) for value in values]
                axes.plot(dots, [number] * len(dots), "o", color="black", ms=2.6, gid="seed")
        shown = [mean] if ours and values else list(dict.fromkeys(values))
        text = " / ".join(map(cost_text, shown)) or "\N{EN DASH}"
        for value in beside.get(key, ()):
            style: dict[str, Any] = {"mfc": "white", "mec": look.colour, "mew": 1.3, "ms": 6}
            axes.plot(max(value, low), number, "D", gid="reported", zorder=6, **style)
            end = max(end, value)
            text += f" (reported {cost_text(value)})"
        axes.annotate(
            text,
            (end, number),
            xytext=(8 if beside.get(key) else 6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            gid="number",
        )
    names = [show_line(request.paper, key) for key in lines]
    axes.set_yticks(
        range(len(names)), names if place(axes).colspan.start == 0 else [""] * len(names)
    )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(2 * high)) + 1)
    step = max(1, len(powers) // 4)
    ticks = [10.0**power for power in powers[::step]]
    axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(f"{metric_label(metric)}, log scale")


def cost_text(value: float) -> str:
    """Return a cost with about three digits: ``2,850``, ``12.5``, ``0.032``."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def _handles(spread: bool, reported: bool, overlaid: bool) -> list[Any]:
    """Return what the legend explains."""
    handles: list[Any] = []
    if spread:
        seed: dict[str, Any] = {"marker": "o", "ls": "none", "color": "black", "ms": 3}
        handles.append(Line2D([], [], label="one seed", **seed))
    if reported:
        handles.append(Patch(fc="white", ec="black", hatch="////", label="reported"))
    if overlaid:
        style: dict[str, Any] = {"marker": "D", "mfc": "white", "mec": "black", "ls": "none"}
        handles.append(Line2D([], [], label="reported, on our axes", **style))
    return handles
