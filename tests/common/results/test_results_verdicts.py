"""Verdicts on reported numbers: by one rule, from records alone."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from common.results.generate import generate
from common.results.records import records_frame
from common.results.reported import load_reported
from common.results.verdicts import (
    NUMBER_VERDICTS,
    counts,
    half_width,
    judge,
    number_verdicts,
    reported_half_width,
    test_set_half_width,
)

test_set_half_width.__test__ = False  # the name of a function, not of a test
HEADER = (
    "paper,item,experiment,method,variant,dataset,architecture,sparsity,metric,value,std,"
    "seeds,source,note\n"
)


@pytest.fixture
def verdict(sample_paper, make_record, tmp_path):
    """Return a function that judges one reported number of SNIP at 0.9 from some runs."""

    def of(accuracies, value="93.00", std="", seeds="", metric="test_accuracy_pct", **fields):
        row = f"sample,Table 1,checks,snip,original,cifar10,vgg19,0.9,{metric},{value},{std},"
        path = tmp_path / "one.csv"
        path.write_text(f"{HEADER}{row}{seeds},here,\n", encoding="utf-8")
        paper = replace(sample_paper, reported=path, reported_as=())
        shape = {"protocol": "paper"} | fields
        records = [make_record(seed=n, accuracy=a, **shape) for n, a in enumerate(accuracies)]
        frame = records_frame(records, ("config.train.lr",))
        (found,) = number_verdicts(paper, frame, load_reported(paper)).to_dict("records")
        return found

    return of


@pytest.mark.parametrize(("seeds", "runs"), [("", 1), ("1", 1), ("4", 4)])
def test_without_a_reported_spread_ours_stands_in_for_it(verdict, seeds, runs):
    """Three seeds of ours: std 0.2 and Student's 4.303."""
    found = verdict([94.8, 95.0, 95.2], seeds=seeds)
    assert (found["ours"], found["ours_n"]) == (pytest.approx(95.0), 3)
    assert found["ours_std"] == pytest.approx(0.2)
    half = 4.302653 * 0.2 * math.sqrt(1 / 3 + 1 / runs)
    assert found["low"] == pytest.approx(2.0 - half, abs=1e-5)
    assert found["high"] == pytest.approx(2.0 + half, abs=1e-5)
    assert found["verdict"] == "higher"
    assert found["seeds"] == "0 1 2"
    assert verdict([94.8, 95.0, 95.2], value="97.00", seeds=seeds)["verdict"] == "lower"


@pytest.mark.parametrize("ours", [3, 5, 10])
def test_numbers_that_agree_in_truth_seldom_come_out_as_different(ours):
    """One reported run against several of ours, all drawn from the same distribution."""
    rng = np.random.default_rng(0)
    runs, single = rng.normal(93, 0.5, (20_000, ours)), rng.normal(93, 0.5, 20_000)
    stds = runs.std(axis=1, ddof=1)
    verdicts = [
        judge(
            *(difference, half_width(std, ours), reported_half_width(math.nan, None, std, ours)),
            *(0.0, 1.0, ours),
        ).verdict
        for difference, std in zip(runs.mean(axis=1) - single, stds, strict=True)
    ]
    wrong = sum(verdict in ("higher", "lower") for verdict in verdicts) / len(verdicts)
    assert 0.04 < wrong < 0.06


def test_failed_runs_and_several_configurations_are_told(sample_paper, make_record):
    reported = load_reported(sample_paper)
    shape = {"sparsity": 0.8, "protocol": "paper"}
    records = [make_record(seed=n, accuracy=92.9 + n / 50, **shape) for n in range(3)]
    records.append(make_record(seed=3, status="failed", metrics={}, **shape))
    records.append(make_record(seed=0, accuracy=92.9, config_hash="another", **shape))
    numbers = number_verdicts(sample_paper, records_frame(records), reported)
    (reason,) = numbers.loc[numbers["ours"].notna(), "reason"]
    assert reason == "1 of our runs failed; 2 configurations of ours averaged"
    assert judge(math.nan, 0.1, 0.1, 0.1, 1.0, 3).verdict == "inconclusive"


