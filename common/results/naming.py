"""How names of columns, values and metrics read in tables and plots, and their order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from common.results.spec import Paper

METRICS = {
    "test_accuracy": "test accuracy (%)",
    "best_test_accuracy": "best test accuracy of all epochs (%)",
    "test_accuracy_at_best_validation": "test accuracy at the best validation epoch (%)",
    "prefinetune_test_accuracy": "test accuracy before fine-tuning (%)",
    "train_accuracy": "training accuracy (%)",
    "test_loss": "test loss (nats)",
    "seconds": "run time (s)",
}
METRIC_NOTES = {
    "test_accuracy": "test accuracy after the last epoch, %",
    "best_test_accuracy": "best test accuracy of all epochs (selected on the test set), %",
    "test_accuracy_at_best_validation": "test accuracy at the epoch of best validation accuracy, %",
}


def metric_label(metric: str) -> str:
    """Return the metric with its unit."""
    if metric in METRICS:
        return METRICS[metric]
    return metric.replace("_", " ") + (" (%)" if metric.endswith("accuracy") else "")


def metric_note(metric: str) -> str:
    """Return what the metric is, for a caption."""
    return METRIC_NOTES.get(metric, metric_label(metric))


def decimals(metric: str) -> int:
    """Return how many decimals a metric is shown with."""
    return 2 if metric.endswith("accuracy") else 4


def show(paper: Paper, value: Any) -> str:
    """Return a value of a column, or a column's name, as a reader sees it."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return paper.labels.get(text, text.removeprefix("config.").replace("_", " "))


def show_key(paper: Paper, column: str, value: Any) -> str:
    """Return a value that needs its column's name to be understood, such as ``sparsity 0.9``."""
    text = show(paper, value)
    return f"{show(paper, column)} {text}" if not isinstance(value, str) else text


def sort_key(paper: Paper, column: str, value: Any) -> tuple[int, float, str]:
    """Return the key that sorts values: the paper's order, then numbers, then text."""
    order = list(paper.order.get(column, ()))
    if value in order:
        return (0, float(order.index(value)), "")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (1, math.inf if math.isnan(value) else float(value), "")
    return (2, 0.0, str(value))


def ordered(paper: Paper, column: str, values: Iterable[Any]) -> list[Any]:
    """Return the distinct values of a column in the order they are shown."""
    distinct = pd.unique(pd.Series(list(values), dtype=object))
    return sorted(distinct, key=lambda value: sort_key(paper, column, value))


def ordered_keys(paper: Paper, columns: Sequence[str], frame: pd.DataFrame) -> list[tuple]:
    """Return the distinct value tuples of some columns in the order they are shown."""
    if not len(frame):
        return []
    rows = frame[list(columns)].drop_duplicates().astype(object)
    keys = [tuple(row) for row in rows.itertuples(index=False, name=None)]
    return sorted(keys, key=lambda key: [sort_key(paper, c, v) for c, v in zip(columns, key)])


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal, counting missing ones as equal."""
    missing = [value is None or value != value for value in (left, right)]  # noqa: PLR0124 - NaN
    return all(missing) if any(missing) else bool(left == right)


def rows_of(frame: pd.DataFrame, columns: Sequence[str], key: Sequence[Any]) -> pd.DataFrame:
    """Return the rows whose columns have the key's values."""
    keep = pd.Series(True, index=frame.index)
    for column, value in zip(columns, key):
        missing = value is None or value != value  # noqa: PLR0124 - NaN
        keep &= frame[column].isna() if missing else frame[column] == value
    return frame[keep]
