"""Verdicts on reported numbers: by one rule, from records alone."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.results.generate import generate
from common.results.records import records_frame
from common.results.reported import load_reported
from common.results.verdicts import (
    NUMBER_VERDICTS,
    counts,
    half_width,
    judge,
    number_verdicts,
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


def test_without_a_reported_spread_the_interval_is_ours(verdict):
    """Three seeds: std 0.6 and Student's 4.303, so 1.49 on either side."""
    found = verdict([94.4, 95.0, 95.6])
    assert (found["ours"], found["ours_n"]) == (pytest.approx(95.0), 3)
    assert found["ours_std"] == pytest.approx(0.6)
    half = 4.302653 * 0.6 / math.sqrt(3)
    assert found["low"] == pytest.approx(2.0 - half, abs=1e-5)
    assert found["high"] == pytest.approx(2.0 + half, abs=1e-5)
    assert found["verdict"] == "higher"
    assert pd.isna(found["reported_n"]) and found["seeds"] == "0 1 2"
    assert verdict([94.4, 95.0, 95.6], value="97.00")["verdict"] == "lower"


def test_numbers_agree_where_the_interval_is_narrow_enough_to_tell(verdict):
    assert verdict([92.9, 93.0, 93.1])["verdict"] == "agrees"
    found = verdict([92.0, 93.0, 94.0])
    assert found["verdict"] == "inconclusive"
    assert found["reason"] == "the interval is wider than ±1"


def test_the_test_set_is_the_floor_of_every_accuracy(verdict):
    """Three seeds that happen to agree to 0.01 know no more than 10,000 images can tell."""
    found = verdict([93.29, 93.30, 93.31])
    floor = 1.959964 * 100 * math.sqrt(0.933 * 0.067 / 10_000)
    assert (found["high"] - found["low"]) / 2 == pytest.approx(floor)
    assert floor == pytest.approx(0.49, abs=0.002)
    assert found["verdict"] == "agrees"
    assert verdict([93.59, 93.60, 93.61])["verdict"] == "higher"
    few = verdict([93.59, 93.60, 93.61], dataset_fingerprint__test_images=1000)
    assert few["verdict"] == "inconclusive", "1,000 images: 1.5 points"


def test_a_reported_spread_widens_the_interval_by_what_is_known_of_it(verdict):
    ours = [93.9, 94.0, 94.1]
    assert verdict(ours)["verdict"] == "higher"
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
    assert test_set_half_width(accuracy, images) <= 98 / math.sqrt(images)


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
        for n, a in enumerate((92.8, 92.9, 93.0))  # 92.90 is reported
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
