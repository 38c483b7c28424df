"""Tables: the cells with their statistics, and the pivoted layout that is printed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from common.results.cells import (
    KEYS,
    as_dicts,
    key_of,
    require_columns,
    select,
    summarise_cells,
    values_of,
)
from common.results.datasets import dataset_notes
from common.results.naming import decimals, metric_note, ordered_keys, show, show_key
from common.results.reported import comparable, match
from common.results.spec import Paper, Table

COLLAPSED, MIXED = "†", "‡"
_MOST_LISTED = 8
_FACTS = (
    *("protocol", "status", "seed", "run", "run_id", "config_hash", "collapsed", "precision"),
    *("chance", "train_images", "test_images", "dataset_complete", "dataset_note"),
)

ReportedCells = dict[int, dict[str, tuple[float, float]]]


@dataclass(frozen=True)
class Layout:
    """A table as text cells, free of any output format.

    ``runs`` names the runs behind a cell of the body, by its row and column.
    """

    title: str
    header: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    key_columns: int
    runs: Mapping[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class BuiltTable:
    """A table of one protocol: tidy cells for machines, a layout for people."""

    cells: pd.DataFrame
    layout: Layout


def table_runs(paper: Paper, table: Table, frame: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Return the runs of one protocol that a table shows, with the columns it needs."""
    what = f"table {table.name!r} of {paper.name!r}"
    require_columns(frame, (*table.rows, *table.columns, *table.where), what)
    keep = frame["experiment"].isin(table.experiments) & (frame["protocol"] == protocol)
    if not keep.any():
        return frame.iloc[:0]
    wanted = {*KEYS, *_FACTS, *table.rows, *table.columns, *table.where, table.metric}
    narrow = frame[[name for name in frame.columns if name in wanted]]  # is much faster
    chosen = select(narrow[keep], table.where, what)
    usable = chosen["status"] == "failed"
    if table.metric in chosen.columns:
        usable |= chosen[table.metric].notna()
    return chosen[usable]


def build_table(
    paper: Paper, table: Table, protocol: str, frame: pd.DataFrame, reported: pd.DataFrame
) -> BuiltTable | None:
    """Build a table of one protocol, or None where there is no run to show.

    Reported numbers enter only where ``protocol`` is that of the reported numbers, and only beside
    runs on a complete data set.
    """
    runs = table_runs(paper, table, frame, protocol)
    if not len(runs):
        return None
    keys = [*table.rows, *table.columns]
    cells = summarise_cells(runs, keys, table.metric)
    cells["cell"] = range(len(cells))
    pairs = None
    if protocol == paper.reported_protocol:
        pairs = _reported_pairs(paper, table, cells, runs, reported)
        pairs = pairs if len(pairs) else None
    layout = _layout(paper, table, protocol, runs, cells, pairs)
    return BuiltTable(_tidy(table, protocol, cells, pairs), layout)


def _reported_pairs(
    paper: Paper, table: Table, cells: pd.DataFrame, runs: pd.DataFrame, reported: pd.DataFrame
) -> pd.DataFrame:
    """Return the reported numbers of every cell: columns cell, label, value, value_std."""
    keys = [*table.rows, *table.columns]
    number = {key_of(row): cell for *row, cell in values_of(cells, *keys, "cell")}
    there = comparable(runs, paper.reported_protocol)
    rows: dict[tuple, tuple] = {}
    for at, names in zip(values_of(there, *keys), values_of(there, *KEYS), strict=True):
        cell = number.get(key_of(at))
        if cell is not None:
            rows.setdefault((cell, *key_of(names)), (*names, cell))
    ours = pd.DataFrame(list(rows.values()), columns=[*KEYS, "cell"])
    pairs = match(ours, reported, table.reported_name, paper.sparsity_tolerance)
    return pairs.sort_values(["cell", "row"], ignore_index=True)


def _tidy(
    table: Table, protocol: str, cells: pd.DataFrame, pairs: pd.DataFrame | None
) -> pd.DataFrame:
    """Return one row a cell for the CSV file."""
    keys = [*table.rows, *table.columns]
    numbers = ["n", "mean", "std", "ci_low", "ci_high"]
    state = ["failed", "collapsed", "configurations", "test_images", "dataset_complete"]
    images = cells["test_images"].astype("Int64")
    tidy = cells.assign(metric=table.metric, protocol=protocol, test_images=images)
    tidy = tidy[["cell", *keys, "metric", *numbers, "seeds", "protocol", *state, "config_hashes"]]
    if pairs is not None:
        for label in dict.fromkeys(pairs["label"]):
            end = f"_{label.replace(' ', '_')}" if label else ""
            theirs = pairs[pairs["label"] == label].drop_duplicates("cell").set_index("cell")
            tidy[f"reported{end}"] = tidy["cell"].map(theirs["value"])
            tidy[f"reported_std{end}"] = tidy["cell"].map(theirs["value_std"])
            tidy[f"difference{end}"] = tidy["mean"] - tidy[f"reported{end}"]
    return tidy.drop(columns="cell")


