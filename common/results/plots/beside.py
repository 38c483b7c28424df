"""Panels of reported numbers beside ours: which numbers, which panels, which limits."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.results.cells import require_columns, select
from common.results.naming import ordered_keys, same, show_key
from common.results.plot_kinds import beside_of, curve_columns
from common.results.plots.axes import place
from common.results.plots.layout import NEVER_AVERAGED, Grid, Request, make_grid, panel_keys
from common.results.plots.style import new_figure

_PLACE = ("experiment", "dataset", "architecture")
_TINT = "#F6F2E9"
_LEAST_SHARE = 0.25  # of a common axis that the values of either panel must span
ALONE = "Numbers as the paper reports them; there is no run of this replication here yet"
ALONE_OTHERS = "Reported numbers; there is no run of ours here yet"
TINTED = "Tinted panels: numbers reported in the paper, not ours"
TINTED_OTHERS = "Tinted panels: reported numbers of the protocol {}, not ours"
OWN_AXES = "Neighbouring panels have y axes of their own"


def beside_rows(request: Request, *metrics: str, rename: bool = True) -> pd.DataFrame:
    """Return the reported numbers of some metrics that have panels of their own; often none.

    Without ``rename`` they keep the names that :attr:`Beside.becomes` would change.
    """
    beside, rows = beside_of(request.plot), request.reported
    if beside is None:
        return rows.iloc[:0]
    what = f"plot {request.plot.name!r} of {request.paper.name!r}: beside"
    require_columns(rows, beside.becomes, f"{what}.becomes")
    require_columns(rows, curve_columns(request.plot), f"{what}: curves of reported numbers")
    rows = rows[rows["experiment"].isin(beside.experiments) & rows["metric"].isin(metrics)]
    rows = select(rows, beside.where, what)
    return rows.assign(**beside.becomes) if rename else rows


def on_our_axes(request: Request, rows: pd.DataFrame) -> pd.DataFrame:
    """Return those of the rows that may be drawn on our axes.

    These are rows of the data sets (complete ones) and architectures of our runs, in the protocol
    of the reported numbers; none in any other.
    """
    ours = request.comparable
    there = rows["dataset"].isin(ours["dataset"]) & rows["architecture"].isin(ours["architecture"])
    return rows[there]


def their_keys(request: Request, rows: pd.DataFrame, used: Sequence[str]) -> list[str]:
    """Return the columns that make the panels of reported numbers."""
    keys = [name for name in request.plot.panels if name in rows.columns]
    taken = {*keys, *used}
    return keys + [
        name for name in NEVER_AVERAGED if name not in taken and rows[name].nunique() > 1
    ]


def make_panels(
    request: Request,
    runs: pd.DataFrame,
    rows: pd.DataFrame,
    used: Sequence[str],
    size: tuple[float, float],
    extra: Sequence[str] = (),
) -> tuple[Grid, list[str], list[str]]:
    """Return the panels of the runs and of the reported rows, and the columns that make either.

    Without reported rows this is :func:`make_grid`. With them a partner of ours stands to the
    right of its reported panel, two panels a row; reported panels alone stand three a row.

    Args:
        request: the plot.
        runs: what is drawn of ours.
        rows: the reported numbers with panels of their own.
        used: columns that name what is inside a panel.
        size: of a panel in inches.
        extra: columns of both that make panels besides the plot's own. Three panels in all then
            stand in one row.
    """
    keys = [*panel_keys(request, runs, used), *extra]
    theirs = [*their_keys(request, rows, used), *extra]
    if not len(rows):
        return make_grid(request, runs, keys, size), keys, theirs
    ours = ordered_keys(request.paper, keys, runs)
    reported = ordered_keys(request.paper, theirs, rows)
    pairs = pair_up(keys, ours, theirs, reported)
    partner = {mine: other for other, mine in pairs.items()}
    cells: list[tuple[bool, tuple]] = []
    for key in sorted(ours, key=lambda key: key not in partner):
        cells += [(True, partner[key])] if key in partner else []
        cells.append((False, key))
    cells += [(True, key) for key in reported if key not in pairs]
    columns = min(2 if ours and (len(cells) != 3 or not extra) else 3, len(cells))
    height = -(-len(cells) // columns)
    figure = new_figure(max(columns * size[0], 5.4), height * size[1])
    panels: tuple[dict[tuple, Axes], dict[tuple, Axes]] = ({}, {})
    for number, (is_theirs, key) in enumerate(cells):
        axes = figure.add_subplot(height, columns, number + 1)
        names = theirs if is_theirs else keys
        what = _whose(request, is_theirs)
        parts = [show_key(request.paper, name, value) for name, value in zip(names, key)]
        set_title(axes, "\n".join(filter(None, [what, ", ".join(parts)])))
        if is_theirs:
            axes.set_facecolor(_TINT)
        panels[is_theirs][key] = axes
    grid = Grid(figure, panels[False], height, size[1] + 0.15, panels[True], pairs)
    return grid, keys, theirs


def _whose(request: Request, is_theirs: bool) -> str:
    """Return the first line of a panel's title: whose numbers it shows."""
    if request.paper.by_the_paper:
        ours = f"This replication, protocol {request.protocol}"
        return "Reported in the paper" if is_theirs else ours
    # The reported numbers are another replication's.
    theirs = f"Reported, protocol {request.paper.reported_protocol}"
    return theirs if is_theirs else f"Our runs, protocol {request.protocol}"


