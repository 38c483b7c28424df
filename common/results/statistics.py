"""Means and t-intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@lru_cache(maxsize=4096)
def t_factor(n: int, confidence: float = 0.95) -> float:
    """Return the two-sided Student factor for a mean of ``n`` values; NaN for fewer than two.

    The interval is mean +- factor * std / sqrt(n); for n = 3 and 95 % the factor is 4.303.
    """
    if n < 2:
        return math.nan
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    return float(stdtrit(n - 1, 0.5 + confidence / 2))


def two_sided_p(t: float, n: int) -> float:
    """Return the two-sided p-value of Student's t for a mean of ``n`` values, at least two."""
    from scipy.special import stdtr  # noqa: PLC0415 - slow to import

    return float(2 * stdtr(n - 1, -abs(t)))


def simes(p_values: Sequence[float]) -> float:
    """Return the p-value of all null hypotheses together by Simes' test (1986).

    It is the least of ``p_(k) m / k`` over the sorted values. Where all m hypotheses are true it is
    at most alpha with probability alpha if the values are independent, and at most that if they
    depend on one another positively, as those of runs with common seeds usually do.

    Raises:
        ValueError: there is no value.
    """
    if not p_values:
        raise ValueError("Simes' test needs a p-value")
    m = len(p_values)
    return min(1.0, *(p * (m / k) for k, p in enumerate(sorted(p_values), 1)))


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation (ddof 1) and confidence interval of ``n`` values.

    The standard deviation and the interval are NaN for fewer than two values.
    """

    n: int
    mean: float
    std: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Return half of the interval's length."""
        return (self.high - self.low) / 2


def summarise(
    values: Sequence[float], confidence: float = 0.95, least_half_width: float = 0.0
) -> Summary:
    """Summarise values, one a seed.

    Args:
        values: the values in the metric's unit.
        confidence: the interval's confidence.
        least_half_width: the interval is never narrower than this on either side: a measurement
            cannot be finer than its resolution, however well three seeds happen to agree.
    """
    n = len(values)
    if n == 0:
        return Summary(0, math.nan, math.nan, math.nan, math.nan)
    mean = math.fsum(values) / n
    if n == 1:
        return Summary(1, mean, math.nan, math.nan, math.nan)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = max(t_factor(n, confidence) * std / math.sqrt(n), least_half_width)
    return Summary(n, mean, std, mean - half, mean + half)


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of the mean; NaN for fewer than two values."""
    summary = summarise(values, confidence)
    return summary.low, summary.high
