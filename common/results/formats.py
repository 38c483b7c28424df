"""Writing tables as Markdown, LaTeX and CSV; the bytes depend on the content alone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from common.results.tables import Layout

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "\N{MINUS SIGN}": r"$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "†": r"$^{\dagger}$",
    "‡": r"$^{\ddagger}$",
    "\N{EN DASH}": "--",
}


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8 with Unix line ends, making its folder where need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame without its index; numbers are rounded to six decimals."""
    write_text(path, frame.round(6).to_csv(index=False, lineterminator="\n"))


def json_text(value: Any, indent: str = "") -> str:
    """Return a value as JSON of which whatever holds no list of objects stands in one line.

    So a row of numbers is a line, for readers and for those who compare two versions.
    """
    if not _holds_rows(value):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    inner = f"{indent} "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {json_text(value[key], inner)}" for key in sorted(value)]
        start, end = "{}"
    else:
        parts = [json_text(part, inner) for part in value]
        start, end = "[]"
    lines = ",\n".join(f"{inner}{part}" for part in parts)
    return f"{start}\n{lines}\n{indent}{end}"


def _holds_rows(value: Any) -> bool:
    """Return whether there is a list of objects or of lists in a value."""
    if isinstance(value, dict):
        return any(_holds_rows(part) for part in value.values() if isinstance(part, (dict, list)))
    return isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value)


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it stands."""
    return "".join(_LATEX.get(character, character) for character in text)


def escape_markdown(text: str) -> str:
    """Return text that neither ends a table cell nor starts emphasis or a tag."""
    text = " ".join(text.split())
    return re.sub(r"([|*\\`<\[\]])", r"\\\1", text)


def markdown_table(
    header: Sequence[str], body: Sequence[Sequence[str]], left_columns: int = 1
) -> str:
    """Return a Markdown table; the first columns are flush left, the others flush right."""
    rule = [":--" if i < left_columns else "--:" for i in range(len(header))]
    lines = [[escape_markdown(text) for text in header], rule]
    lines += [[escape_markdown(text) for text in row] for row in body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def table_markdown(layout: Layout) -> str:
    """Return the Markdown of a table with its title and notes."""
    left = layout.key_columns + ("numbers" in layout.header)
    notes = "".join(f"- {escape_markdown(note)}\n" for note in layout.notes)
    grid = markdown_table(layout.header, layout.body, left)
    return f"# {escape_markdown(layout.title)}\n\n{grid}\n{notes}"


def table_latex(layout: Layout, label: str) -> str:
    """Return a ``table`` environment that needs the package ``booktabs`` only."""
    left = layout.key_columns + ("numbers" in layout.header)
    spec = "l" * left + "r" * (len(layout.header) - left)
    rows = []
    for number, row in enumerate(layout.body):
        if number and "numbers" in layout.header and any(row[: layout.key_columns]):
            rows.append(r"\midrule")
        rows.append(_latex_row(row))
    notes = "\n".join(escape_latex(note) + r"\par" for note in layout.notes)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{escape_latex(layout.title)}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{{spec}}}",
        r"\toprule",
        _latex_row(layout.header),
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"",
        r"\medskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        notes,
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(row: Sequence[str]) -> str:
    """Return one row of a ``tabular``."""
    return " & ".join(escape_latex(text) for text in row) + r" \\"
