"""Means and t-intervals against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.results.statistics import simes, summarise, t_factor, t_interval, two_sided_p


@pytest.mark.parametrize(
    ("n", "factor"), [(2, 12.7062), (3, 4.3027), (4, 3.1824), (5, 2.7764), (10, 2.2622)]
)
def test_t_factor_is_the_tabulated_one(n, factor):
    assert t_factor(n) == pytest.approx(factor, abs=5e-5)


def test_t_factor_of_other_confidences():
    assert t_factor(3, 0.9) == pytest.approx(2.9200, abs=5e-5)
    # With one degree of freedom the t distribution is Cauchy's: tan(pi * confidence / 2).
    assert t_factor(2, 0.5) == pytest.approx(math.tan(math.pi * 0.25))


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_the_p_value_at_the_factor_is_what_the_interval_leaves_out(n):
    assert two_sided_p(t_factor(n), n) == pytest.approx(0.05)
    assert two_sided_p(-t_factor(n, 0.9), n) == pytest.approx(0.1)


def test_simes_by_hand():
    assert simes([0.03]) == 0.03
    assert simes([0.9, 0.01, 0.04]) == pytest.approx(0.03)  # 0.01 * 3 / 1
    assert simes([0.04, 0.03, 0.9, 0.5]) == pytest.approx(0.08)  # 0.04 * 4 / 2
    assert simes([0.04] * 20) == pytest.approx(0.04)
    with pytest.raises(ValueError, match="p-value"):
        simes([])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_simes_lies_between_the_least_value_and_bonferronis(values):
    together = simes(values)
    assert min(values) <= together <= min(1.0, len(values) * min(values))
    assert together <= max(values)


def test_summary_of_three_values():
    summary = summarise([1.0, 2.0, 3.0])
    assert (summary.n, summary.mean, summary.std) == (3, 2.0, 1.0)
    assert summary.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)
    assert summary.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-6)
    assert t_interval([1.0, 2.0, 3.0]) == (summary.low, summary.high)


def test_std_divides_by_n_minus_one():
    values = [90.1, 92.3, 91.7, 88.0]
    assert summarise(values).std == pytest.approx(np.std(values, ddof=1))


def test_one_value_has_no_interval_and_none_has_no_mean():
    one = summarise([91.0])
    assert (one.n, one.mean) == (1, 91.0)
    assert math.isnan(one.std) and math.isnan(one.low) and math.isnan(one.high)
    assert summarise([]).n == 0 and math.isnan(summarise([]).mean)


def test_least_half_width_only_widens():
    assert summarise([5.0, 5.0, 5.0], least_half_width=0.1).half_width == pytest.approx(0.1)
    wide = summarise([1.0, 2.0, 3.0])
    assert summarise([1.0, 2.0, 3.0], least_half_width=0.1) == wide


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = [low <= 0 <= high for low, high in map(t_interval, rng.normal(size=(2000, 3)).tolist())]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)