def set_title(axes: Axes, title: str) -> None:
    """Set a panel's title, its lines broken where they are too long for the panel."""
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    room = int(12 * figure.get_figwidth() / place(axes).get_gridspec().ncols)  # characters
    lines = [textwrap.fill(line, room) for line in title.split("\n")]
    axes.set_title("\n".join(lines), loc="left", fontweight="bold")


def add_to_title(axes: Axes, text: str) -> None:
    """Add something to the last line of a panel's title."""
    *first, last = axes.get_title(loc="left").split("\n")
    set_title(axes, "\n".join([*first, ", ".join(filter(None, [last, text]))]))


def pair_up(
    our_columns: Sequence[str],
    ours: Sequence[tuple],
    their_columns: Sequence[str],
    theirs: Sequence[tuple],
) -> dict[tuple, tuple]:
    """Return which reported panel stands beside which of ours: key of theirs -> key of ours.

    First those that agree in every column both have, then those that agree in all but data set,
    architecture and experiment.
    """
    common = [name for name in our_columns if name in their_columns]
    pairs: dict[tuple, tuple] = {}
    for columns in (common, [name for name in common if name not in _PLACE]):
        for mine in ours:
            if mine in pairs.values():
                continue
            for other in theirs:
                values = ((mine[our_columns.index(c)], other[their_columns.index(c)])
                          for c in columns)  # fmt: skip
                if other not in pairs and all(same(a, b) for a, b in values):
                    pairs[other] = mine
                    break
    return pairs


def all_keys(
    request: Request, columns: Sequence[str], rows: pd.DataFrame, leave_out: str | None = None
) -> list[tuple]:
    """Return the names of all curves: of our runs in any protocol, then of reported ones alone."""
    ours = request.keys(columns, leave_out)
    theirs = rows[rows["method"] != leave_out] if len(rows) else rows
    reported = ordered_keys(request.paper, columns, theirs) if len(theirs) else []
    found = {tuple(map(_plain, key)) for key in ours}
    return ours + [key for key in reported if tuple(map(_plain, key)) not in found]


def _plain(value: Any) -> Any:
    """Return the value, None where it is missing."""
    return None if same(value, None) else value


def may_share(first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether two panels can have one axis without squeezing either one's values."""
    if not first or not second:
        return True
    whole = max(*first, *second) - min(*first, *second)
    spans = [max(values) - min(values) for values in (first, second)]
    return min(spans) >= _LEAST_SHARE * whole or whole <= 1.2 * max(spans)


def sentences_beside(request: Request, grid: Grid) -> list[str]:
    """Return the caption's sentences on reported panels."""
    own = request.paper.by_the_paper
    if request.alone:
        return [ALONE if own else ALONE_OTHERS]
    tinted = TINTED if own else TINTED_OTHERS.format(request.paper.reported_protocol)
    return [tinted] if grid.reported else []


def join_limits(grid: Grid, values: Mapping[Axes, Sequence[float]]) -> list[list[Axes]]:
    """Return groups of axes that should share an axis: pairs whose values allow it.

    Args:
        grid: the panels.
        values: what every panel shows.
    """
    groups = []
    for other, mine in grid.pairs.items():
        left, right = grid.reported[other], grid.panels[mine]
        if may_share(values[left], values[right]):
            groups.append([left, right])
    return groups
