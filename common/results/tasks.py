"""What workers make of one paper's runs: verdicts, claims, tables, the list of runs.

Each task writes the files of what it makes, where told, and returns what the report shows of it.
All of them take the results folder ``root``; a ``paper``; its runs ``frame``, from
:func:`common.results.records.records_frame` less the columns that only plots need; its reported
numbers, from :func:`common.results.reported.load_reported`; and whether to ``write``. They raise
UserError where the paper's description asks for a column that the runs lack.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.results.claim_files import write_claims
from common.results.claims import evaluate
from common.results.derived import LAYER_METRICS
from common.results.formats import table_latex, table_markdown, write_csv, write_text
from common.results.records import without_others_metrics
from common.results.report.data import ShownTable
from common.results.reported_tables import build_reported_table
from common.results.spec import REPORTED, Paper, Table
from common.results.tables import build_table
from common.results.verdict_files import PaperVerdicts, write_paper_verdicts
from common.results.verdicts import number_verdicts

Tables = tuple[list[ShownTable], list[Path]]
"""Tables and the files that they were written to."""


def decide(
    root: Path, paper: Paper, frame: pd.DataFrame, reported: pd.DataFrame, write: bool
) -> tuple[PaperVerdicts, list[Path]]:
    """Decide a paper's claims and numbers and, where told, write the files that say so."""
    claims = {protocol: evaluate(paper, frame, protocol) for protocol in protocols_of(paper, frame)}
    numbers = number_verdicts(paper, frame, reported)
    found = PaperVerdicts(paper, numbers, claims)
    if not write:
        return found, []
    files = write_paper_verdicts(root, found)
    for protocol, results in claims.items():
        stem = root / "claims" / f"{paper.name}_{protocol}"
        write_claims(stem, paper, protocol, results)
        files += [stem.with_name(f"{stem.name}.{end}") for end in ("json", "csv", "md")]
    return found, files


def tabulate(
    tables: Sequence[Table],
    root: Path,
    paper: Paper,
    frame: pd.DataFrame,
    reported: pd.DataFrame,
    write: bool,
) -> Tables:
    """Build some of a paper's tables, of all protocols, and write them where told."""
    runs = {name: frame[frame["protocol"] == name] for name in protocols_of(paper, frame)}
    shown = []
    for table in tables:
        for protocol, mine in runs.items():
            built = build_table(paper, table, protocol, mine, reported)
            if built is not None:
                shown.append(ShownTable(f"{table.name}_{protocol}", protocol, built))
    return shown, _write_tables(root, paper, shown) if write else []


def list_all(
    root: Path, paper: Paper, frame: pd.DataFrame, reported: pd.DataFrame, write: bool
) -> Tables:
    """Build a paper's tables of reported numbers and write them and the list of runs where told."""
    shown = []
    for alone in paper.reported_tables:
        built = build_reported_table(paper, alone, reported)
        if built is not None:
            shown.append(ShownTable(f"{alone.name}_{REPORTED}", REPORTED, built))
    if not write:
        return shown, []
    path = root / "tables" / paper.name / "runs.csv"
    plain = frame.drop(columns=list(LAYER_METRICS), errors="ignore")
    write_csv(path, without_others_metrics(plain))
    return shown, [*_write_tables(root, paper, shown), path]


def protocols_of(paper: Paper, frame: pd.DataFrame) -> list[str]:
    """Return the protocol of the reported numbers (run or not), then those that have records."""
    first = paper.reported_protocol
    return [first, *sorted(set(frame["protocol"]) - {first})]


def _write_tables(root: Path, paper: Paper, tables: Sequence[ShownTable]) -> list[Path]:
    """Write tables in every format."""
    files = []
    for table in tables:
        stem = root / "tables" / paper.name / table.stem
        paths = [stem.with_name(f"{table.stem}.{ending}") for ending in ("csv", "md", "tex")]
        layout = table.built.layout
        write_csv(paths[0], table.built.cells)
        write_text(paths[1], table_markdown(layout))
        write_text(paths[2], table_latex(layout, f"{paper.name}:{table.stem}"))
        files += paths
    return files
