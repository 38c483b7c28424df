"""How names of columns, values and metrics read in tables and plots, and their order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from common.results.cells import key_of, values_of
from common.results.spec import Paper

METRICS = {
    "test_accuracy": "test accuracy (%)",
    "best_test_accuracy": "best test accuracy of all epochs (%)",
    "test_accuracy_at_best_validation": "test accuracy at the best validation epoch (%)",
    "start_test_accuracy": "test accuracy of the ticket before training (%)",
    "prefinetune_test_accuracy": "test accuracy before fine-tuning (%)",
    "found_test_accuracy": "test accuracy, found network (%)",
    "pruned_test_accuracy": "test accuracy, pruned network (%)",
    "sampled_test_accuracy": "test accuracy, sampled networks (%)",
    "sampled_test_accuracy_std": "std over sampled networks (points)",
    "search_validation_accuracy": "best validation accuracy (%)",
    "search_epochs": "epochs of the search",
    "first_layer_density": "fraction kept in the first layer",
    "last_layer_density": "fraction kept in the last layer",
    "search_seconds": "run time of the search (s)",
    "total_epochs": "epochs of the search and the training",
    "search_best_epoch": "best epoch of the search",
    "search_train_loss": "training loss of the search (nats)",
    "search_seconds_per_epoch": "run time of a search epoch (s)",
    "exact_zeros": "fraction of latents exactly 0",
    "ghost_parameters": "parameters of the ghosts",
    "final_parameters": "parameters that the final network has",
    "sparsity": "sparsity (fraction removed)",
    "train_accuracy": "training accuracy (%)",
    "train_loss": "training loss (nats)",
    "test_loss": "test loss (nats)",
    "seconds": "run time (s)",
}
METRIC_NOTES = {
    "test_accuracy": "test accuracy of the network that the training leaves, %",
    "best_test_accuracy": "best test accuracy of all epochs (selected on the test set), %",
    "found_test_accuracy": "test accuracy of the found network by the method's own final rule, %",
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
    if metric.endswith("_parameters"):
        return 0
    if metric in ("search_epochs", "search_best_epoch", "search_seconds", "total_epochs"):
        return 1
    return 2 if metric.endswith(("accuracy", "accuracy_std")) else 4


def show(paper: Paper, value: Any) -> str:
    """Return a value of a column, or a column's name, as a reader sees it."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return paper.labels.get(text) or text.removeprefix("config.").replace("_", " ")


def show_key(paper: Paper, column: str, value: Any) -> str:
    """Return a value that needs its column's name to be understood, such as ``sparsity 0.9``."""
    if column == "sparsity" and same(value, None):
        return "own sparsity"  # found by the method, not asked for
    text = show(paper, value)
    return f"{show(paper, column)} {text}" if not isinstance(value, str) else text


def show_line(paper: Paper, key: Sequence[Any], columns: Sequence[str] = ()) -> str:
    """Return a curve's name from its values; missing ones and ``none`` say nothing beside others.

    Where a paper labels ``none`` itself, the label is shown; what it gives an empty label says
    nothing beside others either. With the key's columns, numbers have their names before them.
    """
    silent = {"", "none"} - set(paper.labels)
    silent |= {value for value, label in paper.labels.items() if not label}
    texts = [show(paper, value) for value in key]
    if columns:
        texts = [show_key(paper, name, value) for name, value in zip(columns, key, strict=True)]
    said = [value not in silent and not same(value, None) for value in key]
    parts = [text for text, says in zip(texts, said, strict=True) if says]
    return ", ".join(parts or texts)


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
    if not columns:
        return [()]
    keys: dict[tuple, tuple] = {}
    for row in values_of(frame, *columns):
        keys.setdefault(key_of(row), row)
    return sorted(
        keys.values(), key=lambda key: [sort_key(paper, c, v) for c, v in zip(columns, key)]
    )


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal, counting missing ones as equal."""
    missing = [value is None or value != value for value in (left, right)]  # noqa: PLR0124 - NaN
    return all(missing) if any(missing) else bool(left == right)


def rows_of(frame: pd.DataFrame, columns: Sequence[str], key: Sequence[Any]) -> pd.DataFrame:
    """Return the rows whose columns have the key's values; an empty frame needs no such columns."""
    if not len(frame):
        return frame
    keep = pd.Series(True, index=frame.index)
    for column, value in zip(columns, key):
        missing = value is None or value != value  # noqa: PLR0124 - NaN
        keep &= frame[column].isna() if missing else frame[column] == value
    return frame[keep]
