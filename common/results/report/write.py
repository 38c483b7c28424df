"""Writing the report: the front page, a page a paper, the page of runs and its shards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from common.results.claims import CLAIM_RULE
from common.results.formats import write_text
from common.results.naming import METRICS
from common.results.report.checklist import checklist
from common.results.report.claims_view import claim_views
from common.results.report.counts import Counts, count
from common.results.report.data import PaperReport
from common.results.report.facts import commit_words, cost_grid, data_grid, environment_grid
from common.results.report.figures import figures
from common.results.report.front import matrix, papers_grid, totals
from common.results.report.html import row_html, slug, verdict_html
from common.results.report.numbers_view import numbers_grid
from common.results.report.readme import read_page
from common.results.report.shards import Provenance, Shards, write_shards
from common.results.report.tables_view import protocol_words, table_views
from common.results.spec import Paper
from common.results.verdicts import NUMBER_VERDICTS

TEMPLATES = Path(__file__).with_name("templates")
SCRIPTS = ("tables.js", "dialog.js")
RUN_SCRIPTS = ("dom.js", "curves.js", "run_parts.js", "run.js")


def write_report(
    root: Path,
    papers: Sequence[Paper],
    reports: Iterable[PaperReport],
    shards: Shards | None = None,
) -> list[Path]:
    """Write the report of all papers below ``root/report``.

    It opens from a disk, asks nothing of a network, and follows from the records and the papers'
    descriptions alone: the same ones give the same bytes. Pages and shards of an earlier call that
    this one does not write are removed.

    Args:
        root: the results folder, with the records and plots in it.
        papers: all papers, in the order they are shown.
        reports: what the page of each shows, in the same order; a page is made as soon as its
            report is given.
        shards: what :func:`common.results.report.shards.write_shards` returned for these papers,
            if it has been called.

    Returns:
        The files written, the front page first.
    """
    folder = root / "report"
    scripts, provenance = shards or write_shards(root, papers)
    environment = _environment()
    pages, shown, counts = {}, [], []
    for paper, report in zip(papers, reports, strict=True):
        shown.append(report)
        counts.append(count(report))
        given = (report, counts[-1], provenance[paper.name], papers)
        pages[f"{paper.name}.html"] = _paper(environment, *given)
    pages = {"index.html": _front(environment, shown, counts), **pages}
    pages["run.html"] = environment.get_template("run.html.j2").render(
        papers=papers,
        labels=METRICS,
        style=_asset("style.css"),
        scripts=[_asset(name) for name in RUN_SCRIPTS],
    )
    for name, text in pages.items():
        write_text(folder / name, text)
    written = [*(folder / name for name in pages), *scripts]
    for path in {*folder.glob("*.html"), *(folder / "runs").glob("*.js")} - {*written}:
        path.unlink()
    return written


def _environment() -> Environment:
    """Return what fills the templates in; everything it inserts is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"slug": slug, "cells": row_html}
    environment.globals |= {"protocol_words": protocol_words, "verdict": verdict_html}
    return environment


def _asset(name: str) -> Markup:
    """Return a style sheet or a script of this package as a part of a page."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _front(
    environment: Environment, reports: Sequence[PaperReport], counts: Sequence[Counts]
) -> str:
    """Return the front page."""
    pairs = list(zip(reports, counts, strict=True))
    return environment.get_template("front.html.j2").render(
        papers=[report.paper for report in reports],
        totals=totals(reports, counts),
        grid=papers_grid(reports, counts),
        pairs=pairs,
        matrices=[(report, matrix(report, one)) for report, one in pairs if report.paper.claims],
        verdicts=NUMBER_VERDICTS,
        claim_rule=CLAIM_RULE,
        style=_asset("style.css"),
        scripts=[_asset(name) for name in SCRIPTS],
    )


def _paper(
    environment: Environment,
    report: PaperReport,
    counts: Counts,
    found: Provenance,
    papers: Sequence[Paper],
) -> str:
    """Return the page of one paper."""
    page = read_page(report.paper.page)
    content: dict[str, Any] = {
        "paper": report.paper,
        "papers": papers,
        "counts": counts,
        "page": page,
        "claims": claim_views(report),
        "numbers": numbers_grid(report) if len(report.numbers) else None,
        "tables": table_views(report, found.ids),
        "figures": figures(report),
        "environment": environment_grid(found),
        "data": data_grid(found),
        "commits": commit_words(found),
        "cost": cost_grid(report),
        "found": found,
        "checklist": checklist(report, found, page),
        "verdicts": NUMBER_VERDICTS,
        "style": _asset("style.css"),
        "scripts": [_asset(name) for name in SCRIPTS],
    }
    return environment.get_template("paper.html.j2").render(content)
