"""Numbers that follow from a record, targets of layer plots that are only near, silent labels."""

import math

import pytest

from common.results.naming import show, show_line
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.records import records_frame
from common.results.reported import COLUMNS, comparison, load_reported
from common.results.spec import (
    AccuracyVsSparsity,
    Beside,
    Costs,
    DensityCurves,
    LayerDensities,
    Paper,
    ReportedAs,
)


def test_the_cost_of_a_ticket_is_in_the_frame(make_record):
    timed = make_record(
        timing__search_seconds=12.5, metrics__search_epochs=16, config__train={"epochs": 8}
    )
    row = records_frame([timed]).iloc[0]
    assert (row["search_seconds"], row["search_epochs"], row["total_epochs"]) == (12.5, 16, 24)


def test_records_without_the_time_of_the_search_have_no_sum_of_epochs(make_record):
    old = make_record(metrics__search_epochs=16, config__train={"epochs": 8})
    frame = records_frame([old])
    assert not {"search_seconds", "total_epochs"} & set(frame.columns)


def test_a_metric_of_the_record_goes_before_a_derived_one(make_record):
    record = make_record(timing__search_seconds=12.5, metrics__search_seconds=3.0)
    assert records_frame([record])["search_seconds"].tolist() == [3.0]


def test_the_first_and_the_last_layer_are_those_of_the_network(make_record):
    densities = {"z.weight": 0.5, "b.weight": 0.01, "a.weight": 0.25}
    record = make_record(ticket__layer_densities=densities, ticket__layer_order=list(densities))
    row = records_frame([record]).iloc[0]
    assert (row["first_layer_density"], row["last_layer_density"]) == (0.5, 0.25)


def test_a_failed_run_has_no_derived_numbers(make_record):
    failed = make_record(status="failed", metrics={}, timing={"search_seconds": 0})
    done = make_record(seed=1, timing__search_seconds=4.0)
    frame = records_frame([failed, done]).set_index("seed")
    assert math.isnan(frame.loc[0, "search_seconds"])
    assert frame.loc[1, "search_seconds"] == 4.0


@pytest.mark.parametrize(
    ("target", "drawn"), [(0.9856, 2), ((0.9856, 0.9), 3), ((0.5, 0.9), 1), (0.97, 0)]
)
def test_a_layer_plot_has_the_rounds_that_come_near_its_targets(make_record, target, drawn):
    # 0.8 ** 19 keeps 1.4412 % of the weights, a method with a target 1.44 %.
    records = [
        make_record("gem_miner", "original", 0.9856),
        make_record("imp", "original", 0.985588),
        make_record("snip", "original", 0.9),
    ]
    paper = Paper("sample", "x")
    plot = LayerDensities("l", "x", ("checks",), target, panels=("dataset",))
    figure = draw(Request(paper, plot, "quick", records_frame(records), load_reported(paper)))
    found = [line for axes in figure.axes for line in axes.lines if line.get_gid() == "ours"] \
        if figure else []  # fmt: skip
    assert len(found) == drawn


def test_an_empty_label_leaves_a_value_out_of_a_longer_name_only():
    paper = Paper("sample", "x", labels={"standard": "", "snip": "SNIP"})
    assert show_line(paper, ("snip", "standard")) == "SNIP"
    assert show_line(paper, ("snip", "short")) == "SNIP, short"
    assert show_line(paper, ("standard",)) == "standard"
    assert show(paper, "standard") == "standard"


def curve_points(records, plot):
    paper = Paper("sample", "x")
    figure = draw(Request(paper, plot, "quick", records_frame(records), load_reported(paper)))
    lines = [line for line in figure.axes[0].lines if line.get_gid() == "ours"]
    return [line.get_xdata().tolist() for line in lines]


