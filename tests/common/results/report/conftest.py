"""A report of synthetic records, made as the generator makes it, and a browser to look at it."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from common.results.claims import evaluate
from common.results.plots.files import write_plot
from common.results.records import load_records, records_frame, run_id, write_record
from common.results.report.data import PaperReport, ShownTable
from common.results.report.write import write_report
from common.results.reported import load_reported
from common.results.spec import Paper, config_columns
from common.results.tables import build_table
from common.results.verdicts import number_verdicts

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)

PAGE = """# The paper's own title

What the paper claims, with <b>no markup</b>. See [the numbers](reported.csv) and
[arXiv](https://arxiv.org/abs/0000.00000).

## Methods

| name | what |
|---|---|
| `snip` | scores |

See [the deviations](#deviations).

## Deviations

1. **Seeds** are set.

## What is reproduced here, and what is not

Nothing yet.
"""

Record = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """A results folder with a report of one paper, and what it was made from."""

    root: Path
    paper: Paper
    report: PaperReport
    records: Sequence[Record]

    @property
    def folder(self) -> Path:
        """Return the report's folder."""
        return self.root / "report"

    def page(self, name: str) -> str:
        """Return the text of a page."""
        return (self.folder / name).read_text(encoding="utf-8")

    def id_of(self, record: Record) -> str:
        """Return the id of a record's run."""
        return run_id(record["config_hash"], record["seed"])


def _paper_report(paper: Paper, root: Path, plots: Sequence[str]) -> PaperReport:
    """Return what the generator hands to the report, from the records below a results folder."""
    frame = records_frame(load_records(root / "records"), config_columns([paper]))
    mine = frame[frame["paper"] == paper.name].reset_index(drop=True)
    reported, first = load_reported(paper), paper.reported_protocol
    protocols = [first, *sorted(set(mine["protocol"]) - {first})]
    tables = []
    for table in paper.tables:
        for protocol in protocols:
            built = build_table(paper, table, protocol, mine, reported)
            if built is not None:
                tables.append(ShownTable(f"{table.name}_{protocol}", protocol, built))
    drawn = [
        path
        for plot in paper.plots
        if plot.name in plots
        for path in write_plot(root, paper, plot, protocols[:1], mine, reported)
        if path.suffix == ".png"
    ]
    claims = {protocol: evaluate(paper, mine, protocol) for protocol in protocols}
    return PaperReport(paper, mine, number_verdicts(paper, mine, reported), claims, tables, drawn)


def _build(root: Path, paper: Paper, records: Sequence[Record], plots: Sequence[str] = ()) -> Site:
    """Write records where runs leave them, and the report; the paper gets a page of its own."""
    for record in records:
        name = f"{run_id(record['config_hash'], record['seed'])}.json"
        folder = root / "records" / record["paper"] / record["experiment"]
        write_record(folder / name, copy.deepcopy(record))
    home = root / "repository" / "replications" / paper.name
    home.mkdir(parents=True, exist_ok=True)
    (home / "README.md").write_text(PAGE, encoding="utf-8")
    paper = replace(paper, page=home / "README.md")
    report = _paper_report(paper, root, plots)
    write_report(root, [report.paper], [report])
    return Site(root, paper, report, records)


@pytest.fixture
def build_site() -> Callable[..., Site]:
    """A function that writes records and a report below a folder."""
    return _build


def _records(sample_records: Callable[[str], list[Record]]) -> list[Record]:
    """Return runs of two protocols, with curves in some; none has the id of another."""
    kept = []
    for protocol in ("paper", "quick"):
        for record in sample_records(protocol):
            if record["config"]["find"]["sparsity"] not in (None, 0.8, 0.95):
                continue
            if protocol == "quick":
                record["config"]["train"]["lr"] = 0.2
                record["config_hash"] = "9" + record["config_hash"][1:]
            if record["seed"] == 0:
                epochs = [1.0, 2.0, 3.0, 4.0]
                record["training"] = {
                    "epoch": epochs,
                    "train_loss": [2.0, 1.0, 0.5, 0.25],
                    "test_accuracy": [None, 50.0, None, record["metrics"]["test_accuracy"]],
                }
                record["search"] = {"curves": {"epoch": epochs, "sparsity": [0, 0.2, 0.4, 0.8]}}
            kept.append(record)
    return kept


@pytest.fixture(scope="session")
def _sites() -> dict[str, Site]:
    return {}


@pytest.fixture
def site(
    _sites: dict[str, Site],
    tmp_path_factory: pytest.TempPathFactory,
    sample_paper: Paper,
    sample_records: Callable[[str], list[Record]],
) -> Site:
    """The report of a paper with tables, a plot, claims and runs of two protocols."""
    if not _sites:
        root = tmp_path_factory.mktemp("site") / "results"
        records = _records(sample_records)
        _sites["site"] = _build(root, sample_paper, records, ("bars",))
    return _sites["site"]


def _chromium() -> str | None:
    """Return the browser's program, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start one browser for the session; without one the test is skipped, or fails where told."""
    program = _chromium()
    if program is None:
        reason = "there is no Chromium (Debian's package chromium, or CHROMIUM=<its program>)"
        if os.environ.get("WORKBENCH_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def visit(browser: Any, site: Site) -> Iterator[Callable[..., Any]]:
    """A function that opens a page of the report from the disk.

    At the end no page may have written an error, and none may have asked for anything outside the
    report's folder.
    """
    contexts, errors, asked = [], [], []

    def load(address: str, width: int = 1280, height: int = 900, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: errors.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{site.folder.as_uri()}/{address}")
        return page

    yield load
    for context in contexts:
        context.close()
    assert errors == []
    inside = (f"{site.folder.as_uri()}/", "data:", "blob:")
    assert [url for url in asked if not url.startswith(inside)] == []
