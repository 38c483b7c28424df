"""Claims with their verdicts by protocol, and the cells that decided them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.results.claim_files import describe, together
from common.results.claims import NOT_EVALUATED, CellResult, ClaimResult, rule
from common.results.naming import metric_label, show
from common.results.report.data import PaperReport
from common.results.report.grid import Cell, Column, Grid, fixed, interval, signed, single_rows
from common.results.spec import Claim, Comparison, Paper


@dataclass(frozen=True)
class Comparing:
    """One comparison of a claim: the two sides less what they share, and its own rule, if any."""

    metric: str
    left: str
    right: str
    shared: str
    rule: str


@dataclass(frozen=True)
class ClaimView:
    """A claim, its verdict by protocol (those that can decide it) and the cells behind them.

    ``rule`` is that of all comparisons, empty where they have several; ``together`` says of every
    protocol in which cells do not hold whether that may be chance.
    """

    claim: Claim
    anchor: str
    verdicts: tuple[tuple[str, str], ...]
    comparisons: tuple[Comparing, ...]
    rule: str
    grids: tuple[Grid, ...]
    together: tuple[str, ...]


def claim_views(report: PaperReport) -> list[ClaimView]:
    """Return a paper's claims in their order."""
    return [_view(report, number, claim) for number, claim in enumerate(report.paper.claims)]


def claim_anchor(claim: Claim) -> str:
    """Return where a claim stands on its paper's page."""
    return "claim-" + re.sub(r"[^A-Za-z0-9_-]+", "-", claim.id)


def _view(report: PaperReport, number: int, claim: Claim) -> ClaimView:
    """Return one claim."""
    results = {protocol: found[number] for protocol, found in report.claims.items()}
    shown = {name: one for name, one in results.items() if one.verdict != NOT_EVALUATED}
    anchor = claim_anchor(claim)
    rules = {rule(part) for part in claim.comparisons}
    one_rule = next(iter(rules)) if len(rules) == 1 else ""
    return ClaimView(
        claim,
        anchor,
        tuple((protocol, result.verdict) for protocol, result in shown.items()),
        tuple(_comparing(part, "" if one_rule else rule(part)) for part in claim.comparisons),
        one_rule,
        tuple(
            _grid(report.paper, result, f"{anchor}-{protocol}")
            for protocol, result in shown.items()
            if result.cells
        ),
        tuple(text for result in shown.values() if (text := together(result))),
    )


def _comparing(part: Comparison, own_rule: str) -> Comparing:
    """Return a comparison in words; what both sides select is said once."""
    metric, left, right = metric_label(part.metric), part.left, part.right
    if part.left_minus or part.right_minus or not isinstance(right, Mapping):
        minus = describe(left, part.left_minus), describe(right, part.right_minus)
        return Comparing(metric, *minus, "", own_rule)
    both = {key: value for key, value in left.items() if key in right and right[key] == value}
    mine, theirs = (
        describe({key: value for key, value in side.items() if key not in both})
        for side in (left, right)
    )
    return Comparing(metric, mine, theirs, describe(both) if both else "", own_rule)


def _grid(paper: Paper, result: ClaimResult, name: str) -> Grid:
    """Return the cells of all comparisons in one protocol."""
    parts = result.claim.comparisons
    over = list(dict.fromkeys(key for part in parts for key in part.over))
    several = len(parts) > 1
    columns = [Column("comparison")] if several else []
    columns += [Column(show(paper, key)) for key in over]
    columns += [
        *(Column(text, number=True) for text in ("left", "right")),
        Column("left \N{MINUS SIGN} right", number=True, hint="below it the 95 % interval"),
        Column("seeds", number=True),
        Column("verdict", choose=True),
    ]
    return Grid(
        name,
        f"{result.claim.id}, protocol {result.protocol}",
        tuple(columns),
        single_rows(_row(paper, result, cell, over, several) for cell in result.cells),
        file=f"{paper.name}_{result.claim.id}_{result.protocol}",
    )


def _row(
    paper: Paper, result: ClaimResult, cell: CellResult, over: Sequence[str], several: bool
) -> list[Cell]:
    """Return one cell of a comparison as a row."""
    metric = result.claim.comparisons[cell.comparison].metric
    digits = 2 if metric.endswith("accuracy") else 4
    numbers = cell.summary
    between = interval(numbers.low, numbers.high, digits) if numbers.n > 1 else ""
    where = [show(paper, cell.cell[key]) if key in cell.cell else "" for key in over]
    keys = [str(cell.comparison + 1), *where] if several else where
    return [
        *(Cell(text, head=not i) for i, text in enumerate(keys)),
        Cell(fixed(cell.left, digits)),
        Cell(fixed(cell.right, digits)),
        Cell(signed(numbers.mean, digits) if numbers.n else "", note=between),
        Cell(str(numbers.n)),
        Cell(cell.verdict, verdict=True, note=cell.reason),
    ]
