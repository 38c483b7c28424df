"""Tables of reported numbers alone."""

from __future__ import annotations

import pandas as pd

from common.results.cells import require_columns, select
from common.results.naming import ordered_keys, rows_of, show
from common.results.spec import Paper, ReportedTable
from common.results.tables import BuiltTable, Layout

_MARKS = {1.0: "yes", 0.0: "no"}


def build_reported_table(
    paper: Paper, table: ReportedTable, reported: pd.DataFrame
) -> BuiltTable | None:
    """Build a table of reported numbers, or None where the paper reports none of them."""
    what = f"table {table.name!r} of {paper.name!r}"
    require_columns(reported, table.rows, what)
    rows = select(reported, table.where, what)
    rows = rows[rows["experiment"].isin(table.experiments) & rows["metric"].isin(table.metrics)]
    if not len(rows):
        return None
    keys = ordered_keys(paper, table.rows, rows)
    metrics = [metric for metric in table.metrics if (rows["metric"] == metric).any()]
    body = []
    for key in keys:
        mine = rows_of(rows, table.rows, key)
        shown = [show(paper, value) for value in key]
        body.append((*shown, *(_text(table, mine, metric) for metric in metrics)))
    header = [show(paper, name) for name in (*table.rows, *metrics)]
    sources = ", ".join(dict.fromkeys(rows["item"]))
    who = "Numbers as the paper reports them" if paper.by_the_paper else "Reported numbers"
    notes = (f"{who} ({sources}); no run of this replication is in them.",)
    columns = [*table.rows, "metric", "value", "item", "source", "note"]
    cells = rows[list(dict.fromkeys(columns))].reset_index(drop=True)
    return BuiltTable(
        cells, Layout(table.title, tuple(header), tuple(body), notes, len(table.rows))
    )


def _text(table: ReportedTable, rows: pd.DataFrame, metric: str) -> str:
    """Return what stands in a cell; several numbers are separated."""
    values = list(dict.fromkeys(rows.loc[rows["metric"] == metric, "value"]))
    marks = _MARKS if metric in table.marks else {}
    return " / ".join(marks.get(value, f"{value:,.10g}") for value in values)
