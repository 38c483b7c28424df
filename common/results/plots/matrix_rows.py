"""Which numbers a matrix shows: runs at its targets, or their changes against other runs."""

from __future__ import annotations

import pandas as pd

from common.results.cells import KEYS, by_seed, select
from common.results.naming import show_key
from common.results.plots.layout import Request
from common.results.reported import snap
from common.results.spec import Matrix, Selector


def changes(runs: pd.DataFrame, metric: str, minus: Selector, what: str) -> pd.DataFrame:
    """Return the other runs with their metric less that of their counterpart.

    Args:
        runs: finished runs, the counterparts among them.
        metric: the column that changes.
        minus: selects the counterparts. That of a run agrees with it in seed and in all of
            experiment, method, variant, data set, architecture and sparsity but the columns
            selected by.
        what: the plot, for the error where a column does not exist.

    Returns:
        One row a run that has a counterpart; without the counterparts themselves.
    """
    counterparts = select(runs, minus, what)
    keys = [name for name in KEYS if name not in minus]
    taken = by_seed(counterparts, keys, metric).rename(columns={"value": "counterpart"})
    others = runs[~runs.index.isin(counterparts.index)]
    both = others.merge(taken.drop(columns="runs"), on=[*keys, "seed"])
    return both.assign(**{metric: both[metric] - both["counterpart"]}).drop(columns="counterpart")


def at_targets(request: Request, plot: Matrix, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the runs or reported numbers at the plot's sparsities, which they then bear."""
    rows = snap(rows, plot.targets, request.paper.sparsity_tolerance)
    there = rows[rows["sparsity"].isin(plot.targets)]
    if not plot.own_sparsity:
        return there
    own = rows[rows["sparsity"].isna()]
    present = [target for target in plot.targets if target in set(there["sparsity"])]
    copies = [own.assign(sparsity=target) for target in present] if len(own) else []
    return pd.concat([there, *copies], ignore_index=True)


def counterpart(request: Request, plot: Matrix) -> str:
    """Return what changes are changes against."""
    assert plot.minus is not None
    names = [show_key(request.paper, name, value) for name, value in plot.minus.items()]
    return ", ".join(names)
