"""Verdicts: every one can be reached, bounds are exact, seeds are paired."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from common.results.claim_files import summary_line, together, write_claims
from common.results.claims import against, decide, evaluate
from common.results.records import records_frame
from common.results.spec import Claim, Comparison, Paper
from common.results.statistics import Summary, simes, summarise

LEFT, RIGHT = {"variant": "original"}, {"variant": "corrupted_data"}


def interval(low, high, n=3):
    return Summary(n, (low + high) / 2, 1.0, low, high)


@pytest.mark.parametrize(
    ("relation", "low", "high", "verdict"),
    [
        ("greater", 0.51, 2.0, "holds"),
        ("greater", 0.5, 2.0, "inconclusive"),
        ("greater", -1.0, 0.49, "does not hold"),
        ("greater", -1.0, 0.5, "inconclusive"),
        ("greater", 0.4, 0.6, "inconclusive"),
        ("not_worse", -0.49, 1.0, "holds"),
        ("not_worse", -0.5, 1.0, "inconclusive"),
        ("not_worse", -2.0, -0.51, "does not hold"),
        ("not_worse", -2.0, -0.5, "inconclusive"),
        ("equivalent", -0.49, 0.49, "holds"),
        ("equivalent", -0.5, 0.49, "inconclusive"),
        ("equivalent", -0.49, 0.5, "inconclusive"),
        ("equivalent", 0.51, 0.9, "does not hold"),
        ("equivalent", -0.9, -0.51, "does not hold"),
        ("equivalent", 0.5, 0.9, "inconclusive"),
        ("equivalent", -2.0, 2.0, "inconclusive"),
    ],
)
def test_bounds_are_exact(relation, low, high, verdict):
    assert decide(interval(low, high), relation, 0.5) == verdict


def test_rounding_noise_does_not_cross_a_bound():
    noise = 0.02 - -0.28
    assert noise > 0.3  # in floating point
    assert decide(interval(noise, 1.0), "greater", 0.3) == "inconclusive"


def test_fewer_than_two_seeds_decide_nothing():
    assert decide(Summary(1, 9.0, math.nan, math.nan, math.nan), "greater", 0.5) == "inconclusive"


@pytest.fixture
def pairs(make_record):
    """A function that makes both sides' records from accuracies by seed."""

    def make(left, right, **other):
        sides = (("original", left), ("corrupted_data", right))
        return [
            make_record(variant=variant, seed=seed, accuracy=value, **other)
            for variant, values in sides
            for seed, value in values.items()
        ]

    return make


def judge(records, *comparisons, protocol="quick", **claim):
    claim = Claim("C", "a claim", "section 1", comparisons, **claim)
    paper = Paper("sample", "A paper", claims=(claim,))
    (result,) = evaluate(paper, records_frame(records), protocol)
    return result


def test_all_verdicts_of_a_claim(pairs):
    greater = Comparison(LEFT, RIGHT, "greater", 0.5)
    clear = pairs({0: 92.0, 1: 92.1, 2: 91.9}, {0: 90.0, 1: 90.1, 2: 89.8})
    assert judge(clear, greater).verdict == "holds"
    assert judge(clear, Comparison(RIGHT, LEFT, "greater")).verdict == "does not hold"
    noisy = pairs({0: 92.0, 1: 95.0, 2: 90.0}, {0: 90.0, 1: 90.1, 2: 89.8})
    assert judge(noisy, greater).verdict == "inconclusive"
    assert judge([], greater).verdict == "not run"
    assert judge(clear, greater, protocol="paper").verdict == "not run"
    assert judge(clear, greater, protocols=("paper",)).verdict == "not evaluated"


def test_the_interval_is_that_of_the_differences_by_seed(pairs):
    left, right = {0: 92.0, 1: 95.0, 2: 90.0}, {2: 89.0, 0: 91.0, 1: 93.5}
    (cell,) = judge(pairs(left, right), Comparison(LEFT, RIGHT, "greater", 0.1)).cells
    # Differences 1.0, 1.5, 1.0: mean 7/6, standard deviation sqrt(1/12).
    assert cell.summary.mean == pytest.approx(7 / 6)
    assert cell.summary.std == pytest.approx(math.sqrt(1 / 12))
    assert cell.summary.half_width == pytest.approx(4.302653 * math.sqrt(1 / 36), abs=1e-6)
    assert cell.verdict == "holds"
    assert (cell.left, cell.right) == (pytest.approx(277 / 3), pytest.approx(273.5 / 3))


