"""What the front page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.results.claims import HOLDS, NOT_EVALUATED
from common.results.index import duration
from common.results.report.claims_view import claim_anchor
from common.results.report.counts import Counts
from common.results.report.data import PaperReport
from common.results.report.grid import Cell, Column, Grid, said, single_rows
from common.results.spec import Paper
from common.results.verdicts import NUMBER_VERDICTS


@dataclass(frozen=True)
class Totals:
    """All papers together; ``others`` are studies that replicate no single paper."""

    papers: int
    others: int
    reported: int
    compared: int
    runs: int
    failed: int
    time: str


def totals(reports: Sequence[PaperReport], counts: Sequence[Counts]) -> Totals:
    """Add the papers up."""
    papers = sum(bool(one.paper.arxiv or len(one.numbers)) for one in reports)
    return Totals(
        papers=papers,
        others=len(counts) - papers,
        reported=sum(one.reported for one in counts),
        compared=sum(one.compared for one in counts),
        runs=sum(one.finished for one in counts),
        failed=sum(one.failed for one in counts),
        time=duration(sum(one.seconds for one in counts)),
    )


def papers_grid(reports: Sequence[PaperReport], counts: Sequence[Counts]) -> Grid:
    """Return one row a paper."""
    columns = [
        Column("Paper"),
        Column("all", number=True, hint="reported numbers"),
        *(Column(name, number=True) for name in NUMBER_VERDICTS),
        Column("reported protocol", hint="the protocol that gave the reported numbers"),
        Column("reduced protocols", hint="each decides claims of its own"),
        Column("finished", number=True),
        Column("failed", number=True),
        Column("time", number=True),
    ]
    spans = (("", 1), ("Reported numbers", 1 + len(NUMBER_VERDICTS)), ("Claims", 2), ("Runs", 3))
    rows = [_row(report.paper, one) for report, one in zip(reports, counts, strict=True)]
    return Grid(
        "papers",
        "The papers: reported numbers and claims by verdict, runs and their time",
        tuple(columns),
        single_rows(rows),
        notes=("Run time counts work that runs share, such as one dense training, in each.",),
        spans=spans,
        file="papers",
        tight=True,
    )


def _row(paper: Paper, counts: Counts) -> list[Cell]:
    """Return one paper."""
    own = counts.claims.get(paper.reported_protocol, {})
    others = {name: found for name, found in counts.claims.items() if name not in _own(paper)}
    reduced = "; ".join(f"{name}: {said(found)}" for name, found in others.items())
    holding = sum(found.get(HOLDS, 0) for found in others.values())
    return [
        Cell(paper.name, head=True, href=f"{paper.name}.html", note=paper.title),
        Cell(f"{counts.reported:,}"),
        *(Cell(f"{counts.numbers[name]:,}") for name in NUMBER_VERDICTS),
        Cell(said(own) or "no claims", sort=float(own.get(HOLDS, 0))),
        Cell(reduced or "none", sort=float(holding)),
        Cell(f"{counts.finished:,}"),
        Cell(f"{counts.failed:,}"),
        Cell(counts.time, sort=counts.seconds),
    ]


def _own(paper: Paper) -> tuple[str, ...]:
    """Return the protocols that are not reduced ones."""
    return (paper.reported_protocol,)


def matrix(report: PaperReport, counts: Counts) -> Grid:
    """Return a paper's claims as rows and the protocols that can decide some as columns."""
    protocols = list(counts.claims)
    columns = [Column("Claim"), Column("Statement", wide=True)]
    columns += [Column(name, choose=True) for name in protocols]
    rows = []
    for number, claim in enumerate(report.paper.claims):
        link = f"{report.paper.name}.html#{claim_anchor(claim)}"
        verdicts = [report.claims[name][number].verdict for name in protocols]
        cells = [
            Cell("" if found == NOT_EVALUATED else found, verdict=found != NOT_EVALUATED)
            for found in verdicts
        ]
        rows.append([Cell(claim.id, head=True, href=link), Cell(claim.text), *cells])
    return Grid(
        f"claims-{report.paper.name}",
        f"Claims of {report.paper.name}, by protocol",
        tuple(columns),
        single_rows(rows),
        file=f"claims_{report.paper.name}",
    )
