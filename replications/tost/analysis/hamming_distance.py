"""What ``hamming_distance.py`` does: a matrix of distances between masks (spec 2.10)."""

from __future__ import annotations

import itertools
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from common.errors import UserError
from common.results.plots.style import COLOURS, new_figure, plot_style
from replications.tost.analysis.drawing import Outcome, frame, percent
from replications.tost.analysis.hamming import Distance, distances
from replications.tost.analysis.levels import Level, level_of
from replications.tost.analysis.options import Named
from replications.tost.analysis.sources import open_source

_CELL = 0.42  # inches
_ALL_PAIRS = 5  # masks of one list up to which every pair has a bar
_WRITTEN = 10  # rows up to which a cell has its number
_BAR = COLOURS[0]


@dataclass(frozen=True)
class _Comparison:
    """Two lists of networks, which are one where each mask is compared with each.

    Attributes:
        sides: what to call the two lists.
        first: labels, levels and sparsities of the rows.
        second: likewise of the columns.
        matrix: their distances.
        pairs: rows and columns of the pairs that are drawn as bars.
    """

    sides: tuple[str, str]
    first: list[tuple[str, Level, float]]
    second: list[tuple[str, Level, float]]
    matrix: list[list[Distance]]
    pairs: list[tuple[int, int]]


def analyse(flags: Namespace) -> Outcome:
    """Compare the masks and return the heat map with bars, and the table of all pairs.

    Raises:
        UserError: no masks, or masks of networks with different layers.
    """
    alone = flags.masks is not None
    first, second = _lists(flags)
    rows = [level_of(open_source(one), flags.zero) for one in first]
    columns = rows if alone else [level_of(open_source(one), flags.zero) for one in second]
    matrix, names = distances(rows, columns, flags.scope)
    sides = ("", "") if alone else (flags.names[0], flags.names[1])
    comparison = _Comparison(
        sides,
        [_labelled(level, one, level.sparsity(names), alone) for level, one in zip(rows, first)],
        [
            _labelled(level, one, level.sparsity(names), alone)
            for level, one in zip(columns, second)
        ],
        matrix,
        _pairs(len(rows), alone),
    )
    return Outcome(_draw(comparison, flags), _table(comparison, flags.scope), _lines(comparison))


def _lists(flags: Namespace) -> tuple[list[Named], list[Named]]:
    if flags.masks is not None:
        if flags.first or flags.second:
            raise UserError("--masks: compares its own files; give it or --first and --second")
        if len(flags.masks) < 2:
            raise UserError("--masks: needs two files or more, found 1")
        return flags.masks, flags.masks
    if not flags.first or not flags.second:
        raise UserError("give --masks, or --first and --second (see --help)")
    if len(flags.first) != len(flags.second):
        raise UserError(
            f"--second: needs as many levels as --first, which has {len(flags.first)}; found "
            f"{len(flags.second)}"
        )
    return flags.first, flags.second


def _pairs(count: int, alone: bool) -> list[tuple[int, int]]:
    """Return the pairs that are bars: equal levels; of one list all, or neighbours."""
    if not alone:
        return [(i, i) for i in range(count)]
    if count <= _ALL_PAIRS:
        return list(itertools.combinations(range(count), 2))
    return [(i, i + 1) for i in range(count - 1)]


def _labelled(level: Level, given: Named, sparsity: float, alone: bool) -> tuple[str, Level, float]:
    """Return a network with its label: its sparsity where it is a level without one."""
    label = level.label if given.label or alone else percent(sparsity)
    return label, level, sparsity


def _table(comparison: _Comparison, scope: str) -> pd.DataFrame:
    """Return a row for each pair."""
    rows = []
    for i, (one, a, sparsity_a) in enumerate(comparison.first):
        for j, (other, b, sparsity_b) in enumerate(comparison.second):
            found = comparison.matrix[i][j]
            rows.append(
                {
                    "first": " ".join(filter(None, (comparison.sides[0], one))),
                    "second": " ".join(filter(None, (comparison.sides[1], other))),
                    "row": i,
                    "column": j,
                    "sparsity_first": sparsity_a,
                    "sparsity_second": sparsity_b,
                    "scope": scope,
                    "positions": found.positions,
                    "differing": found.differing,
                    "fraction": found.fraction,
                    "differing_by_chance": found.by_chance,
                    "removed_only_in_first": found.only_first,
                    "removed_only_in_second": found.only_second,
                    "kept_by_both": found.kept_by_both,
                    "overlap_of_kept": found.overlap,
                    "file_first": a.file,
                    "file_second": b.file,
                }
            )
    return pd.DataFrame(rows)