def test_pairing_matters(pairs):
    """The same accuracies under other seeds give the same mean and another verdict."""
    right = {0: 91.0, 1: 93.5, 2: 89.0}
    paired = judge(pairs({0: 92, 1: 95, 2: 90}, right), Comparison(LEFT, RIGHT, "greater"))
    crossed = judge(pairs({0: 95, 1: 90, 2: 92}, right), Comparison(LEFT, RIGHT, "greater"))
    assert paired.cells[0].summary.mean == pytest.approx(crossed.cells[0].summary.mean)
    assert (paired.verdict, crossed.verdict) == ("holds", "inconclusive")


def test_only_common_seeds_count(pairs):
    records = pairs({0: 92.0, 1: 92.2, 7: 10.0}, {0: 90.0, 1: 90.1, 5: 99.0})
    (cell,) = judge(records, Comparison(LEFT, RIGHT, "greater")).cells
    assert cell.seeds == (0, 1)
    assert cell.summary.mean == pytest.approx(2.05)
    for seed, reason in ((1, "only one seed in common"), (0, "no seed in common")):
        left = {0: 92.0, 3: 91.0} if seed else {3: 91.0}
        (cell,) = judge(pairs(left, {0: 90.0}), Comparison(LEFT, RIGHT, "greater")).cells
        assert (cell.verdict, cell.reason) == ("inconclusive", reason)


def test_the_interval_is_at_least_one_test_image_wide(pairs):
    records = pairs({0: 92.0, 1: 92.0}, {0: 91.5, 1: 91.5}, dataset_fingerprint__test_images=200)
    (cell,) = judge(records, Comparison(LEFT, RIGHT, "greater")).cells
    assert (cell.summary.low, cell.summary.high) == (0.0, 1.0)
    assert cell.verdict == "inconclusive"
    many = [record | {"dataset_fingerprint": {"test_images": 10000}} for record in records]
    (cell,) = judge(many, Comparison(LEFT, RIGHT, "greater")).cells
    assert cell.summary.half_width == pytest.approx(0.01)
    assert cell.verdict == "holds"


def test_a_changed_record_changes_the_verdict(pairs):
    records = pairs({0: 92.0, 1: 92.1, 2: 91.9}, {0: 90.0, 1: 90.1, 2: 89.8})
    greater = Comparison(LEFT, RIGHT, "greater", 0.5)
    assert judge(records, greater).verdict == "holds"
    records[0]["metrics"]["test_accuracy"] = 85.0
    assert judge(records, greater).verdict == "inconclusive"


def test_a_claim_needs_all_its_cells(pairs):
    good = pairs({0: 92.0, 1: 92.1, 2: 91.9}, {0: 90.0, 1: 90.1, 2: 89.8}, sparsity=0.9)
    wide = pairs({0: 92.0, 1: 95.1, 2: 90.9}, {0: 90.0, 1: 90.1, 2: 91.8}, sparsity=0.95)
    bad = pairs({0: 80.0, 1: 80.1, 2: 79.9}, {0: 90.0, 1: 90.1, 2: 89.8}, sparsity=0.98)
    lone = pairs({0: 80.0, 1: 80.1}, {}, sparsity=0.99)
    greater = Comparison(LEFT, RIGHT, "greater")
    assert judge(good, greater).verdict == "holds"
    assert judge(good + lone, greater).verdict == "holds"
    assert judge(good + wide, greater).verdict == "inconclusive"
    result = judge(good + wide + bad + lone, greater)
    assert result.verdict == "does not hold"
    assert result.counts == {"holds": 1, "does not hold": 1, "inconclusive": 1, "not run": 1}
    assert [cell.cell["sparsity"] for cell in result.cells] == [0.9, 0.95, 0.98, 0.99]


@pytest.fixture
def cells(make_record):
    """A function that makes a claim's result from cells, each given by (mean, std) over seeds.

    The claim is that every cell is above 50 %.
    """

    def make(*numbers):
        records = [
            make_record(sparsity=place / 100, seed=seed, accuracy=50 + mean + std * (seed - 1))
            for place, (mean, std) in enumerate(numbers)
            for seed in range(3)
        ]
        return judge(records, Comparison({}, 50.0, "greater", over=("sparsity",)))

    return make


SLIGHT = (-1.0, 0.376)
"""A cell that does not hold with p = 0.044."""


def test_one_of_many_cells_may_fail_by_chance(cells):
    assert cells(SLIGHT).verdict == "does not hold"
    one_of_twenty = cells(SLIGHT, *[(0.5, 0.4)] * 19)
    assert one_of_twenty.counts["does not hold"] == 1
    assert one_of_twenty.verdict == "inconclusive"
    assert one_of_twenty.p_value == pytest.approx(20 * cells(SLIGHT).p_value)
    assert "1 of 20 tested cells does not hold" in together(one_of_twenty)
    assert cells((3.0, 0.1)).verdict == "holds" and together(cells((3.0, 0.1))) == ""


