"""Reported numbers and the runs of ours that they can be compared with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from common.errors import UserError
from common.results.cells import KEYS, finished, select, summarise_cells, values_of
from common.results.spec import PAPER_PROTOCOL, Paper

COLUMNS = (
    *("paper", "item", "experiment", "method", "variant", "dataset", "architecture", "sparsity"),
    *("metric", "value", "std", "seeds", "source", "note"),
)
TOLERANCE = 0.01
"""How far densities may be apart that are the same, where a paper does not say."""

_OURS = {
    "ours": "mean",
    "ours_std": "std",
    "ours_n": "n",
    "ours_seeds": "seeds",
    "run_ids": "run_ids",
    "test_images": "test_images",
    "failed": "failed",
    "configurations": "configurations",
}
_NUMBERS = ("sparsity", "value", "std")
_SAME = 1e-9
_Sparsity = TypeVar("_Sparsity", float, pd.Series)
_NAMES = ["experiment", "method", "variant", "dataset", "architecture"]


def load_reported(paper: Paper) -> pd.DataFrame:
    """Return the paper's reported numbers, translated into the names that records use.

    Columns are those of the file, with the translated text of ``method`` and so on,
    ``label``: who reports the number, empty where only one does; ``printed_sparsity``: the
    sparsity before the translation; and ``resolution``: half a unit of the value's last digit.

    Raises:
        UserError: the file is not there, lacks a column or holds text for a number.
    """
    if paper.reported is None:
        kinds = {name: "float64" if name in _NUMBERS else "str" for name in (*COLUMNS, "label")}
        kinds |= dict.fromkeys(("printed_sparsity", "resolution"), "float64")
        return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})
    if not paper.reported.is_file():
        raise UserError(f"paper {paper.name!r}: no reported numbers at {paper.reported}")
    frame = pd.read_csv(paper.reported, dtype=str, keep_default_na=False)
    for name in COLUMNS:
        if name not in frame.columns:
            raise UserError(f"{paper.reported}: column {name!r} is missing")
    decimals = frame["value"].str.extract(r"\.(\d+)", expand=False).str.len().fillna(0)
    frame["resolution"] = 0.5 * 10.0**-decimals
    for name in _NUMBERS:
        numbers = pd.to_numeric(frame[name].replace("", None), errors="coerce")
        wrong = frame.index[numbers.isna() & (frame[name] != "")]
        if len(wrong):
            line, text = wrong[0] + 2, frame[name][wrong[0]]
            raise UserError(f"{paper.reported}: {name} of row {line} is no number ({text!r})")
        frame[name] = numbers.astype("float64")
    _check_numbers(frame, paper.reported)
    dense = (frame["method"] == "dense") & frame["sparsity"].isna()
    frame.loc[dense, "sparsity"] = 0.0
    return _translate(frame.assign(label="", printed_sparsity=frame["sparsity"]), paper)


def _check_numbers(frame: pd.DataFrame, path: Path) -> None:
    """Raise UserError for a value that is missing or infinite, and an impossible spread."""
    seeds = frame["seeds"]
    checks = {
        "value": (np.isfinite(frame["value"]), "a finite number"),
        "std": (
            frame["std"].isna() | (np.isfinite(frame["std"]) & (frame["std"] >= 0)),
            "0 or more",
        ),
        "seeds": ((seeds == "") | seeds.str.fullmatch(r"[1-9]\d*"), "a whole number of 1 or more"),
    }
    for name, (fine, allowed) in checks.items():
        wrong = frame.index[~fine]
        if len(wrong):
            found = frame[name][wrong[0]]
            raise UserError(
                f"{path}: {name} of row {wrong[0] + 2} must be {allowed}, found {found}"
            )


def _translate(frame: pd.DataFrame, paper: Paper) -> pd.DataFrame:
    """Apply the paper's translations in turn."""
    for rule in paper.reported_as:
        index = select(frame, rule.where, f"paper {paper.name!r}: reported_as").index
        for column, value in rule.becomes.items():
            if column not in frame.columns:
                raise UserError(f"paper {paper.name!r}: reported_as sets unknown {column!r}")
            frame.loc[index, column] = value
        if rule.source:
            frame.loc[index, "label"] = rule.source
    return frame


def comparable(frame: pd.DataFrame, protocol: str = PAPER_PROTOCOL) -> pd.DataFrame:
    """Return the runs that reported numbers may stand beside.

    These are the runs of the protocol of the reported numbers on a complete data set.
    """
    return frame[(frame["protocol"] == protocol) & frame["dataset_complete"]]


def reported_epochs(reported: pd.DataFrame) -> pd.Series:
    """Return the epoch that every reported number belongs to, NaN where none is named.

    It stands in the column ``epoch`` of ``reported.csv``, where there is one, or else in the note
    as ``epoch 25``.
    """
    noted = reported["note"].str.extract(r"\bepoch (\d+(?:\.\d+)?)\b", expand=False)
    noted = pd.to_numeric(noted, errors="coerce")
    if "epoch" not in reported.columns:
        return noted.astype("float64")
    return pd.to_numeric(reported["epoch"], errors="coerce").fillna(noted).astype("float64")


