"""Verdicts on reported numbers: does ours agree, by one rule for every paper.

The rule, for a reported number and ours by the protocol that gave it, on a complete data set:

1. The 95 % interval of the difference ours - reported is ``difference ± half``, where ``half`` is
   the root of the sum of squares of the two means' half-widths (the square-and-add method of
   Zou and Donner, 2008). Ours is the t-interval over seeds. The reported one is the t-interval of
   its standard deviation and number of runs; where that number is unknown it is that of a single
   run, 1.96 standard deviations, the widest it can be; without a standard deviation it is 0.
2. ``half`` is never narrower than the resolution of the measurement: for an accuracy 1.96 standard
   errors of a proportion on our test images (what another test set of that size would change), for
   anything else half a unit of the last digit that is printed.
3. An interval above 0 is ``higher``, one below 0 ``lower``. One that holds 0 is ``agrees`` where it
   is precise enough, ``half`` no wider than the margin (1 point of percentages, 5 % of any other
   number), and ``inconclusive`` where it is not. A single seed has no interval: ``inconclusive``.

Of 100 numbers that agree in truth, about five come out as higher or lower. Numbers that only
another protocol or an incomplete data set has a counterpart for are ``other protocol``, without a
difference; all others are ``not run``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from common.results.cells import KEYS, finished, summarise_cells
from common.results.reported import comparable, comparison, match, named_in
from common.results.spec import Paper
from common.results.statistics import t_factor

AGREES, HIGHER, LOWER, OPEN = "agrees", "higher", "lower", "inconclusive"
OTHER_PROTOCOL, NOT_RUN = "other protocol", "not run"
NUMBER_VERDICTS = (AGREES, HIGHER, LOWER, OPEN, OTHER_PROTOCOL, NOT_RUN)

MARGIN_POINTS = 1.0
"""Half-width up to which an interval of percentages can say that two numbers agree."""
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


def half_width(std: float, n: int | None) -> float:
    """Return the half-width of a mean's 95 % interval.

    Args:
        std: standard deviation over runs (ddof 1); NaN where it is not known, which gives 0.
        n: how many runs; None where it is not known, which gives the width of a single run.
    """
    if math.isnan(std):
        return 0.0
    if n is None or n < 2:
        return NORMAL * std
    return t_factor(n) * std / math.sqrt(n)


def test_set_half_width(accuracy: float, images: float) -> float:
    """Return 1.96 standard errors of an accuracy (percent) on a test set; 0 if its size is unknown.

    At 93 % on 10,000 images it is half a point.
    """
    if math.isnan(images) or images <= 0:
        return 0.0
    share = min(max(accuracy / 100, 0.0), 1.0)
    return 100 * NORMAL * math.sqrt(share * (1 - share) / images)


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
    if n < 2:
        return Judgement(math.nan, math.nan, OPEN, "a single seed of ours")
    half = max(math.hypot(ours, reported), resolution)
    low, high = difference - half, difference + half
    if low > 0:
        return Judgement(low, high, HIGHER)
    if high < 0:
        return Judgement(low, high, LOWER)
    if half <= margin:
        return Judgement(low, high, AGREES)
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
    judged = [_judged(row) for row in compared.to_dict("records")]
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
        if protocol != paper.reported_protocol:
            table.loc[free.index, "reason"] = ""
    return table.astype({"ours_n": "Int64"})[list(_COLUMNS)]


def _judged(row: dict[Any, Any]) -> Judgement:
    """Judge one number of :func:`common.results.reported.comparison`."""
    known = None if pd.isna(row["reported_n"]) else int(row["reported_n"])
    floor = row["resolution"]
    if row["ours_metric"].endswith("accuracy"):
        floor = test_set_half_width(row["ours"], row["test_images"])
    mine = half_width(row["ours_std"], int(row["ours_n"]))
    theirs = half_width(row["reported_std"], known)
    return judge(row["difference"], mine, theirs, floor, row["margin"], int(row["ours_n"]))


def _margins(table: pd.DataFrame) -> pd.Series:
    """Return the margin of every number."""
    percent = table["metric"].str.contains("_pct")
    return (table["reported"].abs() * MARGIN_SHARE).mask(percent, MARGIN_POINTS)


def _elsewhere(
    paper: Paper, frame: pd.DataFrame, reported: pd.DataFrame, wanted: pd.Series
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield, by protocol and metric, our cells of the names and sparsity of reported numbers.

    These are the cells of all other protocols and, of the reported one, those on an incomplete data
    set. Their experiment may be another one, for a reduced run is seldom filed under the paper's.
    """
    near = pd.Index(comparable(frame, paper.reported_protocol).index)
    others = frame[~frame.index.isin(near)].assign(experiment="")
    left = reported[wanted.to_numpy()].assign(experiment="")
    if not len(others) or not len(left):
        return
    others = named_in(others, left)
    protocols = sorted(set(others["protocol"]), key=lambda name: name != paper.reported_protocol)
    for metric in sorted(set(left["metric"])):
        names = paper.compared_metrics.get(metric, metric.removesuffix("_pct"))
        for name in (names,) if isinstance(names, str) else names:
            for protocol in protocols:
                runs = finished(others[others["protocol"] == protocol], name)
                if not len(runs):
                    continue
                cells = summarise_cells(runs, KEYS, name)
                pairs = match(cells, left, metric, paper.sparsity_tolerance)
                unclear = pairs["row"].duplicated(keep=False)
                yield protocol, name, pairs[~unclear].set_index("row")


def counts(numbers: pd.DataFrame) -> dict[str, int]:
    """Return how many numbers have each verdict, in a fixed order, zeros included."""
    found = numbers["verdict"].value_counts()
    return {verdict: int(found.get(verdict, 0)) for verdict in NUMBER_VERDICTS}
