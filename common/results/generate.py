"""Making all tables, plots, claims and the index from the records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from common.errors import unknown_name
from common.results.claim_files import write_claims
from common.results.claims import evaluate
from common.results.derived import LAYER_METRICS
from common.results.formats import table_latex, table_markdown, write_csv, write_text
from common.results.index import Entry, index_markdown
from common.results.plot_files import plot_workers, start_plots
from common.results.records import (
    OBJECT_COLUMNS,
    load_records,
    records_frame,
    without_others_metrics,
)
from common.results.reported import load_reported
from common.results.reported_tables import build_reported_table
from common.results.spec import REPORTED, Paper, config_columns
from common.results.tables import BuiltTable, build_table
from common.results.verdict_files import FOLDER as VERDICTS
from common.results.verdict_files import PaperVerdicts, write_all_verdicts, write_paper_verdicts
from common.results.verdicts import number_verdicts


def generate(
    papers: Mapping[str, Paper], root: Path, only: str | None = None, jobs: int = 1
) -> list[Path]:
    """Write everything that follows from ``root/records``.

    Args:
        papers: the papers by name. Records of other papers are left alone.
        root: the results folder.
        only: the one paper whose files are made; the index always covers all.
        jobs: processes that draw plots; 1 draws in this one. The files are the same.

    Returns:
        The files written, in order. Tables, plots and claims of these papers that records no
        longer give are removed.

    Raises:
        UserError: a record, a reported number or a paper's description is wrong.
    """
    if only is not None and only not in papers:
        raise unknown_name("--paper", only, papers)
    chosen = [name for name in papers if only in (None, name)]
    records = [record for record in load_records(root / "records") if record["paper"] in papers]
    frame = records_frame(records, config_columns(papers.values()))
    entries, written = [], []
    with plot_workers(jobs) as workers:
        for name, paper in papers.items():
            mine = frame[frame["paper"] == name].reset_index(drop=True)
            reported, protocols = load_reported(paper), _protocols(paper, mine)
            if name in chosen:
                plots = start_plots(workers, root, paper, protocols, mine, reported)
            claims = {protocol: evaluate(paper, mine, protocol) for protocol in protocols}
            found = PaperVerdicts(paper, number_verdicts(paper, mine, reported), claims)
            entries.append(Entry(found, mine))
            if name not in chosen:
                continue
            files = _write_tables(root, paper, mine, reported)
            files += write_paper_verdicts(root, found) + plots()
            for protocol, results in claims.items():
                stem = root / "claims" / f"{name}_{protocol}"
                write_claims(stem, paper, protocol, results)
                files += [stem.with_name(f"{stem.name}.{end}") for end in ("json", "csv", "md")]
            _remove_stale(root, name, files, papers)
            written += files
    written += write_all_verdicts(root, [entry.verdicts for entry in entries])
    write_text(root / "README.md", index_markdown(root, entries))
    return [*written, root / "README.md"]


def _protocols(paper: Paper, frame: pd.DataFrame) -> list[str]:
    """Return the protocol of the reported numbers (run or not), then those that have records."""
    first = paper.reported_protocol
    return [first, *sorted(set(frame["protocol"]) - {first})]


def _write_tables(
    root: Path,
    paper: Paper,
    frame: pd.DataFrame,
    reported: pd.DataFrame,
) -> list[Path]:
    """Write the tables of all protocols and the list of runs."""
    folder = root / "tables" / paper.name
    files = [folder / "runs.csv"]
    plain = frame.drop(columns=[*OBJECT_COLUMNS, *LAYER_METRICS], errors="ignore")
    write_csv(files[0], without_others_metrics(plain))
    for table in paper.tables:
        for protocol in _protocols(paper, frame):
            built = build_table(paper, table, protocol, frame, reported)
            files += _write_table(folder, paper, f"{table.name}_{protocol}", built)
    for alone in paper.reported_tables:
        built = build_reported_table(paper, alone, reported)
        files += _write_table(folder, paper, f"{alone.name}_{REPORTED}", built)
    return files


def _write_table(folder: Path, paper: Paper, stem: str, built: BuiltTable | None) -> list[Path]:
    """Write one table in every format, if there is one."""
    if built is None:
        return []
    paths = [folder / f"{stem}.{ending}" for ending in ("csv", "md", "tex")]
    write_csv(paths[0], built.cells)
    write_text(paths[1], table_markdown(built.layout))
    write_text(paths[2], table_latex(built.layout, f"{paper.name}:{stem}"))
    return paths


def _remove_stale(root: Path, name: str, files: list[Path], papers: Mapping[str, Paper]) -> None:
    """Remove a paper's tables, plots, claims and verdicts that were not written this time."""
    found: list[Path] = []
    for folder, endings in (("tables", ("csv", "md", "tex")), ("plots", ("png", "svg"))):
        for ending in endings:
            found += (root / folder / name).glob(f"*.{ending}")
    others = [f"{other}_" for other in papers if other.startswith(f"{name}_")]
    for ending in ("json", "csv", "md"):
        claims = (root / "claims").glob(f"{name}_*.{ending}")
        found += [path for path in claims if not path.name.startswith(tuple(others))]
    found += [root / VERDICTS / f"{name}.{ending}" for ending in ("csv", "md")]
    for path in sorted(set(found) - set(files)):
        path.unlink(missing_ok=True)