def test_a_lone_cell_says_nothing_together_with_others(cells, make_record):
    assert together(cells(SLIGHT)) == ""
    lone = [make_record(sparsity=0.9, seed=0, accuracy=20.0)]
    several = [make_record(sparsity=0.5, seed=seed, accuracy=20.0 + seed) for seed in range(3)]
    result = judge(lone + several, Comparison({}, 50.0, "greater", over=("sparsity",)))
    assert [cell.summary.n for cell in result.cells] == [3, 1]
    assert len(result.tested) == 1
    assert result.verdict == "does not hold" and together(result) == ""


def test_seeds_without_any_spread_prove_no_more_than_their_cell(make_record):
    """Epochs are whole numbers: two seeds may well agree, and no test set gives a floor."""

    def epochs(*numbers):
        records = [
            make_record(
                sparsity=place / 100,
                seed=seed,
                metrics={"test_accuracy": 90.0, "search_epochs": number + spread * seed},
            )
            for place, (number, spread) in enumerate(numbers)
            for seed in range(2)
        ]
        over = ("sparsity",)
        return judge(records, Comparison({}, 50, "greater", over=over, metric="search_epochs"))

    assert epochs((40, 0)).verdict == "does not hold"
    assert epochs((40, 0), *[(52, 1)] * 9).verdict == "inconclusive"
    assert epochs(*[(40, 0)] * 10).verdict == "does not hold"


def test_many_failing_cells_or_a_clear_one_are_no_chance(cells):
    assert cells(*[SLIGHT] * 19, (0.5, 0.4)).verdict == "does not hold"
    clear = cells((-30.0, 0.3), *[(0.5, 0.4)] * 19)
    assert clear.verdict == "does not hold" and clear.p_value < 0.01


@given(
    relation=st.sampled_from(["greater", "not_worse", "equivalent"]),
    mean=st.floats(-3, 3),
    half=st.floats(0.01, 3),
    n=st.integers(2, 10),
)
def test_a_cell_does_not_hold_where_its_p_value_is_below_five_percent(relation, mean, half, n):
    summary = Summary(n, mean, 1.0, mean - half, mean + half)
    p_value = against(summary, relation, 0.5)
    if abs(p_value - 0.05) > 1e-6:
        assert (decide(summary, relation, 0.5) == "does not hold") == (p_value < 0.05)


def test_a_true_claim_of_many_cells_is_seldom_refuted():
    """Thirty cells without any difference: in half of all studies one fails, in 2.5 % the claim."""
    draw = np.random.default_rng(0)
    some, refuted, studies = 0, 0, 400
    for study in draw.normal(size=(studies, 30, 3)):
        summaries = [summarise(cell.tolist()) for cell in study]
        some += any(decide(one, "greater", 0.0) == "does not hold" for one in summaries)
        refuted += simes([against(one, "greater", 0.0) for one in summaries]) < 0.05
    assert some > 0.4 * studies
    assert refuted < 0.08 * studies


def test_the_right_side_can_fix_a_cell_key(make_record):
    records = [
        make_record("dense", "none", None, seed, 90.0 + seed / 10) for seed in range(3)
    ] + [make_record("snip", sparsity=p, seed=s, accuracy=92.0 + s / 10)
         for p in (0.8, 0.9) for s in range(3)]  # fmt: skip
    comparison = Comparison({"method": "snip"}, {"method": "dense", "sparsity": 0.0}, "greater")
    result = judge(records, comparison)
    assert [cell.summary.mean for cell in result.cells] == pytest.approx([2.0, 2.0])
    assert result.verdict == "holds"


def test_a_selector_can_allow_several_values(make_record):
    accuracy = {"snip": 92.0, "grasp": 91.0, "random": 90.0}
    records = [
        make_record(method, seed=seed, accuracy=value + seed / 100)
        for method, value in accuracy.items()
        for seed in range(2)
    ]
    comparison = Comparison({"method": ("snip", "grasp")}, {"method": "random"}, "greater")
    (cell,) = judge(records, comparison).cells
    assert cell.summary.mean == pytest.approx(1.5)
    assert "2 configurations averaged on the left side" in cell.reason
    separate = Comparison(
        {"method": ("snip", "grasp")}, {"method": "random"}, "greater", over=("method",)
    )
    means = {c.cell["method"]: c.summary.mean for c in judge(records, separate).cells}
    assert means == pytest.approx({"grasp": 1.0, "snip": 2.0})


