"""How much a metric changes against other runs of the same seed, run by run."""

from __future__ import annotations

import pandas as pd

from common.results.cells import KEYS, by_seed, select
from common.results.spec import Selector


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