def test_numbers_agree_where_the_interval_is_narrow_enough_to_tell(verdict):
    assert verdict([92.95, 93.0, 93.05])["verdict"] == "agrees"
    found = verdict([92.0, 93.0, 94.0])
    assert found["verdict"] == "inconclusive"
    assert found["reason"] == "the interval is wider than ±1"


def test_the_test_set_is_the_floor_of_every_accuracy(verdict):
    """Three seeds that happen to agree to 0.01 know no more than 10,000 images can tell."""
    found = verdict([93.29, 93.30, 93.31])
    floor = 1.959964 * 100 * math.sqrt(0.933 * 0.067 / 10_000)
    assert (found["high"] - found["low"]) / 2 == pytest.approx(floor, rel=2e-3)
    assert floor == pytest.approx(0.49, abs=0.002)
    assert found["verdict"] == "agrees"
    assert verdict([93.59, 93.60, 93.61])["verdict"] == "higher"
    few = verdict([93.59, 93.60, 93.61], dataset_fingerprint__test_images=1000)
    assert few["verdict"] == "inconclusive"
    assert few["reason"] == "our measurement cannot tell ±1 (1.5 at best)"
    all_right = verdict([100.0, 100.0, 100.0], value="99.99")
    assert all_right["verdict"] == "agrees" and all_right["high"] > 0.02
    unknown = {"dataset_fingerprint__test_images": None}
    assert verdict([93.04, 93.04, 93.04], value="93.0", **unknown)["verdict"] == "agrees"


def test_a_reported_spread_widens_the_interval_by_what_is_known_of_it(verdict):
    ours = [93.9, 94.0, 94.1]
    assert verdict(ours, std="0.3", seeds="5")["verdict"] == "higher"
    unknown = verdict(ours, std="0.6")
    half = math.hypot(4.302653 * 0.1 / math.sqrt(3), 1.959964 * 0.6)
    assert unknown["high"] == pytest.approx(1.0 + half, abs=1e-5)
    assert unknown["verdict"] == "inconclusive"
    assert half_width(0.3, 5) == pytest.approx(2.776445 * 0.3 / math.sqrt(5), abs=1e-6)


def test_a_single_seed_decides_nothing(verdict):
    found = verdict([70.0])
    assert (found["verdict"], found["reason"]) == ("inconclusive", "a single seed of ours")
    assert math.isnan(found["low"]) and found["difference"] == pytest.approx(-23.0)


def test_other_protocols_and_incomplete_data_are_shown_without_a_difference(verdict):
    quick = verdict([70.0, 71.0], protocol="quick", experiment="short")
    assert (quick["verdict"], quick["protocol"]) == ("other protocol", "quick")
    assert (quick["ours"], quick["ours_n"]) == (pytest.approx(70.5), 2)
    assert math.isnan(quick["difference"]) and math.isnan(quick["low"])
    part = verdict([93.0, 93.1], dataset_fingerprint__complete=False)
    assert (part["verdict"], part["protocol"]) == ("other protocol", "paper")
    assert part["reason"] == "our data set is incomplete"


def test_what_has_no_counterpart_is_not_run(verdict):
    assert verdict([93.0, 93.1], config__model__name="resnet20")["verdict"] == "not run"
    assert verdict([93.0, 93.1], config__find__sparsity=0.8)["verdict"] == "not run"
    other = verdict([93.0, 93.1], metric="epochs_reduction_pct")
    assert (other["verdict"], other["reason"]) == (
        "not run",
        "our runs do not record this metric",
    )
    failed = verdict([93.0], status="failed", metrics={})
    assert (failed["verdict"], failed["reason"]) == ("not run", "our runs failed")


def test_numbers_that_are_no_percentages_agree_within_five_percent(verdict):
    fields = {"metrics": {"test_accuracy": 93.0, "epochs": 150.0}}
    assert verdict([0, 0], "150", metric="epochs", **fields)["verdict"] == "agrees"
    found = verdict([0, 0], "149", metric="epochs", **fields)
    assert (found["low"], found["high"]) == (0.5, 1.5), "half a unit of the last printed digit"
    assert found["verdict"] == "higher"
    assert found["margin"] == pytest.approx(7.45)


