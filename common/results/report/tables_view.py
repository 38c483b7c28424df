"""A paper's own tables, with the way from every cell to its runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from common.results.report.data import PaperReport, ShownTable
from common.results.report.grid import Cell, Column, Grid
from common.results.spec import REPORTED

KINDS = "numbers"
"""The header of the column that tells our rows from reported ones."""


@dataclass(frozen=True)
class TableView:
    """All forms of one table: one a protocol, or the reported one alone."""

    title: str
    protocols: tuple[str, ...]
    anchor: str
    grids: tuple[Grid, ...]


def table_views(report: PaperReport, runs: Collection[str]) -> list[TableView]:
    """Return a paper's tables in their order; those of one title stand together.

    Args:
        report: the paper.
        runs: the ids of all runs that have a page.
    """
    groups: dict[str, list[ShownTable]] = {}
    for shown in report.tables:
        groups.setdefault(shown.stem.removesuffix(f"_{shown.protocol}"), []).append(shown)
    return [
        TableView(
            found[0].built.layout.title,
            tuple(protocol_words(shown.protocol) for shown in found),
            f"tables-{name}",
            tuple(_grid(shown, runs) for shown in found),
        )
        for name, found in groups.items()
    ]


def _grid(shown: ShownTable, runs: Collection[str]) -> Grid:
    """Return one table of one protocol."""
    layout = shown.built.layout
    keys = layout.key_columns + (KINDS in layout.header)
    columns = [Column(name, number=i >= keys) for i, name in enumerate(layout.header)]
    groups: list[list[tuple[Cell, ...]]] = []
    for i, row in enumerate(layout.body):
        cells = tuple(
            Cell(
                text,
                head=j == 0 and bool(text),
                runs=tuple(run for run in layout.runs.get((i, j), ()) if run in runs),
            )
            for j, text in enumerate(row)
        )
        if not groups or any(row[: layout.key_columns]):
            groups.append([])
        groups[-1].append(cells)
    return Grid(
        f"table-{shown.stem}",
        f"{layout.title} ({protocol_words(shown.protocol)})",
        tuple(columns),
        tuple(map(tuple, groups)),
        notes=layout.notes,
        file=f"{shown.stem}",
    )


def protocol_words(protocol: str) -> str:
    """Return what stands over a table or a plot."""
    return "as the paper reports it" if protocol == REPORTED else f"protocol {protocol}"