def _lines(comparison: _Comparison) -> list[str]:
    lines = []
    for i, j in comparison.pairs:
        found = comparison.matrix[i][j]
        one, other = comparison.first[i][0], comparison.second[j][0]
        lines.append(
            f"{one} against {other}: {found.differing} of {found.positions} positions differ "
            f"({100 * found.fraction:.2f} %; {found.by_chance:.0f} by chance)"
        )
    return lines


def _draw(comparison: _Comparison, flags: Namespace) -> Any:
    """Draw the matrix and, beside it, the bars of its diagonal or of neighbours."""
    rows, columns = len(comparison.first), len(comparison.second)
    longest = max(len(name) for name, *_ in (*comparison.first, *comparison.second))
    side = max(2.2, _CELL * max(rows, columns)) + 0.055 * longest
    bars = max(2.4, 0.34 * len(comparison.pairs) + 0.8)
    with plot_style():
        figure = new_figure(side + bars + 1.9, side + 0.3)
        matrix, below = figure.subplots(1, 2, width_ratios=(side + 0.6, bars))
        _draw_matrix(matrix, comparison)
        _draw_bars(below, comparison)
        handles = [
            Patch(color=_BAR, label="distance"),
            Line2D([], [], color="black", lw=1.8, label="expected of independent random masks"),
        ]
        what = "convolutional weights" if flags.scope == "conv" else "weights"
        caption = (
            f"Percent of {comparison.matrix[0][0].positions:,} {what} that one mask keeps and the "
            "other removes. The black lines: what independent random masks with the same layer "
            "densities would give."
        )
        frame(figure, flags.title or "Hamming distances of masks", caption, handles)
    return figure


def _draw_matrix(axes: Axes, comparison: _Comparison) -> None:
    values = np.array([[100 * found.fraction for found in row] for row in comparison.matrix])
    image = axes.imshow(values, cmap="Greys", vmin=0, vmax=max(float(values.max()), 1e-9))
    if max(values.shape) <= _WRITTEN:
        for (i, j), value in np.ndenumerate(values):
            dark = value > 0.55 * values.max()
            style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7}
            axes.text(j, i, f"{value:.3g}", color="white" if dark else "black", **style)
    axes.figure.colorbar(image, ax=axes, shrink=0.9)
    across, down = ([name for name, *_ in side] for side in (comparison.second, comparison.first))
    axes.set_xticks(range(len(across)), across, rotation=90)
    axes.set_yticks(range(len(down)), down)
    axes.set_xlabel(_side(comparison, 1))
    axes.set_ylabel(_side(comparison, 0))
    axes.grid(visible=False)
    axes.set_title("every pair", loc="left", fontweight="bold")


def _side(comparison: _Comparison, which: int) -> str:
    name = comparison.sides[which]
    labels = [label for label, *_ in (comparison.first, comparison.second)[which]]
    levels = all(label.endswith(" %") for label in labels)
    return f"{name}, sparsity" if name and levels else name


def _draw_bars(axes: Axes, comparison: _Comparison) -> None:
    found = [comparison.matrix[i][j] for i, j in comparison.pairs]
    places = np.arange(len(found))
    axes.bar(places, [100 * one.fraction for one in found], width=0.66, color=_BAR)
    chance = [100 * one.by_chance / one.positions for one in found]
    axes.hlines(chance, places - 0.42, places + 0.42, color="black", lw=1.8)
    axes.set_xticks(places, [_pair(comparison, i, j) for i, j in comparison.pairs], rotation=90)
    axes.set_xlim(-0.7, len(found) - 0.3)
    axes.set_ylim(0, 1.08 * max([*chance, *(100 * one.fraction for one in found), 1e-9]))
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("differing positions (%)")
    title = "level by level"
    if not any(comparison.sides):
        title = "pair by pair" if len(comparison.first) <= _ALL_PAIRS else "each with the next"
    axes.set_title(title, loc="left", fontweight="bold")


def _pair(comparison: _Comparison, i: int, j: int) -> str:
    one, other = comparison.first[i][0], comparison.second[j][0]
    return one if one == other else f"{one}\n{other}"