@pytest.mark.parametrize(("levels", "apart"), [(4, True), (10, True), (11, False)])
def test_curves_of_many_densities_are_drawn_where_they_are(make_record, levels, apart):
    sparsities = [round(1 - 0.8**n, 6) for n in range(1, levels + 1)]
    records = [
        make_record(method, "original", sparsity)
        for method in ("snip", "grasp")
        for sparsity in sparsities
    ]
    plot = AccuracyVsSparsity("a", "x", ("checks",), panels=("dataset",), lines="method")
    first, second = curve_points(records, plot)
    assert (first != second) is apart
    if not apart:
        assert first == pytest.approx([100 * 0.8**n for n in range(1, levels + 1)], rel=1e-4)


def test_the_curves_of_a_search_say_which_number_is_a_sparsity(make_record):
    curves = {"epoch": [1, 2], "rounded_sparsity": [0.5, 0.6]}
    records = [
        make_record("gem_miner", "original", sparsity, search={"curves": curves})
        for sparsity in (0.9, 0.98)
    ]
    plot = DensityCurves("d", "x", ("checks",), lines=("method", "sparsity"))
    paper = Paper("sample", "x", labels={"gem_miner": "Gem-Miner"})
    figure = draw(Request(paper, plot, "quick", records_frame(records), load_reported(paper)))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == ["Gem-Miner, sparsity 0.9", "Gem-Miner, sparsity 0.98"]


def test_a_flat_layer_profile_has_the_limits_of_every_other(make_record):
    flat = make_record("ep", "original", 0.9, ticket__layer_densities={"a": 0.1, "b": 0.1})
    plot = LayerDensities("l", "x", ("checks",), 0.9, panels=("dataset",))
    paper = Paper("sample", "x")
    figure = draw(Request(paper, plot, "quick", records_frame([flat]), load_reported(paper)))
    low, high = figure.axes[0].get_ylim()
    assert (low, high) == pytest.approx((5 / 1.3, 140))


@pytest.fixture
def ended_elsewhere(tmp_path):
    """A paper whose reported curve ended at 3.594 % and 1.4 %; ours have the targets 5 and 1.4."""
    path = tmp_path / "reported.csv"
    rows = [
        f"sample,Figure,theirs,gem_miner,original,cifar10,vgg19,{sparsity},test_accuracy_pct,90,,,,"
        for sparsity in (0.96406, 0.986)
    ]
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    rule = ReportedAs({"sparsity": 0.96406}, {"sparsity": 0.95, "experiment": "theirs"})
    return Paper("sample", "x", reported=path, reported_as=(rule,))


def test_a_reported_curve_is_drawn_where_the_paper_has_it(ended_elsewhere, make_record):
    plot = AccuracyVsSparsity(
        "a", "x", ("checks",), panels=("dataset",), lines="method", beside=Beside(("theirs",))
    )
    frame = records_frame([make_record("gem_miner", "original", 0.95)])
    reported = load_reported(ended_elsewhere)
    assert sorted(reported["sparsity"]) == [0.95, 0.986]
    figure = draw(Request(ended_elsewhere, plot, "quick", frame, reported))
    (line,) = [line for line in figure.axes[0].lines if line.get_gid() == "reported"]
    assert line.get_xdata().tolist() == pytest.approx([3.594, 1.4])


def test_a_number_that_ended_elsewhere_is_compared_with_the_target(ended_elsewhere, make_record):
    record = make_record("gem_miner", "original", 0.95, experiment="theirs", protocol="paper")
    found = comparison(records_frame([record]), load_reported(ended_elsewhere))
    assert dict(zip(found["sparsity"], found["status"])) == {0.95: "compared", 0.986: "not run"}
    assert "printed_sparsity" not in found.columns


def test_bars_of_costs_stand_in_the_paper_s_order(make_record):
    records = [
        make_record(method, "original", 0.9, metrics__search_epochs=epochs)
        for method, epochs in (("snip", 1), ("imp", 100), ("gem_miner", 10))
    ]
    paper = Paper("sample", "x", order={"method": ("imp", "gem_miner", "snip")})
    plot = Costs("c", "x", ("checks",), ("search_epochs",))
    figure = draw(Request(paper, plot, "quick", records_frame(records), load_reported(paper)))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["imp", "gem miner", "snip"]
