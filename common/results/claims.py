"""Deciding claims: differences paired by seed, their t-intervals, and the verdicts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
import pandas as pd

from common.results.cells import Columns, key_of, require_columns
from common.results.naming import sort_key
from common.results.spec import Claim, Comparison, Paper, Selector
from common.results.statistics import Summary, simes, summarise, t_factor, two_sided_p

HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"
NOT_RUN, NOT_EVALUATED = "not run", "not evaluated"
VERDICTS = (HOLDS, FAILS, OPEN, NOT_RUN, NOT_EVALUATED)
ALPHA = 0.05
CLAIM_RULE = (
    "A claim holds where every one of its cells that was run holds. It does not hold where a cell "
    "does not, unless that may be chance among so many: their two-sided p-values are judged "
    "together by Simes' test at 5 %. Otherwise it is inconclusive, which with few seeds is no "
    "support for it: one clear counterexample among many cells may be in it."
)
"""How :func:`evaluate_claim` decides, for readers."""
_DIGITS = 9  # comparing after rounding: 0.02 + 0.28 must not pass a margin of 0.3 by 5e-17


@dataclass(frozen=True)
class CellResult:
    """One comparison in one cell.

    ``summary`` is that of the differences left - right over the common seeds, its interval no
    narrower than one test image on either side; ``left`` and ``right`` are the sides' means over
    these seeds. ``reason`` says why a cell is not decided, or what to know of its numbers.
    """

    comparison: int
    cell: Mapping[str, object]
    verdict: str
    reason: str
    summary: Summary
    left: float
    right: float
    seeds: tuple[int, ...]
    test_images: float


@dataclass(frozen=True)
class ClaimResult:
    """A claim's verdict in one protocol and the cells it follows from.

    ``p_value`` is that of all tested cells together against the claim; NaN where every one of them
    holds or is inconclusive.
    """

    claim: Claim
    protocol: str
    verdict: str
    cells: tuple[CellResult, ...]
    p_value: float = math.nan

    @property
    def tested(self) -> tuple[CellResult, ...]:
        """Return the cells that have an interval."""
        return tuple(cell for cell in self.cells if cell.verdict != NOT_RUN and cell.summary.n > 1)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many cells have each verdict, in a fixed order, without zeros."""
        found = Counter(cell.verdict for cell in self.cells)
        return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def evaluate(paper: Paper, frame: pd.DataFrame, protocol: str) -> list[ClaimResult]:
    """Decide every claim of a paper from the runs of one protocol."""
    narrow = _with_columns(frame, paper.claims)
    runs = Columns(narrow[narrow["protocol"] == protocol])
    return [evaluate_claim(paper, claim, runs, protocol) for claim in paper.claims]


def _with_columns(frame: pd.DataFrame, claims: Sequence[Claim]) -> pd.DataFrame:
    """Return the frame with the columns that claims need: selecting from a narrow one is fast.

    Where one of them is missing, all are there, so that an error can name those that are allowed.
    """
    wanted = {"protocol", "status", "seed", "config_hash", "test_images"}
    needed: set[str] = set()
    for claim in claims:
        for part in claim.comparisons:
            needed.update(part.over)
            wanted.add(part.metric)
            for side in (part.left, part.right, part.left_minus, part.right_minus):
                needed.update(side if isinstance(side, Mapping) else ())
    if not needed <= set(frame.columns):
        return frame
    return frame[[name for name in frame.columns if name in wanted | needed]]


def evaluate_claim(paper: Paper, claim: Claim, runs: Columns, protocol: str) -> ClaimResult:
    """Decide one claim from the runs of one protocol.

    It holds where every evaluated cell holds. It does not hold where a cell does not, unless that
    may be chance: of many cells that hold in truth some fail in the sample, so their two-sided
    p-values are judged together by Simes' test at 5 %. Otherwise it is inconclusive. For a claim to
    hold no such care is needed, for every one of its cells has to (an intersection-union test).
    Without an evaluated cell it is not run; in a protocol that the claim does not admit it is not
    evaluated.
    """
    if claim.protocols is not None and protocol not in claim.protocols:
        return ClaimResult(claim, protocol, NOT_EVALUATED, ())
    cells: list[CellResult] = []
    for number, comparison in enumerate(claim.comparisons):
        what = f"claim {claim.id!r} of {paper.name!r}"
        cells += _compare(paper, comparison, number, runs, what)
    verdicts = {cell.verdict for cell in cells} - {NOT_RUN}
    if not verdicts:
        return ClaimResult(claim, protocol, NOT_RUN, tuple(cells))
    if FAILS not in verdicts:
        verdict = HOLDS if verdicts == {HOLDS} else OPEN
        return ClaimResult(claim, protocol, verdict, tuple(cells))
    found = ClaimResult(claim, protocol, OPEN, tuple(cells))
    p_values = []
    for cell in found.tested:
        part = claim.comparisons[cell.comparison]
        p_values.append(against(cell.summary, part.relation, part.margin))
    p_value = simes(p_values)
    refuted = len(p_values) == 1 or p_value <= ALPHA
    return replace(found, verdict=FAILS if refuted else OPEN, p_value=p_value)


