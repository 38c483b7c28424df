"""What is counted on the front page and at the head of a paper's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.results.claims import NOT_EVALUATED, VERDICTS, ClaimResult
from common.results.index import duration
from common.results.report.data import PaperReport
from common.results.verdicts import NUMBER_VERDICTS


@dataclass(frozen=True)
class Counts:
    """A paper in numbers.

    Attributes:
        reported: its reported numbers.
        numbers: how many of them have each verdict, zeros among them.
        claims: by protocol, that of the reported numbers first: how many claims that it can decide
            have each verdict; only protocols that can decide a claim.
        finished: finished runs.
        failed: failed runs.
        by_protocol: finished runs by protocol.
        seconds: run time of all runs.
    """

    reported: int
    differences: int
    numbers: Mapping[str, int]
    claims: Mapping[str, Mapping[str, int]]
    finished: int
    failed: int
    by_protocol: Mapping[str, int]
    seconds: float

    @property
    def compared(self) -> int:
        """Return how many reported numbers have one of ours beside them."""
        return self.differences

    @property
    def time(self) -> str:
        """Return the run time in words."""
        return duration(self.seconds)


def count(report: PaperReport) -> Counts:
    """Count one paper."""
    verdicts = Counter(report.numbers["verdict"])
    runs = report.runs
    finished = runs[runs["status"] == "finished"]
    claims = {protocol: claim_counts(found) for protocol, found in report.claims.items()}
    return Counts(
        reported=len(report.numbers),
        differences=int(report.numbers["difference"].notna().sum()),
        numbers={name: verdicts[name] for name in NUMBER_VERDICTS},
        claims={protocol: found for protocol, found in claims.items() if found},
        finished=len(finished),
        failed=len(runs) - len(finished),
        by_protocol=dict(sorted(Counter(finished["protocol"]).items())),
        seconds=float(runs["seconds"].sum()),
    )


def claim_counts(results: Sequence[ClaimResult]) -> dict[str, int]:
    """Return how many claims have each verdict, without zeros and without undecidable ones."""
    found = Counter(result.verdict for result in results)
    return {name: found[name] for name in VERDICTS if found[name] and name != NOT_EVALUATED}