def named_in(runs: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of which reported numbers bear the names, whatever their sparsity."""
    known = set(values_of(reported, *_NAMES))
    return runs[np.array([names in known for names in values_of(runs, *_NAMES)], dtype=bool)]


def match(
    ours: pd.DataFrame, reported: pd.DataFrame, metric: str, tolerance: float = TOLERANCE
) -> pd.DataFrame:
    """Pair cells of ours with the reported numbers of one metric.

    Names must agree. Densities must agree to the tolerance and the last of four printed digits,
    and the nearest of ours is taken. Where our method finds its own sparsity (NaN), every reported
    one fits; where the reported sparsity is empty, each of ours fits that no other reported number
    of the same label is for. Two numbers of one label for one cell have the labels ``x``, ``x 2``.

    Args:
        ours: one row a cell with the columns of :data:`KEYS`; further columns are kept.
        reported: from :func:`load_reported`.
        metric: name in ``reported.csv``.
        tolerance: as :attr:`common.results.spec.Paper.sparsity_tolerance`.

    Returns:
        The columns of ``ours`` with ``row`` (index of the reported row), ``label``, ``value`` and
        ``value_std``.
    """
    facts = ("sparsity", "label", "value", "std")
    theirs = reported[[*_NAMES, *facts]][reported["metric"] == metric]
    cells: dict[tuple, list[tuple[int, float]]] = {}
    for place, (*names, sparsity) in enumerate(values_of(ours, *_NAMES, "sparsity")):
        cells.setdefault(tuple(names), []).append((place, sparsity))
    found: list[_Pair] = []
    numbers = values_of(theirs, *_NAMES, *facts)
    for row, (*names, stated, label, value, std) in zip(theirs.index, numbers, strict=True):
        near: list[_Pair] = []
        for place, sparsity in cells.get(tuple(names), ()):
            distance = _distance(sparsity, stated, tolerance)
            if distance is not None:
                cell = (*names, None if math.isnan(sparsity) else sparsity)
                near.append(_Pair(row, place, cell, distance, label, value, std))
        least = min((pair.distance for pair in near), default=0.0)
        found += [p for p in near if math.isnan(stated) or p.distance <= least + _SAME]
    nearest: dict[tuple, float] = {}
    for pair in found:
        key = (pair.cell, pair.label)
        nearest[key] = min(pair.distance, nearest.get(key, math.inf))
    kept = [p for p in found if p.distance <= nearest[p.cell, p.label] + _SAME]
    labels, several = [], Counter[tuple]()
    marks = ours["cell"].tolist() if "cell" in ours.columns else [0] * len(ours)
    for pair in kept:
        mine = (pair.cell, marks[pair.place], pair.label)
        several[mine] += 1
        again = f" {several[mine]}" if several[mine] > 1 else ""
        labels.append(f"{pair.label}{again}".strip())
    return (
        ours.iloc[[pair.place for pair in kept]]
        .reset_index(drop=True)
        .assign(
            row=pd.Series([pair.row for pair in kept], dtype="int64"),
            label=pd.Series(labels, dtype="str"),
            value=pd.Series([pair.value for pair in kept], dtype="float64"),
            value_std=pd.Series([pair.std for pair in kept], dtype="float64"),
        )
    )


class _Pair(NamedTuple):
    """A cell of ours, by its place and its keys, and a reported number, by its row."""

    row: int
    place: int
    cell: tuple
    distance: float
    label: str
    value: float
    std: float


def _distance(ours: float, stated: float, tolerance: float) -> float | None:
    """Return how far sparsities are apart, None where they do not agree.

    A method that finds its own sparsity agrees with any; where none is stated, all are as far.
    """
    if math.isnan(ours):
        return 0.0
    if math.isnan(stated):
        return math.inf
    distance = abs(ours - stated)
    return distance if distance <= _room(stated, tolerance) else None


def _room(sparsity: _Sparsity, tolerance: float) -> _Sparsity:
    """Return how far a target may be from a reported sparsity: papers print what came out."""
    return tolerance * (1 - sparsity) + 5e-5


def snap(
    reported: pd.DataFrame, targets: Iterable[float], tolerance: float = TOLERANCE
) -> pd.DataFrame:
    """Return the reported rows with their sparsity set to the nearest target it agrees with."""
    sparsity = reported["sparsity"].astype(float)
    nearest = sparsity.copy()
    gap = pd.Series(float("inf"), index=sparsity.index)
    for target in targets:
        distance = (sparsity - target).abs()
        closer = (distance < gap) & (distance <= _room(sparsity, tolerance))
        nearest = nearest.mask(closer, target)
        gap = gap.mask(closer, distance)
    return reported.assign(sparsity=nearest)


def levels(
    reported: pd.DataFrame, targets: Iterable[float], tolerance: float = TOLERANCE
) -> pd.DataFrame:
    """Return the reported rows with equal sparsities where they agree with ours or one another.

    Those that agree with a target have it; others have their own with three digits of the density.
    """
    known = list(targets)
    for sparsity in sorted(set(reported["sparsity"].dropna())):
        own = round(1 - float(f"{1 - sparsity:.3g}"), 9)
        room = _room(sparsity, tolerance)
        if all(abs(sparsity - other) > room for other in known):
            known.append(own)
    return snap(reported, known, tolerance)


def at_our_sparsity(reported: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the reported rows, those with an empty sparsity once for each of ours that they fit.

    These are the sparsities of our runs with the same names, but for those that a reported number
    of the same label names. A row without such a run stays as it is.
    """
    empty = reported["sparsity"].isna()
    if not empty.any():
        return reported
    ours = runs[[*_NAMES, "sparsity"]].drop_duplicates()
    ours = ours.rename(columns={"sparsity": "our_sparsity"})
    filled = reported[empty].merge(ours, on=_NAMES, how="left")
    filled = filled.assign(sparsity=filled["our_sparsity"]).drop(columns="our_sparsity")
    stated = pd.MultiIndex.from_frame(reported.loc[~empty, [*_NAMES, "sparsity", "label"]])
    again = pd.MultiIndex.from_frame(filled[[*_NAMES, "sparsity", "label"]]).isin(stated)
    return pd.concat([reported[~empty], filled[~again]], ignore_index=True)


def our_metrics(metrics: Mapping[str, str | tuple[str, ...]], metric: str) -> tuple[str, ...]:
    """Return which metrics of ours a reported one may stand beside, the first choice first.

    Args:
        metrics: as :attr:`common.results.spec.Paper.compared_metrics`.
        metric: its name in ``reported.csv``.
    """
    names = metrics.get(metric, metric.removesuffix("_pct"))
    return (names,) if isinstance(names, str) else names


def comparison(
    frame: pd.DataFrame,
    reported: pd.DataFrame,
    metrics: Mapping[str, str | tuple[str, ...]] | None = None,
    tolerance: float = TOLERANCE,
    protocol: str = PAPER_PROTOCOL,
) -> pd.DataFrame:
    """Set every reported number beside ours of the protocol of the reported numbers.

    Args:
        frame: from :func:`common.results.records.records_frame`.
        reported: from :func:`load_reported`.
        metrics: as :attr:`common.results.spec.Paper.compared_metrics`.
        tolerance: as :attr:`common.results.spec.Paper.sparsity_tolerance`.
        protocol: as :attr:`common.results.spec.Paper.reported_protocol`.

    Returns:
        The reported rows with ours, ours_metric (its name), ours_std, ours_n, ours_seeds,
        run_ids, test_images, failed and configurations (of ours), difference (ours - reported) and
        status: ``compared``, ``not recorded`` (there are runs, without this metric), ``failed``,
        ``data set incomplete``,
        ``several sparsities of ours`` (the reported one is empty, so that none of ours can be
        preferred; no number is given) or ``not run``.
    """
    table = reported.rename(columns={"value": "reported", "std": "reported_std"})
    table = table.rename(columns={"seeds": "reported_seeds"})
    table = table.assign(ours=float("nan"), ours_metric="", ours_std=float("nan"), ours_n=0)
    table = table.assign(ours_seeds="", run_ids="", test_images=float("nan"))
    table = table.assign(failed=0, configurations=0)
    table = table.assign(difference=float("nan"), status="not run")
    unstated = reported["sparsity"].isna()
    mine = frame[frame["protocol"] == protocol]
    groups = (
        ("data set incomplete", mine[~mine["dataset_complete"]]),
        ("failed", mine[mine["status"] == "failed"]),
        ("not recorded", mine[mine["dataset_complete"] & (mine["status"] == "finished")]),
    )
    for metric in sorted(set(reported["metric"])):
        for status, runs in groups:
            if not len(runs):
                continue
            cells = runs[list(KEYS)].drop_duplicates()
            rows = match(cells, reported, metric, tolerance)["row"].unique()
            table.loc[rows, "status"] = status
        left = reported
        for name in our_metrics(metrics or {}, metric):
            runs = named_in(mine[mine["dataset_complete"]], left[left["metric"] == metric])
            if not len(finished(runs, name)):
                continue
            cells = summarise_cells(runs, KEYS, name)
            pairs = match(cells[cells["n"] > 0], left, metric, tolerance)
            left = left[~left.index.isin(pairs["row"])]
            unclear = pairs["row"].duplicated(keep=False) & unstated[pairs["row"]].to_numpy()
            table.loc[pairs.loc[unclear, "row"], "status"] = "several sparsities of ours"
            pairs = pairs[~unclear].drop_duplicates("row").set_index("row")
            table.loc[pairs.index, "ours_metric"] = name
            for column, source in _OURS.items():
                table.loc[pairs.index, column] = pairs[source]
            table.loc[pairs.index, "difference"] = pairs["mean"] - pairs["value"]
            table.loc[pairs.index, "status"] = "compared"
    return table.drop(columns=["label", "printed_sparsity"])