@given(
    st.floats(-20, 20),
    st.floats(0, 5),
    st.floats(0, 5),
    st.floats(0, 2),
    st.floats(0.1, 3),
)
def test_exchanging_the_sides_exchanges_higher_and_lower(difference, ours, theirs, floor, margin):
    found = judge(difference, ours, theirs, floor, margin, 3)
    mirrored = judge(-difference, theirs, ours, floor, margin, 5)
    swapped = {"higher": "lower", "lower": "higher"}
    assert mirrored.verdict == swapped.get(found.verdict, found.verdict)
    assert mirrored.low == pytest.approx(-found.high)
    assert found.low <= difference <= found.high


@given(st.floats(0, 100), st.integers(100, 60_000))
def test_more_test_images_never_widen_the_floor(accuracy, images):
    assert test_set_half_width(accuracy, images) >= test_set_half_width(accuracy, 2 * images)
    assert 0 < test_set_half_width(accuracy, images) <= 98 / math.sqrt(images)


def test_runs_of_several_experiments_are_not_mixed(sample_paper, make_record):
    """Elsewhere, the experiment of the same name counts, and otherwise a single one."""
    reported = load_reported(sample_paper)
    one = reported[(reported["method"] == "snip") & (reported["sparsity"] == 0.8)].iloc[:1]
    one = one.reset_index(drop=True)

    def judged(**experiments):
        records = [
            make_record(sparsity=0.8, accuracy=a, experiment=name, config_hash=f"{n:08d}")
            for n, (name, a) in enumerate(experiments.items())
        ]
        return number_verdicts(sample_paper, records_frame(records), one).iloc[0]

    assert judged(a=50.0)["ours"] == 50.0
    assert judged(a=50.0, b=90.0)["verdict"] == "not run"
    assert judged(a=50.0, b=90.0, checks=70.0)["ours"] == 70.0


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("value", "", "value of row 2 must be a finite number"),
        ("value", "inf", "value of row 2 must be a finite number"),
        ("std", "-0.1", "std of row 2 must be 0 or more"),
        ("seeds", "2.5", "seeds of row 2 must be a whole number of 1 or more, found 2.5"),
        ("seeds", "3 runs", "seeds of row 2 must be a whole number"),
    ],
)
def test_impossible_reported_numbers_are_refused(sample_paper, tmp_path, column, text, words):
    table = pd.read_csv(sample_paper.reported, dtype=str, keep_default_na=False).iloc[:1]
    table.assign(**{column: text}).to_csv(tmp_path / "wrong.csv", index=False)
    with pytest.raises(UserError, match=words):
        load_reported(replace(sample_paper, reported=tmp_path / "wrong.csv"))


def test_every_number_has_one_verdict(sample_paper, sample_records):
    reported = load_reported(sample_paper)
    frame = records_frame(sample_records("quick") + sample_records("paper"))
    numbers = number_verdicts(sample_paper, frame, reported)
    assert len(numbers) == len(reported)
    assert sum(counts(numbers).values()) == len(numbers)
    assert list(counts(numbers)) == list(NUMBER_VERDICTS)
    ran = numbers[numbers["protocol"] == "paper"]
    assert len(ran) == 32 and ran["run_ids"].str.split().map(len).ge(2).all()


def test_a_changed_record_changes_the_verdict(sample_paper, make_record, store, tmp_path):
    records = [
        make_record(seed=n, sparsity=0.8, accuracy=a, protocol="paper")
        for n, a in enumerate((92.88, 92.9, 92.92))  # 92.90 is reported
    ]
    root = store(tmp_path / "results", records)

    def verdict_in_the_export():
        paper = replace(sample_paper, plots=())
        generate({"sample": paper}, root)
        found = json.loads((root / "verdicts" / "verdicts.json").read_text())
        (number,) = [n for n in found["papers"][0]["numbers"] if n["verdict"] != "not run"]
        line = (root / "verdicts" / "sample.md").read_text()
        assert f"| {number['verdict']} |" in line
        matrix = pd.read_csv(root / "verdicts" / "matrix.csv").set_index("paper").loc["sample"]
        assert matrix[number["verdict"]] == 1
        return number["verdict"], number["ours"]

    assert verdict_in_the_export() == ("agrees", 92.9)
    for path in (root / "records").rglob("*.json"):
        record = json.loads(path.read_text())
        record["metrics"]["test_accuracy"] += 2
        path.write_text(json.dumps(record))
    assert verdict_in_the_export() == ("higher", 94.9)