def decide(summary: Summary, relation: str, margin: float) -> str:
    """Return the verdict of an interval: holds, does not hold or inconclusive.

    Touching a bound decides nothing: ``greater`` holds where low > margin and does not hold where
    high < margin; ``not_worse`` has -margin in the place of margin; ``equivalent`` holds where the
    interval lies inside (-margin, margin) and does not hold where it lies outside it.
    """
    if summary.n < 2:
        return OPEN
    low, high = round(summary.low, _DIGITS), round(summary.high, _DIGITS)
    if relation == "equivalent":
        if -margin < low and high < margin:
            return HOLDS
        return FAILS if low > margin or high < -margin else OPEN
    bound = margin if relation == "greater" else -margin
    if low > bound:
        return HOLDS
    return FAILS if high < bound else OPEN


def against(summary: Summary, relation: str, margin: float) -> float:
    """Return the two-sided p-value of a cell against its claim; 1 where it does not lean that way.

    It is at most 5 % just where :func:`decide` says that the cell does not hold. An interval that
    was widened to what the test set resolves counts as if the seeds had spread so far. Where there
    is neither such a floor nor any spread (two seeds with the same number of epochs), the value is
    5 %: that much the cell alone decides, but a spread of 0 in a few seeds is no proof.

    Args:
        summary: the differences, of two seeds at least; its interval may be wider than they ask.
        relation: as :attr:`common.results.spec.Comparison.relation`.
        margin: as :attr:`common.results.spec.Comparison.margin`.
    """
    if relation == "equivalent":
        gap = abs(summary.mean) - margin
    else:
        gap = (margin if relation == "greater" else -margin) - summary.mean
    if gap <= 0:
        return 1.0
    half = summary.half_width
    return two_sided_p(gap / half * t_factor(summary.n), summary.n) if half > 0 else ALPHA


def rule(comparison: Comparison) -> str:
    """Return the sentence of the rule that decides a comparison."""
    unit = " points" if comparison.metric.endswith("accuracy") else ""
    margin = f"{comparison.margin:g}{unit}"
    start = "The 95 % t-interval of left - right, paired by seed,"
    if comparison.relation == "equivalent":
        return (
            f"{start} inside ±{margin}: holds; outside it: does not hold; otherwise inconclusive."
        )
    bound = margin if comparison.relation == "greater" or not comparison.margin else f"-{margin}"
    return f"{start} above {bound}: holds; below {bound}: does not hold; otherwise inconclusive."


@dataclass(frozen=True)
class _Runs:
    """What to know of the runs of one side in one cell."""

    finished: int = 0
    failed: int = 0
    configurations: int = 0
    test_images: float = math.nan


@dataclass(frozen=True)
class _Side:
    """The runs of one selector; ``keys`` are those cell columns that it leaves open.

    ``chosen`` says which runs they are; ``values`` holds the metric by cell and seed, ``cells`` the
    cells by their dictionary keys.
    """

    name: str
    keys: tuple[str, ...]
    chosen: np.ndarray
    cells: Mapping[tuple, tuple]
    values: Mapping[tuple[tuple, int], float]
    counts: Mapping[tuple, _Runs]

    def of(self, cell: Mapping[str, object]) -> _Runs:
        """Return what to know of the runs that bear on a cell."""
        return self.counts.get(key_of(cell[name] for name in self.keys), _Runs())


def _side(
    name: str, runs: Columns, selector: Selector, keys: Sequence[str], metric: str, what: str
) -> _Side:
    """Collect the runs of one selector and their metric.

    A seed of a cell counts only if none of its runs is missing that other seeds have, for a mean
    over some of the runs is no match for a mean over all.
    """
    chosen = runs.where(selector, what)
    known = metric in runs.frame.columns
    measured = runs.rows(chosen, metric) if known else repeat((math.nan,))
    facts = runs.rows(chosen, "seed", "status", "config_hash", "test_images")
    cells: dict[tuple, tuple] = {}
    counted: dict[tuple, list[tuple[bool, bool, str, float]]] = {}
    found: dict[tuple, dict[int, list[float]]] = {}
    where = runs.rows(chosen, *keys)
    for (seed, status, config, images), (value,), cell in zip(facts, measured, where):
        key = key_of(cell)
        cells.setdefault(key, cell)
        usable = status == "finished" and not math.isnan(value)
        counted.setdefault(key, []).append((usable, status == "failed", config, images))
        if usable:
            found.setdefault(key, {}).setdefault(int(seed), []).append(float(value))
    values = {}
    for key, seeds in found.items():
        most = max(map(len, seeds.values()))
        for seed, several in seeds.items():
            if len(several) == most:
                values[key, seed] = math.fsum(several) / most
    counts = {key: _summed(several) for key, several in counted.items()}
    return _Side(name, tuple(keys), chosen, cells, values, counts)


