"""Means and t-intervals against closed forms."""

import math

import numpy as np
import pytest

from common.results.statistics import summarise, t_factor, t_interval


@pytest.mark.parametrize(
    ("n", "factor"), [(2, 12.7062), (3, 4.3027), (4, 3.1824), (5, 2.7764), (10, 2.2622)]
)
def test_t_factor_is_the_tabulated_one(n, factor):
    assert t_factor(n) == pytest.approx(factor, abs=5e-5)


def test_t_factor_of_other_confidences():
    assert t_factor(3, 0.9) == pytest.approx(2.9200, abs=5e-5)
    # With one degree of freedom the t distribution is Cauchy's: tan(pi * confidence / 2).
    assert t_factor(2, 0.5) == pytest.approx(math.tan(math.pi * 0.25))


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
