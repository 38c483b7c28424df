"""The HTML of verdicts and of table rows, which are too many for a template to fill in quickly."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from common.results.report.grid import Cell, Column


def slug(text: str) -> str:
    """Return a verdict as the name of its style."""
    return text.replace(" ", "-")


def verdict_html(name: str) -> Markup:
    """Return a verdict in its colour, in words."""
    return Markup(_verdict(name))


def row_html(row: Sequence[Cell], columns: Sequence[Column]) -> Markup:
    """Return the cells of a row; every text in them is escaped."""
    return Markup("".join(_cell(cell, column) for cell, column in zip(row, columns, strict=True)))


def _verdict(name: str) -> str:
    return f'<span class="verdict v-{escape(slug(name))}">{escape(name)}</span>'


def _cell(cell: Cell, column: Column) -> str:
    """Return one cell."""
    tag = 'th scope="row"' if cell.head else "td"
    kind = ' class="n"' if column.number else ' class="w"' if column.wide else ""
    sort = "" if cell.sort is None else f' data-sort="{cell.sort:.10g}"'
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<{tag}{kind}{sort}>{_content(cell)}{note}</{tag[:2]}>"


def _content(cell: Cell) -> str:
    """Return what a cell says, with the way to its runs."""
    if cell.verdict:
        return _verdict(cell.text)
    text = escape(cell.text)
    if cell.href:
        return f'<a href="{escape(cell.href)}">{text}</a>'
    if not cell.runs:
        return text
    if len(cell.runs) == 1 and text:
        return f'<a href="run.html#{escape(cell.runs[0])}">{text}</a>'
    links = "".join(
        f'<a href="run.html#{escape(run)}">{escape(label)}</a>' for label, run in cell.links
    )
    summary = f"<summary>{text or 'runs'}</summary>"
    return f'<details class="runs">{summary}<span class="list">{links}</span></details>'
