"""The table of reported numbers, ours beside them, and their verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from common.results.cells import as_dicts
from common.results.naming import show
from common.results.report.data import PaperReport
from common.results.report.grid import (
    Cell,
    Column,
    Grid,
    fixed,
    interval,
    plain,
    signed,
    single_rows,
)
from common.results.spec import Paper

_PAIRS = (("method", "variant"), ("dataset", "architecture"))
"""Columns that share one of the table's, so that the verdict is in sight."""


def numbers_grid(report: PaperReport) -> Grid:
    """Return one row a reported number."""
    paper, numbers = report.paper, report.numbers
    metrics = numbers["metric"].nunique() > 1
    columns = [
        Column(_capital(show(paper, "experiment")), choose=True),
        *(
            Column(_capital(show(paper, a)), choose=True, hint=_hint(paper, a, b))
            for a, b in _PAIRS
        ),
        Column("Sparsity", number=True),
    ]
    columns += [Column("Metric", choose=True)] if metrics else []
    columns += [
        Column("Reported", number=True, hint="mean ± standard deviation (number of runs)"),
        Column("Ours", number=True, hint="mean ± standard deviation (seeds)"),
        Column("Difference", number=True, hint="ours less reported; below it the 95 % interval"),
        Column("Verdict", choose=True),
        Column("Source", wide=True, hint="where the number stands"),
    ]
    rows = [_row(paper, row, metrics) for row in as_dicts(numbers)]
    return Grid(
        "numbers",
        f"Reported numbers of {paper.title}",
        tuple(columns),
        single_rows(rows),
        notes=() if metrics else (f"Metric: {_metric(numbers['metric'].iloc[0])}.",),
        file=f"{paper.name}_numbers",
        tight=True,
    )


def _capital(text: str) -> str:
    """Return text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _hint(paper: Paper, first: str, second: str) -> str:
    """Return what the two lines of a cell are."""
    return f"{show(paper, first)}; below it {show(paper, second)}"


def _row(paper: Paper, row: Mapping[Any, Any], metrics: bool) -> list[Cell]:
    """Return one number as cells."""
    points = row["metric"].endswith(("_pct", "accuracy"))
    digits = 2 if points else 4
    cells = [
        Cell(show(paper, row["experiment"]), head=True),
        *(Cell(show(paper, row[a]), note=show(paper, row[b])) for a, b in _PAIRS),
        Cell(plain(row["sparsity"])),
    ]
    cells += [Cell(_metric(row["metric"]))] if metrics else []
    reported = plain(row["reported"]) + _spread(row["reported_std"], row["reported_n"], None)
    runs = tuple(str(row["run_ids"] or "").split())
    ours = ""
    if not math.isnan(row["ours"]):
        ours = fixed(row["ours"], digits) + _spread(row["ours_std"], row["ours_n"], digits)
    between = interval(row["low"], row["high"], digits)
    return [
        *cells,
        Cell(reported),
        Cell(ours, runs=runs),
        Cell(signed(row["difference"], digits), note=between),
        Cell(row["verdict"], verdict=True, note=row["reason"]),
        Cell("", note=_origin(row)),
    ]


def _origin(row: Mapping[Any, Any]) -> str:
    """Return where a number stands, without saying it twice."""
    parts: list[str] = []
    for text in (row["source"], row["item"], row["note"]):
        if text and not any(text in part for part in parts):
            parts.append(text)
    return "; ".join(parts)


def _spread(std: float, n: Any, digits: int | None) -> str:
    """Return `` ± 0.10 (3)`` as far as it is known."""
    known = not pd.isna(n) and int(n) > 0
    count = f" ({int(n)})" if known else ""
    if math.isnan(std):
        return count or (" (n unknown)" if digits is None else "")
    return f" ± {plain(std) if digits is None else fixed(std, digits)}{count or ' (n unknown)'}"


def _metric(name: str) -> str:
    """Return the name of a reported metric in words."""
    return f"{name.removesuffix('_pct').replace('_', ' ')}{' (%)' if name.endswith('_pct') else ''}"
