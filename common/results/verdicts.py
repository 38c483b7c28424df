"""Verdicts on reported numbers: does ours agree, by one rule for every paper.

The rule, for a reported number and ours by the protocol that gave it, on a complete data set:

1. The 95 % interval of the difference ours - reported is ``difference ± half``, where ``half`` is
   the root of the sum of squares of the two means' half-widths (the square-and-add method of
   Zou and Donner, 2008). Ours is the t-interval over seeds. The reported one is the t-interval of
   its standard deviation and number of runs; where that number is unknown it is 1.96 standard
   deviations, those of a single run. Where no standard deviation is reported, ours stands in for
   it, with the reported number of runs, or a single one where that is unknown, too.
2. ``half`` is never narrower than the resolution of the measurement: half a unit of the last digit
   that is printed and, for an accuracy, 1.96 standard errors of a proportion on our test images
   (what another test set of that size would change).
3. An interval above 0 is ``higher``, one below 0 ``lower``. One that holds 0 is ``agrees`` where it
   is precise enough, ``half`` no wider than the margin (1 point of accuracy, 5 % of any other
   number), and ``inconclusive`` where it is not. A single seed has no interval: ``inconclusive``.

Each number is judged alone, so of many that agree in truth some come out as higher or lower by
chance (at most one in twenty, where the spreads are as assumed). Numbers that only another protocol
or an incomplete data set has a counterpart for are ``other protocol``, without a difference; all
others are ``not run``, also those that are no measurements.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from common.results.cells import KEYS, as_dicts, finished, summarise_cells
from common.results.reported import comparable, comparison, match, named_in, our_metrics
from common.results.spec import Paper
from common.results.statistics import t_factor

AGREES, HIGHER, LOWER, OPEN = "agrees", "higher", "lower", "inconclusive"
OTHER_PROTOCOL, NOT_RUN = "other protocol", "not run"
NUMBER_VERDICTS = (AGREES, HIGHER, LOWER, OPEN, OTHER_PROTOCOL, NOT_RUN)

MARGIN_POINTS = 1.0
"""Half-width up to which an interval of accuracies can say that two numbers agree."""
MARGIN_SHARE = 0.05
"""The same for any other number, relative to the reported one."""
NORMAL = 1.959964
_REASONS = {
    "not run": "",
    "failed": "our runs failed",
    "data set incomplete": "our data set is incomplete",
    "not recorded": "our runs do not record this metric",
    "several sparsities of ours": "the reported sparsity is not stated, and ours has several",
}
_COLUMNS = (
    *("experiment", "method", "variant", "dataset", "architecture", "sparsity", "metric", "item"),
    *("reported", "reported_std", "reported_n", "ours", "ours_std", "ours_n", "seeds", "protocol"),
    *("difference", "low", "high", "margin", "verdict", "reason", "source", "note", "run_ids"),
)


@dataclass(frozen=True)
class Judgement:
    """The 95 % interval of ours - reported (NaN for a single seed), the verdict and why."""

    low: float
    high: float
    verdict: str
    reason: str = ""


def half_width(std: float, n: int) -> float:
    """Return the half-width of the 95 % t-interval of a mean; infinite for a single run.

    Args:
        std: standard deviation over runs (ddof 1).
        n: how many runs.
    """
    return t_factor(n) * std / math.sqrt(n) if n > 1 else math.inf


def reported_half_width(std: float, n: int | None, our_std: float, our_n: int) -> float:
    """Return the half-width of a reported number.

    Args:
        std: its standard deviation; NaN where none is reported, so that ours stands in for it.
        n: of how many runs; None where that is not known.
        our_std, our_n: standard deviation and number of our runs, two at least.
    """
    if math.isnan(std):
        return t_factor(our_n) * our_std / math.sqrt(n or 1)
    return NORMAL * std if n is None or n < 2 else half_width(std, n)


def test_set_half_width(accuracy: float, images: float) -> float:
    """Return 1.96 standard errors of an accuracy (percent) on a test set; 0 if its size is unknown.

    The proportion is that of Agresti and Coull, with two more images right and two wrong, so that
    100 % is not without an error. At 93 % on 10,000 images it is half a point.
    """
    if math.isnan(images) or images <= 0:
        return 0.0
    share = (min(max(accuracy / 100, 0.0), 1.0) * images + 2) / (images + 4)
    return 100 * NORMAL * math.sqrt(share * (1 - share) / (images + 4))


def judge(
    difference: float, ours: float, reported: float, resolution: float, margin: float, n: int
) -> Judgement:
    """Return the verdict on one number by the rule above.

    Args:
        difference: ours - reported.
        ours: half-width of our mean's interval.
        reported: half-width of the reported number's.
        resolution: the narrowest that the interval of the difference may be on either side.
        margin: the widest that it may be to say that the two agree.
        n: our seeds.
    """
    if not math.isfinite(difference) or n < 2:
        why = "a single seed of ours" if n < 2 else "no number to compare with"
        return Judgement(math.nan, math.nan, OPEN, why)
    half = max(math.hypot(ours, reported), resolution)
    low, high = difference - half, difference + half
    if low > 0:
        return Judgement(low, high, HIGHER)
    if high < 0:
        return Judgement(low, high, LOWER)
    if half <= margin:
        return Judgement(low, high, AGREES)
    if resolution > margin:
        reason = f"our measurement cannot tell ±{margin:g} ({resolution:.2g} at best)"
        return Judgement(low, high, OPEN, reason)
    return Judgement(low, high, OPEN, f"the interval is wider than ±{margin:g}")


def number_verdicts(paper: Paper, frame: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """Give every reported number its verdict, in the order of ``reported.csv``.

    Args:
        paper: the paper's description.
        frame: its runs, from :func:`common.results.records.records_frame`.
        reported: from :func:`common.results.reported.load_reported`.

    Returns:
        One row a number: experiment, method, variant, dataset, architecture, sparsity, metric (as
        in ``reported.csv``), item (of the paper), reported, reported_std, reported_n (missing: not
        known), ours (mean over seeds), ours_std (ddof 1), ours_n, seeds (text), protocol (of ours),
        difference, low and high (its 95 % interval), margin, verdict, reason, source, note,
        run_ids (text). Percentages are in percent and their differences in points.
    """
    table = comparison(
        *(frame, reported, paper.compared_metrics, paper.sparsity_tolerance),
        protocol=paper.reported_protocol,
    )
    table = table.rename(columns={"ours_seeds": "seeds"}).assign(
        reported_n=pd.to_numeric(table["reported_seeds"], errors="coerce").astype("Int64"),
        protocol=table["status"].map({"compared": paper.reported_protocol}).fillna(""),
        margin=_margins(table),
        reason=table["status"].map(_REASONS).fillna(""),
        verdict=NOT_RUN,
        low=math.nan,
        high=math.nan,
    )
    table.loc[table["status"] == "several sparsities of ours", "verdict"] = OPEN
    compared = table[table["status"] == "compared"]
    judged = [_judged(row) for row in as_dicts(compared)]
    for name in ("low", "high", "verdict", "reason"):
        table.loc[compared.index, name] = [getattr(found, name) for found in judged]
    for protocol, name, pairs in _elsewhere(paper, frame, reported, table["verdict"] == NOT_RUN):
        free = pairs[table.loc[pairs.index, "verdict"] == NOT_RUN]
        table.loc[free.index, "verdict"] = OTHER_PROTOCOL
        table.loc[free.index, "protocol"] = protocol
        table.loc[free.index, "ours_metric"] = name
        ours = {"ours": "mean", "ours_std": "std", "ours_n": "n", "seeds": "seeds"}
        for column, source in (ours | {"run_ids": "run_ids"}).items():
            table.loc[free.index, column] = free[source]
    return table.astype({"ours_n": "Int64"})[list(_COLUMNS)]


def _judged(row: dict[Any, Any]) -> Judgement:
    """Judge one number of :func:`common.results.reported.comparison`."""
    known = None if pd.isna(row["reported_n"]) else int(row["reported_n"])
    floor, seeds = row["resolution"], int(row["ours_n"])
    if row["ours_metric"].endswith("accuracy"):
        floor = max(floor, test_set_half_width(row["ours"], row["test_images"]))
    theirs = math.inf
    if seeds > 1:
        theirs = reported_half_width(row["reported_std"], known, row["ours_std"], seeds)
    mine = half_width(row["ours_std"], seeds)
    margin = max(row["margin"], row["resolution"])
    found = judge(row["difference"], mine, theirs, floor, margin, seeds)
    notes = [found.reason] if found.reason else []
    notes += [f"{row['failed']} of our runs failed"] if row["failed"] else []
    several = row["configurations"]
    notes += [f"{several} configurations of ours averaged"] if several > 1 else []
    return replace(found, reason="; ".join(notes))


def _margins(table: pd.DataFrame) -> pd.Series:
    """Return the margin of every number."""
    accuracy = table["metric"].str.contains("accuracy")
    return (table["reported"].abs() * MARGIN_SHARE).mask(accuracy, MARGIN_POINTS)


def _elsewhere(
    paper: Paper, frame: pd.DataFrame, reported: pd.DataFrame, wanted: pd.Series
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield, by protocol and metric, our cells of the names and sparsity of reported numbers.

    These are the cells of all other protocols and, of the reported one, those on an incomplete data
    set. Their experiment may be another one, for a reduced run is seldom filed under the paper's;
    where several would do, that of the same name counts, and otherwise none.
    """
    near = pd.Index(comparable(frame, paper.reported_protocol).index)
    others = frame[~frame.index.isin(near)]
    others = others.assign(filed=others["experiment"], experiment="")
    left = reported[wanted.to_numpy()].assign(experiment="")
    if not len(others) or not len(left):
        return
    others = named_in(others, left)
    protocols = sorted(set(others["protocol"]), key=lambda name: name != paper.reported_protocol)
    for metric in sorted(set(left["metric"])):
        for name in our_metrics(paper.compared_metrics, metric):
            for protocol in protocols:
                runs = finished(others[others["protocol"] == protocol], name)
                if not len(runs):
                    continue
                cells = summarise_cells(runs, ["filed", *KEYS], name)
                pairs = match(cells, left, metric, paper.sparsity_tolerance)
                named = reported.loc[pairs["row"], "experiment"].to_numpy() == pairs["filed"]
                alone = ~pairs["row"].duplicated(keep=False)
                pairs = pairs[alone | named].drop_duplicates("row", keep=False)
                yield protocol, name, pairs.set_index("row")


def counts(numbers: pd.DataFrame) -> dict[str, int]:
    """Return how many numbers have each verdict, in a fixed order, zeros included."""
    found = numbers["verdict"].value_counts()
    return {verdict: int(found.get(verdict, 0)) for verdict in NUMBER_VERDICTS}
