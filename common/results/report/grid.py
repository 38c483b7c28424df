"""Tables of the pages, free of HTML: what a cell says, how it sorts, which runs it leads to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MANY = 15
"""Rows above which a table scrolls in a box of its own."""

BROAD = 8
"""Columns above which a table is set in smaller type."""

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what it says.
        sort: what it sorts by, where its text does not begin with that number.
        verdict: it is a verdict, shown in its colour.
        href: it leads to this place of the report.
        runs: the ids of the runs behind it.
        head: it names its row.
        note: a second, smaller line.
    """

    text: str
    sort: float | None = None
    verdict: bool = False
    href: str = ""
    runs: tuple[str, ...] = ()
    head: bool = False
    note: str = ""

    @property
    def links(self) -> list[tuple[str, str]]:
        """Return label and id of every run; the hash is named where there are several."""
        hashes = {run.partition("-")[0] for run in self.runs}
        many = len(hashes) > 1
        return [(_run_label(run, many), run) for run in self.runs]


def _run_label(run: str, many: bool) -> str:
    """Return ``seed 0``, or ``152566d4, seed 0`` among runs of several configurations."""
    digits, _, seed = run.rpartition("-s")
    return f"{digits[:8]}, seed {seed}" if many else f"seed {seed}"


@dataclass(frozen=True)
class Column:
    """A column: its name, whether it holds numbers, whether a list chooses among its values.

    ``wide`` columns hold sentences.
    """

    name: str
    number: bool = False
    choose: bool = False
    wide: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Grid:
    """A table that can be sorted and filtered.

    Attributes:
        id: unique on its page.
        caption: what it shows.
        columns: its columns.
        groups: its rows; those of one group stay together when it is sorted, by its first row.
        notes: sentences below it.
        spans: a line of headings above the columns, as (text, columns it spans).
        total: a row that stays below.
        file: the name of the CSV file that the reader can save, without ending.
        tight: it is set in smaller type however few columns it has.
    """

    id: str
    caption: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[tuple[Cell, ...], ...], ...]
    notes: tuple[str, ...] = ()
    spans: tuple[tuple[str, int], ...] = ()
    total: tuple[Cell, ...] = ()
    file: str = ""
    tight: bool = False

    @property
    def grouped(self) -> bool:
        """Return whether some group has several rows."""
        return any(len(group) > 1 for group in self.groups)

    @property
    def kinds(self) -> str:
        """Return the names of its styles; one of many rows scrolls in its box."""
        chosen = {
            "tight": self.tight or len(self.columns) > BROAD,
            "tall": self.rows > MANY,
        }
        return " ".join(name for name, is_so in chosen.items() if is_so)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(len(group) for group in self.groups)


def single_rows(rows: Iterable[Sequence[Cell]]) -> tuple[tuple[tuple[Cell, ...], ...], ...]:
    """Return rows that stand alone as groups of one."""
    return tuple((tuple(row),) for row in rows)


def plain(value: object) -> str:
    """Return a number as printed elsewhere, without rounding noise; nothing for a missing one."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    if isinstance(value, float):
        return f"{round(value, 4) + 0.0:.10g}".replace("-", MINUS)
    return str(value)


def fixed(value: float, digits: int) -> str:
    """Return a number with so many decimals; nothing for a missing one."""
    return "" if math.isnan(value) else f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int) -> str:
    """Return a difference with its sign; nothing for a missing one."""
    if math.isnan(value):
        return ""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", MINUS)


def interval(low: float, high: float, digits: int) -> str:
    """Return ``+0.10 to +0.45``; nothing for a missing interval."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"{signed(low, digits)} to {signed(high, digits)}"


def said(counts: Mapping[str, int]) -> str:
    """Return counts that are not 0 in words, such as ``3 hold, 2 inconclusive``."""
    several = {"holds": "hold", "does not hold": "do not hold"}
    shown = [(name, count) for name, count in counts.items() if count]
    return ", ".join(f"{n:,} {several.get(name, name) if n > 1 else name}" for name, n in shown)


def plural(count: int, noun: str) -> str:
    """Return ``1 run`` or ``3 runs``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
