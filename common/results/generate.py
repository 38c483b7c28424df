"""Making verdicts, tables, plots, claims, the report and the index from the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import pandas as pd

from common.results.drawn import DrawnPlots
from common.results.export import export
from common.results.formats import write_text
from common.results.index import Entry, index_markdown
from common.results.plot_files import start_plots
from common.results.records import OBJECT_COLUMNS, load_records, records_frame
from common.results.report.data import PaperReport
from common.results.report.shards import write_shards
from common.results.report.write import write_report
from common.results.reported import load_reported
from common.results.spec import REPORTED, Paper, Table, config_columns
from common.results.tasks import Tables, decide, list_all, protocols_of, tabulate
from common.results.verdict_files import FOLDER as VERDICTS
from common.results.verdict_files import PaperVerdicts, write_all_verdicts
from common.results.workers import PLAIN_TEXT, Wait, start

_TABLES_A_TASK = 6


def generate(
    papers: Mapping[str, Paper],
    root: Path,
    only: str | None = None,
    workers: ProcessPoolExecutor | None = None,
    export_to: Path | None = None,
) -> list[Path]:
    """Write everything that follows from ``root/records``.

    Args:
        papers: the papers by name. Records of other papers are left alone.
        root: the results folder.
        only: the one of the papers whose files are made; the index always covers all.
        workers: from :func:`common.results.workers.worker_pool`; without them this process does
            everything. The files are the same.
        export_to: a folder for the tables of :mod:`common.results.export`, or None.

    Returns:
        The files written, in order. Tables, plots and claims of these papers that records no
        longer give are removed.

    Raises:
        UserError: a record, a reported number or a paper's description is wrong.
    """
    drawn = DrawnPlots(root)
    written: list[Path] = []
    with pd.option_context(*PLAIN_TEXT):
        begin = partial(start, workers)
        reported = {name: load_reported(paper) for name, paper in papers.items()}
        shards = begin(write_shards, root, list(papers.values()))
        records = [record for record in load_records(root / "records") if record["paper"] in papers]
        frame = records_frame(records, config_columns(papers.values()))
        if export_to is None:
            records = []  # the frame holds what else is needed
        runs = {name: frame[frame["paper"] == name].reset_index(drop=True) for name in papers}
        given = {
            name: (root, paper, _plain(runs[name]), reported[name], only in (None, name))
            for name, paper in papers.items()
        }
        decided = {name: begin(decide, *of_paper) for name, of_paper in given.items()}
        plots = {}
        for name, paper in papers.items():  # before tables: one plot takes longer than many of them
            if only in (None, name):
                protocols = protocols_of(paper, runs[name])
                mine = (root, paper, protocols, runs[name], reported[name], drawn)
                plots[name] = start_plots(workers, *mine)
        parts = [
            _Part(
                runs[name],
                decided[name],
                begin(list_all, *given[name]),
                [begin(tabulate, batch, *given[name]) for batch in _batches(paper.tables)],
                plots.get(name),
            )
            for name, paper in papers.items()
        ]
        verdicts = [wait()[0] for wait in decided.values()]
        matrices = begin(write_all_verdicts, root, verdicts)
        try:
            pages = write_report(
                root, list(papers.values()), _reports(root, parts, papers, written), shards()
            )
        finally:
            drawn.save()  # what is drawn stays drawn whatever happens to the pages
        written += matrices()
    if export_to is not None:
        export(export_to, records, verdicts)
    entries = [Entry(found, runs[found.paper.name]) for found in verdicts]
    write_text(root / "README.md", index_markdown(root, entries))
    return [*written, root / "README.md", *pages]


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as all but plots need it."""
    return frame.drop(columns=list(OBJECT_COLUMNS))


@dataclass(frozen=True)
class _Part:
    """What follows from one paper's runs, begun and perhaps not done yet.

    ``plots`` is None where no plot of the paper is to be drawn.
    """

    frame: pd.DataFrame
    decided: Wait[tuple[PaperVerdicts, list[Path]]]
    listed: Wait[Tables]
    tabulated: Sequence[Wait[Tables]]
    plots: Wait[list[Path]] | None


def _reports(
    root: Path, parts: Iterable[_Part], papers: Mapping[str, Paper], written: list[Path]
) -> Iterator[PaperReport]:
    """Wait for paper after paper and yield what its page shows; add its files to ``written``.

    So the page of one paper is written while others' tables and plots are still being made.
    """
    for part in parts:
        found, verdict_files = part.decided()
        done = [wait() for wait in (*part.tabulated, part.listed)]
        if part.plots is not None:
            files = [path for _, paths in done for path in paths]
            files += [*verdict_files, *part.plots()]
            _remove_stale(root, found.paper.name, files, papers)
            written += files
        tables = [table for some, _ in done for table in some]
        plots = _plots_there(root, found)
        yield PaperReport(found.paper, part.frame, found.numbers, found.claims, tables, plots)


def _plots_there(root: Path, found: PaperVerdicts) -> list[Path]:
    """Return the files of all of a paper's plots that are there."""
    folder = root / "plots" / found.paper.name
    stems = [
        folder / f"{plot.name}_{protocol}.png"
        for plot in found.paper.plots
        for protocol in (*found.claims, REPORTED)
    ]
    return [path for path in stems if path.is_file()]


def _batches(tables: Sequence[Table]) -> Iterator[tuple[Table, ...]]:
    """Cut a paper's tables into tasks of a few each, so that none keeps all others waiting."""
    left = iter(tables)
    while batch := tuple(islice(left, _TABLES_A_TASK)):
        yield batch


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
