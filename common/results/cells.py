"""Selecting runs and summarising them cell by cell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from common.errors import unknown_name
from common.results.spec import Selector
from common.results.statistics import summarise

KEYS = ("experiment", "method", "variant", "dataset", "architecture", "sparsity")
"""What identifies a cell of reported numbers."""


def select(frame: pd.DataFrame, where: Selector, what: str = "selector") -> pd.DataFrame:
    """Return the rows whose columns have the asked values (see :data:`Selector`).

    Numbers agree when they agree to six decimals; None stands for a missing value.

    Raises:
        UserError: a column does not exist; ``what`` says where it was asked for.
    """
    return frame[Columns(frame).where(where, what)]


class Columns:
    """A frame for one who asks much of it: what was found once is kept."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._values: dict[str, list[Any]] = {}
        self._found: dict[tuple[str, tuple], np.ndarray] = {}

    def values(self, column: str) -> list[Any]:
        """Return a column's values."""
        if column not in self._values:
            self._values[column] = self.frame[column].tolist()
        return self._values[column]

    def rows(self, chosen: np.ndarray, *columns: str) -> Iterator[tuple[Any, ...]]:
        """Give the values of some columns in the rows that are chosen (bool, one a row)."""
        values = [self.values(column) for column in columns]
        return (tuple(column[row] for column in values) for row in np.flatnonzero(chosen))

    def where(self, where: Selector, what: str = "selector") -> np.ndarray:
        """Return which rows :func:`select` selects: bool, one a row.

        Raises:
            UserError: a column does not exist; ``what`` says where it was asked for.
        """
        keep = np.ones(len(self.frame), dtype=bool)
        for column, allowed in where.items():
            several = isinstance(allowed, (tuple, list, set, frozenset))
            values = tuple(allowed) if several else (allowed,)  # type: ignore[arg-type]
            if (column, values) not in self._found:
                if column not in self.frame.columns:
                    raise unknown_name(f"{what}: column", column, map(str, self.frame.columns))
                self._found[column, values] = _matches(self.frame[column], list(values))
            keep &= self._found[column, values]
        return keep


def _matches(column: pd.Series, values: list[Any]) -> np.ndarray:
    """Return where the column has one of the values."""
    present = [value for value in values if value is not None]
    if pd.api.types.is_float_dtype(column):
        numbers = [round(value, 6) for value in present if isinstance(value, (int, float))]
        hit = column.round(6).isin(numbers).to_numpy()
    else:
        hit = column.isin(present).to_numpy()
    return hit | column.isna().to_numpy() if None in values else hit


def values_of(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Give the values of some columns row by row; of small frames much faster than pandas' own."""
    return zip(*(frame[name].tolist() for name in columns), strict=True)


def key_of(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return a dictionary key in which missing values are equal."""
    return tuple(None if value is None or value != value else value for value in values)  # noqa: PLR0124 - NaN


def as_dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return every row as a dictionary; of small frames much faster than pandas' own."""
    names = list(frame.columns)
    return [dict(zip(names, row, strict=True)) for row in values_of(frame, *names)]


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
        (smallest), dataset_complete, at_chance (some finished run is not clearly above chance;
        accuracies only).
    """
    keys = list(keys)
    if metric not in frame.columns:
        frame = frame.assign(**{metric: math.nan})
    usable = ((frame["status"] == "finished") & frame[metric].notna()).to_numpy()
    groups = frame.groupby(keys, dropna=False, sort=True)
    cells = [_Cell() for _ in range(groups.ngroups)]
    facts = [frame[name] for name in ("seed", "status", "config_hash", "run_id", "collapsed")]
    facts += [frame["test_images"], frame["dataset_complete"]]
    guesses = at_chance(frame, metric) & usable
    codes = groups.ngroup().to_numpy()
    given = (pd.Series(codes), pd.Series(usable), frame[metric], guesses, *facts)
    for code, ok, value, guess, *run in zip(*(part.tolist() for part in given), strict=True):
        cells[code].add(ok, value, guess, *run)
    _, first = np.unique(codes, return_index=True)
    kept = [place for place, cell in enumerate(cells) if cell.seeds or cell.failed]
    rows = [cells[place].row() for place in kept]
    columns = {name: [row[name] for row in rows] for name in _Cell().row()}
    return frame[keys].iloc[first[kept]].reset_index(drop=True).assign(**columns)


class _Cell:
    """Collects the runs of one cell."""

    def __init__(self) -> None:
        self.seeds: dict[int, list[float]] = {}
        self.hashes: set[str] = set()
        self.run_ids: set[str] = set()
        self.failed = self.collapsed = 0
        self.test_images = math.nan
        self.complete, self.at_chance = True, False

    def add(
        self,
        usable: bool,
        value: float,
        guessed: bool,
        seed: int,
        status: str,
        config: str,
        run_id: str,
        collapsed: int,
        test_images: float,
        complete: bool,
    ) -> None:
        """Add a run; one that is finished but lacks the metric counts for nothing."""
        if status == "failed":
            self.failed += 1
            self.run_ids.add(run_id)
        if not usable:
            return
        self.seeds.setdefault(int(seed), []).append(value)
        self.hashes.add(config)
        self.run_ids.add(run_id)
        self.collapsed += collapsed > 0
        if not test_images >= self.test_images:  # the first one, or a smaller one
            self.test_images = self.test_images if math.isnan(test_images) else test_images
        self.complete &= bool(complete)
        self.at_chance |= bool(guessed)

    def row(self) -> dict[str, Any]:
        """Return the cell's numbers."""
        found = summarise([math.fsum(runs) / len(runs) for runs in self.seeds.values()])
        return {
            "n": found.n,
            "mean": found.mean,
            "std": found.std,
            "seeds": _join(self.seeds),
            "collapsed": self.collapsed,
            "configurations": len(self.hashes),
            "config_hashes": _join(self.hashes),
            "test_images": self.test_images,
            "dataset_complete": self.complete,
            "at_chance": self.at_chance,
            "failed": self.failed,
            "run_ids": _join(self.run_ids),
            "ci_low": found.low,
            "ci_high": found.high,
        }


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


def _join(values: Iterable[Any]) -> str:
    """Return the distinct values in order as one text."""
    return " ".join(str(value) for value in sorted(set(values)))
