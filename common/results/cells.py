"""Selecting runs and summarising them cell by cell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from common.errors import unknown_name
from common.results.spec import Selector
from common.results.statistics import t_factor

KEYS = ("experiment", "method", "variant", "dataset", "architecture", "sparsity")
"""What identifies a cell of reported numbers."""


def select(frame: pd.DataFrame, where: Selector, what: str = "selector") -> pd.DataFrame:
    """Return the rows whose columns have the asked values (see :data:`Selector`).

    Numbers agree when they agree to six decimals; None stands for a missing value.

    Raises:
        UserError: a column does not exist; ``what`` says where it was asked for.
    """
    keep = np.ones(len(frame), dtype=bool)
    for column, allowed in where.items():
        if column not in frame.columns:
            raise unknown_name(f"{what}: column", column, map(str, frame.columns))
        values = allowed if isinstance(allowed, (tuple, list, set, frozenset)) else (allowed,)
        keep &= _matches(frame[column], list(values))
    return frame[keep]


def _matches(column: pd.Series, values: list[Any]) -> np.ndarray:
    """Return where the column has one of the values."""
    present = [value for value in values if value is not None]
    if pd.api.types.is_float_dtype(column):
        numbers = [round(value, 6) for value in present if isinstance(value, (int, float))]
        hit = column.round(6).isin(numbers).to_numpy()
    else:
        hit = column.isin(present).to_numpy()
    return hit | column.isna().to_numpy() if None in values else hit


def require_columns(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise UserError for the first column that the frame lacks."""
    for column in columns:
        if column not in frame.columns:
            raise unknown_name(f"{what}: column", column, map(str, frame.columns))


def finished(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the finished runs that have the metric; none where no run has it."""
    if metric not in frame.columns:
        return frame.iloc[:0].assign(**{metric: np.empty(0)})
    return frame[(frame["status"] == "finished") & frame[metric].notna()]


def by_seed(frame: pd.DataFrame, keys: Sequence[str], metric: str) -> pd.DataFrame:
    """Return one row a cell and seed: the metric's mean as ``value``, its count as ``runs``."""
    groups = finished(frame, metric).groupby([*keys, "seed"], dropna=False, sort=True)
    return groups[metric].agg(value="mean", runs="count").reset_index()


def summarise_cells(frame: pd.DataFrame, keys: Sequence[str], metric: str) -> pd.DataFrame:
    """Summarise a metric over seeds in every cell.

    Runs of one cell and seed are averaged first, so ``n`` counts seeds. Cells in which every run
    failed are there with n = 0.

    Returns:
        One row a cell: the keys, n, mean, std (ddof 1), ci_low, ci_high (95 % t-interval), seeds
        (text), failed (runs), collapsed (finished runs with emptied layers), configurations
        (distinct ones), config_hashes (text), run_ids (text, failed runs among them), test_images
        (smallest), dataset_complete,
        at_chance (some finished run is not clearly above chance; accuracies only).
    """
    keys = list(keys)
    seeds = by_seed(frame, keys, metric)
    cells = seeds.groupby(keys, dropna=False, sort=True)["value"].agg(
        n="count", mean="mean", std="std"
    )
    rows = finished(frame, metric)
    rows = rows.assign(
        at_chance=at_chance(rows, metric), is_collapsed=(rows["collapsed"] > 0).astype(int)
    )
    texts = seeds.groupby(keys, dropna=False, sort=True)["seed"].agg(_join)
    more = rows.groupby(keys, dropna=False, sort=True).agg(
        collapsed=("is_collapsed", "sum"),
        configurations=("config_hash", "nunique"),
        config_hashes=("config_hash", _join),
        test_images=("test_images", "min"),
        dataset_complete=("dataset_complete", "min"),
        at_chance=("at_chance", "max"),
    )
    failures = frame[frame["status"] == "failed"]
    failed = failures.groupby(keys, dropna=False, sort=True).size().rename("failed")
    shown = pd.concat([rows, failures]).groupby(keys, dropna=False, sort=True)["run_id"].agg(_join)
    table = cells.join(texts.rename("seeds")).join(more).reset_index()
    table = table.merge(failed.reset_index(), on=keys, how="outer", sort=True)
    table = table.merge(shown.rename("run_ids").reset_index(), on=keys, how="left")
    table = table.fillna({"n": 0, "failed": 0, "collapsed": 0, "configurations": 0})
    table = table.astype(
        {"n": int, "failed": int, "collapsed": int, "configurations": int, "at_chance": object}
    )
    table["seeds"] = table["seeds"].fillna("")
    table["config_hashes"] = table["config_hashes"].fillna("")
    table["at_chance"] = table["at_chance"].eq(True)
    table["dataset_complete"] = table["dataset_complete"].ne(False)
    half = [t_factor(n) / math.sqrt(n) if n > 1 else math.nan for n in table["n"]] * table["std"]
    table["ci_low"], table["ci_high"] = table["mean"] - half, table["mean"] + half
    return table


def at_chance(rows: pd.DataFrame, metric: str) -> pd.Series:
    """Return which runs are not clearly above guessing: within three standard errors of it.

    The standard error is that of a guesser's accuracy on the run's own test set; without its size,
    or for a metric that is no accuracy, nothing is marked.
    """
    if not metric.endswith("accuracy"):
        return pd.Series(False, index=rows.index)
    share = rows["chance"] / 100
    error = 100 * np.sqrt(share * (1 - share) / rows["test_images"])
    return rows[metric] <= rows["chance"] + 3 * error


def _join(values: pd.Series) -> str:
    """Return the distinct values in order as one text."""
    return " ".join(str(value) for value in sorted(set(values)))
