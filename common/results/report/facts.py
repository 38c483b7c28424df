"""Environment, data and cost of a paper's runs, as tables."""

from __future__ import annotations

import math

from common.results.index import duration
from common.results.report.data import PaperReport
from common.results.report.grid import Cell, Column, Grid, plain, single_rows
from common.results.report.shards import Provenance


def environment_grid(found: Provenance) -> Grid:
    """Return the distinct machines and versions with their numbers of runs."""
    names = ("Device", "Processor", "Precision", "Python", "PyTorch", "torchvision", "System")
    rows = [
        [*(Cell(text, head=not i) for i, text in enumerate(place)), Cell(f"{runs:,}")]
        for place, runs in sorted(found.environments.items(), key=lambda item: (-item[1], item[0]))
    ]
    columns = (*(Column(name) for name in names), Column("Runs", number=True))
    return Grid("environment-table", "Where the runs were made", columns, single_rows(rows))


def data_grid(found: Provenance) -> Grid:
    """Return the distinct data sets with their splits and fingerprints."""
    columns = (
        Column("Data set"),
        *(Column(name, number=True) for name in ("Training", "Validation", "Test")),
        Column("Complete", hint="no: images are missing here that the official data set has"),
        Column("Fingerprint", hint="the first 16 digits of the SHA-256 of the images and labels"),
        Column("Runs", number=True),
    )
    rows = []
    for (name, *images, complete, digits, note), runs in sorted(found.data.items()):
        counts = [Cell(f"{int(text):,}" if text else "") for text in images]
        rows.append(
            [
                Cell(name, head=True, note=note),
                *counts,
                Cell(complete),
                Cell(digits),
                Cell(f"{runs:,}"),
            ]
        )
    return Grid("data-table", "Data sets that the runs used (images)", columns, single_rows(rows))


def commit_words(found: Provenance) -> list[tuple[str, int]]:
    """Return the first 12 digits of every commit with its number of runs, the most used first."""
    named = {name: runs for name, runs in found.commits.items() if name}
    ranked = sorted(named.items(), key=lambda item: (-item[1], item[0]))
    return [(name[:12], runs) for name, runs in ranked]


def cost_grid(report: PaperReport) -> Grid:
    """Return run times by experiment and protocol."""
    columns = (
        Column("Experiment"),
        Column("Protocol", choose=True),
        *(Column(name, number=True) for name in ("Runs", "Failed", "Run time", "Per run")),
        Column("Search per run", number=True, hint="until the ticket was there"),
    )
    rows = []
    runs = report.runs
    if "search_seconds" not in runs.columns:
        runs = runs.assign(search_seconds=math.nan)
    for (experiment, protocol), part in runs.groupby(["experiment", "protocol"], sort=True):
        seconds = float(part["seconds"].sum())
        failed = int((part["status"] == "failed").sum())
        rows.append(
            [
                Cell(str(experiment), head=True),
                Cell(str(protocol)),
                Cell(f"{len(part):,}"),
                Cell(plain(failed)),
                Cell(duration(seconds), sort=seconds),
                _time(float(part["seconds"].mean())),
                _time(float(part["search_seconds"].mean())),
            ]
        )
    total = float(report.runs["seconds"].sum())
    last = (
        Cell("All", head=True),
        Cell(""),
        Cell(f"{len(report.runs):,}"),
        Cell(plain(int((report.runs["status"] == "failed").sum()))),
        Cell(duration(total)),
        Cell(""),
        Cell(""),
    )
    return Grid(
        "cost-table",
        "Run time by experiment",
        columns,
        single_rows(rows),
        notes=("Work that several runs share, such as one dense training, counts in each.",),
        total=last if rows else (),
        file=f"{report.paper.name}_cost",
    )


def _time(seconds: float) -> Cell:
    """Return a mean duration."""
    if math.isnan(seconds):
        return Cell("")
    text = f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
    return Cell(text, sort=seconds)