def _summed(cell: Sequence[tuple[bool, bool, str, float]]) -> _Runs:
    """Return the counts of one cell's runs: (usable, failed, configuration, test images) each."""
    return _Runs(
        sum(usable for usable, _, _, _ in cell),
        sum(failed for _, failed, _, _ in cell),
        len({configuration for usable, _, configuration, _ in cell if usable}),
        min((images for *_, images in cell if not math.isnan(images)), default=math.nan),
    )


def _matched(side: _Side, other: _Side) -> dict[tuple[tuple, int], tuple[float, float]]:
    """Pair the values of a side with those of another one that has some of its keys, or all."""
    places = [side.keys.index(key) for key in other.keys]
    pairs = {}
    for (key, seed), value in side.values.items():
        theirs = other.values.get((tuple(key[place] for place in places), seed))
        if theirs is not None:
            pairs[key, seed] = (value, theirs)
    return pairs


def _compare(
    paper: Paper, comparison: Comparison, number: int, runs: Columns, what: str
) -> list[CellResult]:
    """Evaluate one comparison in all of its cells."""
    require_columns(runs.frame, comparison.over, what)
    sides: list[_Side] = []

    def add(name: str, selector: Selector, keys: Sequence[str]) -> _Side:
        sides.append(_side(name, runs, selector, keys, comparison.metric, what))
        return sides[-1]

    def values(name: str, selector: Selector, minus: Selector | None, keys: list[str]) -> _Side:
        """Add a side and what is taken from it; return the side with the differences."""
        side = add(name, selector, keys)
        if minus is None:
            return side
        taken = add(f"{name} minus", minus, [key for key in keys if key not in minus])
        less = {at: mine - theirs for at, (mine, theirs) in _matched(side, taken).items()}
        return replace(side, values=less)

    over, right = list(comparison.over), comparison.right
    left = values("left", comparison.left, comparison.left_minus, over)
    cells = dict(left.cells)
    if isinstance(right, Mapping):
        matched = [key for key in over if key not in right]
        other = values("right", right, comparison.right_minus, matched)
        joined = _matched(left, other)
        if matched == over:
            # A cell that only the right side has counts if the left side could have had it.
            open_to_left = {k: v for k, v in comparison.left.items() if k in over}
            more = other.chosen & runs.where(open_to_left, what)
            for cell in runs.rows(more, *over):
                cells.setdefault(key_of(cell), cell)
    else:
        joined = {at: (value, float(right)) for at, value in left.values.items()}
    pairs: dict[tuple, list[tuple[int, float, float]]] = {}
    for (key, seed), (mine, theirs) in sorted(joined.items(), key=lambda item: item[0][1]):
        pairs.setdefault(key, []).append((seed, mine, theirs))
    results = []
    order = sorted(
        cells.values(), key=lambda cell: [sort_key(paper, c, v) for c, v in zip(over, cell)]
    )
    for cell in order if over else [()]:
        where = dict(zip(over, cell))
        counts = {side.name: side.of(where) for side in sides}
        results.append(_result(comparison, number, where, pairs.get(key_of(cell), []), counts))
    return results


def _result(
    comparison: Comparison,
    number: int,
    cell: dict[str, object],
    pairs: Sequence[tuple[int, float, float]],
    counts: Mapping[str, _Runs],
) -> CellResult:
    """Summarise and decide one cell from its pairs (seed, left, right) and the runs behind."""
    sizes = [runs.test_images for runs in counts.values() if not math.isnan(runs.test_images)]
    images = min(sizes, default=math.nan)
    floor = 100.0 / images if sizes and comparison.metric.endswith("accuracy") else 0.0
    summary = summarise([left - right for _, left, right in pairs], least_half_width=floor)
    missing = [name for name, runs in counts.items() if not runs.finished]
    notes = [f"no finished run on the {name} side" for name in missing]
    if not missing and summary.n < 2:
        notes.append("only one seed in common" if summary.n else "no seed in common")
    for name, runs in counts.items():
        notes += [f"{runs.failed} failed on the {name} side"] if runs.failed else []
        several = runs.configurations
        notes += [f"{several} configurations averaged on the {name} side"] if several > 1 else []
    verdict = NOT_RUN if missing else decide(summary, comparison.relation, comparison.margin)
    left, right = (summarise([pair[side] for pair in pairs]).mean for side in (1, 2))
    seeds = tuple(seed for seed, _, _ in pairs)
    reason = "; ".join(notes)
    return CellResult(number, cell, verdict, reason, summary, left, right, seeds, images)