def test_a_seed_with_a_missing_run_is_no_match_for_a_mean_over_all(make_record):
    records = [
        make_record(method, seed=seed, accuracy=value)
        for method, value in (("snip", 92.0), ("grasp", 80.0), ("random", 85.0))
        for seed in range(3)
        if (method, seed) != ("grasp", 2)
    ]
    comparison = Comparison({"method": ("snip", "grasp")}, {"method": "random"}, "greater")
    (cell,) = judge(records, comparison).cells
    assert cell.seeds == (0, 1)
    assert cell.summary.mean == pytest.approx(1.0)


def test_a_number_can_be_the_right_side(make_record):
    records = [make_record(seed=seed, accuracy=30.0 + seed) for seed in range(3)]
    assert judge(records, Comparison({}, 10.0, "greater", 5)).verdict == "holds"
    assert judge(records, Comparison({}, 10.0, "equivalent", 5)).verdict == "does not hold"


def test_gains_can_be_compared(make_record):
    values = {("tost", 0.98): 80.0, ("default", 0.98): 70.0, ("tost", 0.9): 92.0,
              ("default", 0.9): 91.0}  # fmt: skip
    records = [
        make_record(variant=variant, sparsity=p, seed=seed, accuracy=value + seed)
        for (variant, p), value in values.items()
        for seed in range(3)
    ]
    comparison = Comparison(
        {"variant": "tost", "sparsity": 0.98}, {"variant": "tost", "sparsity": 0.9}, "greater",
        over=("method", "dataset"), left_minus={"variant": "default", "sparsity": 0.98},
        right_minus={"variant": "default", "sparsity": 0.9},
    )  # fmt: skip
    (cell,) = judge(records, comparison).cells
    assert (cell.left, cell.right, cell.summary.mean) == pytest.approx((10.0, 1.0, 9.0))
    (cell,) = judge([r for r in records if r["config"]["variant"] == "tost"], comparison).cells
    assert cell.verdict == "not run"
    assert "no finished run on the left minus side" in cell.reason


def test_failed_runs_are_counted_and_never_averaged(pairs):
    records = pairs({0: 92.0, 1: 92.1, 2: 0.0}, {0: 90.0, 1: 90.1, 2: 90.2})
    records[2] |= {"status": "failed", "error": "diverged"}
    (cell,) = judge(records, Comparison(LEFT, RIGHT, "greater")).cells
    assert (cell.verdict, cell.seeds) == ("holds", (0, 1))
    assert cell.reason == "1 failed on the left side"


def test_missing_sparsities_form_a_cell(pairs):
    records = pairs({0: 92.0, 1: 92.1}, {0: 90.0, 1: 90.2}, sparsity=None, method="aslp")
    (cell,) = judge(records, Comparison(LEFT, RIGHT, "greater")).cells
    assert cell.summary.n == 2


def test_wrong_descriptions_are_told(pairs):
    with pytest.raises(UserError, match=r"unknown name 'better'.*known: equivalent, greater"):
        Comparison(LEFT, RIGHT, "better")
    with pytest.raises(UserError, match="margin"):
        Comparison(LEFT, RIGHT, "greater", -1)
    with pytest.raises(UserError, match="equivalent"):
        Comparison(LEFT, RIGHT, "equivalent")
    records = pairs({0: 92.0}, {0: 90.0})
    with pytest.raises(UserError, match=r"claim 'C' of 'sample': column.*did you mean 'variant'"):
        judge(records, Comparison({"varian": "original"}, RIGHT, "greater"))


def test_files_hold_the_verdict_the_numbers_and_the_rule(tmp_path, pairs):
    records = pairs({0: 92.0, 1: 92.1, 2: 91.9}, {0: 90.0, 1: 90.1, 2: 89.8})
    result = judge(records, Comparison(LEFT, RIGHT, "greater", 0.5))
    write_claims(tmp_path / "sample_quick", Paper("sample", "A paper"), "quick", [result])
    content = json.loads((tmp_path / "sample_quick.json").read_text())
    (cell,) = content["claims"][0]["cells"]
    assert content["claims"][0]["verdict"] == cell["verdict"] == "holds"
    assert (cell["n"], cell["margin"], cell["mean_difference"]) == (3, 0.5, 2.033333)
    assert cell["ci_low"] == pytest.approx(result.cells[0].summary.low, abs=1e-6)
    page = (tmp_path / "sample_quick.md").read_text()
    assert "above 0.5 points: holds; below 0.5 points: does not hold" in page
    assert "+2.03" in page
    rows = (tmp_path / "sample_quick.csv").read_text().splitlines()
    assert len(rows) == 2 and rows[1].startswith("C,quick,holds,,1,")
    assert summary_line([result]) == "C holds"