def _layout(
    paper: Paper,
    table: Table,
    protocol: str,
    runs: pd.DataFrame,
    cells: pd.DataFrame,
    pairs: pd.DataFrame | None,
) -> Layout:
    """Pivot the cells into text."""
    digits = decimals(table.metric)
    columns = ordered_keys(paper, table.columns, cells) if table.columns else [()]
    header = [show(paper, name) for name in table.rows]
    header += ["numbers"] if pairs is not None else []
    for key in columns:
        parts = [show_key(paper, name, value) for name, value in zip(table.columns, key)]
        header.append(", ".join(parts) or show(paper, table.metric))
    names = (*table.rows, *table.columns)
    find = {key_of(row[name] for name in names): row for row in as_dicts(cells)}
    theirs = None if pairs is None else _by_cell(pairs)
    body: list[tuple[str, ...]] = []
    behind: dict[tuple[int, int], tuple[str, ...]] = {}
    for row_key in ordered_keys(paper, table.rows, cells):
        found = [find.get(key_of((*row_key, *key))) for key in columns]
        shown = tuple(show(paper, value) for value in row_key)
        ours = tuple(cell_text(cell, digits) for cell in found)
        first = len(header) - len(columns)
        for column, cell in enumerate(found, first):
            if cell is not None:
                behind[len(body), column] = tuple(cell["run_ids"].split())
        if theirs is None:
            body.append((*shown, *ours))
            continue
        body.append((*shown, "ours", *ours))
        body += _reported_lines(theirs, found, len(shown), digits)
    notes = _notes(paper, table, protocol, runs, cells, pairs is not None)
    return Layout(table.title, tuple(header), tuple(body), tuple(notes), len(table.rows), behind)


def cell_text(cell: dict | None, digits: int) -> str:
    """Return ``mean ± std (n)`` with the marks of what happened to its runs."""
    if cell is None:
        return ""
    if not cell["n"]:
        return f"failed ({cell['failed']})"
    text = f"{cell['mean']:.{digits}f}"
    text += f" ± {cell['std']:.{digits}f}" if cell["n"] > 1 else ""
    text += f" ({cell['n']})"
    text += COLLAPSED if cell["collapsed"] else ""
    return text + (MIXED if cell["configurations"] > 1 else "")


def _by_cell(pairs: pd.DataFrame) -> ReportedCells:
    """Return the reported numbers (value, std) of every cell by label, in the pairs' order."""
    found: ReportedCells = {}
    for cell, label, value, std in values_of(pairs, "cell", "label", "value", "value_std"):
        found.setdefault(cell, {}).setdefault(label, (value, std))
    return found


def _reported_lines(
    pairs: ReportedCells, found: Sequence[dict | None], width: int, digits: int
) -> list[tuple[str, ...]]:
    """Return two lines a source for one row of the table: what it reports, and the difference."""
    there = sorted(cell["cell"] for cell in found if cell is not None)
    labels = dict.fromkeys(label for number in there for label in pairs.get(number, ()))
    lines = []
    for label in labels:
        values, differences = [], []
        for cell in found:
            number = None if cell is None else pairs.get(cell["cell"], {}).get(label)
            if cell is None or number is None:
                values.append("")
                differences.append("")
                continue
            value, std = number
            spread = "" if math.isnan(std) else f" ± {std:.{digits}f}"
            values.append(f"{value:.{digits}f}{spread}")
            gap = round(cell["mean"] - value, digits) + 0.0  # no negative zero
            differences.append(
                "" if math.isnan(gap) else f"{gap:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
            )
        blank = ("",) * width
        name = f" ({label})" if label else ""
        lines += [(*blank, f"reported{name}", *values), (*blank, f"difference{name}", *differences)]
    return lines


def _notes(
    paper: Paper,
    table: Table,
    protocol: str,
    runs: pd.DataFrame,
    cells: pd.DataFrame,
    compared: bool,
) -> list[str]:
    """Return the sentences below a table."""
    seeds = ", ".join(str(seed) for seed in sorted(set(runs["seed"])))
    notes = [
        f"Protocol: {protocol}. Metric: {metric_note(table.metric)}; mean ± standard deviation "
        f"over seeds (ddof 1), number of seeds in brackets. Seeds: {seeds}."
    ]
    if protocol != paper.reported_protocol:
        notes.append(
            "Not the paper's protocol: these numbers must not be set beside the paper's."
            if paper.by_the_paper
            else f"Not the protocol of the reported numbers ({paper.reported_protocol}): "
            "these numbers must not be set beside them."
        )
    elif not runs["dataset_complete"].all():
        notes.append("Cells on an incomplete data set are not compared with reported numbers.")
    elif not compared:
        notes.append("There are no reported numbers for these cells.")
    notes += [f"Data {text}." for text in dataset_notes(runs)]
    reduced = sorted(set(runs["precision"]) - {"", "float32"})
    if reduced:
        notes.append(f"Arithmetic of some or all runs: {', '.join(reduced)} autocast, not float32.")
    failed = runs[runs["status"] == "failed"]
    if len(failed):
        names = [f"{run} seed {seed}" for run, seed in zip(failed["run"], failed["seed"])]
        more = len(names) - _MOST_LISTED
        listed = "; ".join(names[:_MOST_LISTED]) + (f"; and {more} more" if more > 0 else "")
        notes.append(f"Failed runs, not averaged: {len(failed)} ({listed}); reasons in runs.csv.")
    if cells["collapsed"].any():
        notes.append(f"{COLLAPSED} some of the tickets have layers without a weight.")
    if (cells["configurations"] > 1).any():
        notes.append(f"{MIXED} mean over several configurations (hashes in the CSV file).")
    return notes
