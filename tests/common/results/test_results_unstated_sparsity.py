"""Reported numbers whose sparsity is not stated, beside ours of a metric with another name."""

import math

import pytest

from common.errors import UserError
from common.results.claims import evaluate
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.records import records_frame
from common.results.reported import COLUMNS, comparison, load_reported
from common.results.spec import Bars, Claim, Comparison, Paper, Table
from common.results.tables import build_table

FOUND = {"metric": "found_test_accuracy", "reported_metric": "test_accuracy_pct"}
REPORTED = {"aslp": 73.7, "supermask": 63.5, "edge_popup": 70.1}


@pytest.fixture
def paper_with(tmp_path):
    """A function that makes a paper from reported cells: (method, sparsity as text, value)."""

    def make(*rows, **other):
        lines = [
            f"sample,bars,checks,{method},none,cifar10,vgg19,{sparsity},test_accuracy_pct,{value},,,,"
            for method, sparsity, value in rows
        ]
        path = tmp_path / "reported.csv"
        path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
        return Paper("sample", "x", reported=path, **other)

    return make


@pytest.fixture
def runs(make_record):
    """A function that makes the runs of one protocol: two methods without target, one with 0.5."""

    def make(protocol="paper", **other):
        return [
            make_record(method, "none", target, seed, 10.0, protocol=protocol,
                        metrics__found_test_accuracy=base + seed, **other)
            for method, target, base in (
                ("aslp", None, 74.0), ("supermask", None, 64.0), ("edge_popup", 0.5, 70.0)
            )
            for seed in range(3)
        ]  # fmt: skip

    return make


def unstated(paper_with, **other):
    return paper_with(*((method, "", value) for method, value in REPORTED.items()), **other)


def table(*rows, columns=()):
    return Table("t", "x", ("checks",), rows, columns, **FOUND)


@pytest.mark.parametrize("rows", [("method",), ("method", "sparsity")])
def test_an_empty_reported_sparsity_stands_beside_any_of_ours(paper_with, runs, rows):
    paper = unstated(paper_with)
    frame, reported = records_frame(runs()), load_reported(paper)
    built = build_table(paper, table(*rows), "paper", frame, reported)
    cells = built.cells.set_index("method")
    assert cells["reported"].to_dict() == REPORTED
    assert cells["mean"].to_dict() == {"aslp": 75.0, "supermask": 65.0, "edge_popup": 71.0}
    assert cells.loc["aslp", "difference"] == pytest.approx(75 - 73.7)
    assert (cells["n"] == 3).all()  # a missing target does not split the seeds


def test_the_comparison_takes_the_metric_that_the_paper_names(paper_with, runs):
    paper = unstated(
        paper_with, compared_metrics={"test_accuracy_pct": ("found_test_accuracy", "test_accuracy")}
    )
    frame, reported = records_frame(runs()), load_reported(paper)
    found = comparison(frame, reported, paper.compared_metrics).set_index("method")
    assert found["ours"].to_dict() == {"aslp": 75.0, "supermask": 65.0, "edge_popup": 71.0}
    assert set(found["status"]) == {"compared"}
    usual = comparison(frame, reported)
    assert set(usual["ours"]) == {10.0}


def test_the_comparison_falls_back_where_a_cell_lacks_the_first_metric(
    paper_with, runs, make_record
):
    paper = paper_with(("aslp", "", 73.7), ("dense", "", 86.0))
    frame = records_frame([*runs(), make_record("dense", "none", None, 0, 85.0, protocol="paper")])
    names = {"test_accuracy_pct": ("found_test_accuracy", "test_accuracy")}
    found = comparison(frame, load_reported(paper), names).set_index("method")["ours"]
    assert found.to_dict() == {"aslp": 75.0, "dense": 85.0}


def test_several_sparsities_of_ours_leave_the_comparison_open(paper_with, make_record):
    paper = paper_with(("edge_popup", "", 70.1))
    records = [make_record("edge_popup", "none", p, 0, a, protocol="paper")
               for p, a in ((0.5, 71.0), (0.9, 60.0))]  # fmt: skip
    frame, reported = records_frame(records), load_reported(paper)
    (row,) = comparison(frame, reported).to_dict("records")
    assert row["status"] == "several sparsities of ours"
    assert math.isnan(row["ours"]) and row["ours_n"] == 0
    built = build_table(
        paper, Table("t", "x", ("checks",), ("sparsity",)), "paper", frame, reported
    )
    assert built.cells["reported"].tolist() == [70.1, 70.1]


def test_a_stated_sparsity_comes_before_an_empty_one(paper_with, make_record):
    paper = paper_with(("snip", "", 70.0), ("snip", "0.90001", 80.0))
    records = [make_record("snip", "none", p, 0, 75.0, protocol="paper") for p in (0.5, 0.9)]
    frame, reported = records_frame(records), load_reported(paper)
    built = build_table(
        paper, Table("t", "x", ("checks",), ("sparsity",)), "paper", frame, reported
    )
    assert built.cells.set_index("sparsity")["reported"].to_dict() == {0.5: 70.0, 0.9: 80.0}
    assert comparison(frame, reported)["status"].tolist() == ["compared", "compared"]


def bars_of(figure, gid):
    return [a for axes in figure.axes for a in axes.get_children() if a.get_gid() == gid]


def draw_bars(paper, plot, records, protocol="paper"):
    return draw(Request(paper, plot, protocol, records_frame(records), load_reported(paper)))


@pytest.mark.parametrize(
    ("groups", "where"),
    [
        (("architecture",), {}),
        ((), {}),
        (("sparsity",), {}),
        (("architecture",), {"sparsity": (None, 0.5)}),
    ],
)
def test_reported_bars_stand_right_of_ours(paper_with, runs, groups, where):
    plot = Bars("b", "x", ("checks",), groups, "method", ("dataset",), where=where,
                show_reported="bars", **FOUND)  # fmt: skip
    figure = draw_bars(unstated(paper_with), plot, runs())
    ours, theirs = bars_of(figure, "ours"), bars_of(figure, "reported")
    assert sorted(bar.get_height() for bar in ours) == [65, 71, 75]
    assert sorted(bar.get_height() for bar in theirs) == sorted(REPORTED.values())
    beside = {75: 73.7, 65: 63.5, 71: 70.1}
    right = {round(bar.get_x(), 6): bar.get_height() for bar in theirs}
    for bar in ours:
        assert right[round(bar.get_x() + bar.get_width(), 6)] == beside[bar.get_height()]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[-1] == "reported"


def test_reported_markers_lie_on_our_bars(paper_with, runs):
    plot = Bars("b", "x", ("checks",), ("architecture",), "method", ("dataset",), **FOUND)
    figure = draw_bars(unstated(paper_with), plot, runs())
    heights = [mark.get_ydata()[0] for mark in bars_of(figure, "reported")]
    assert sorted(heights) == sorted(REPORTED.values())


def test_no_reported_bar_outside_the_papers_protocol(paper_with, runs):
    plot = Bars("b", "x", ("checks",), (), "method", ("dataset",), show_reported="bars", **FOUND)
    figure = draw_bars(unstated(paper_with), plot, runs("quick"), "quick")
    assert len(bars_of(figure, "ours")) == 3 and not bars_of(figure, "reported")
    partial = runs(dataset_fingerprint__complete=False)
    assert not bars_of(draw_bars(unstated(paper_with), plot, partial), "reported")


def test_a_group_by_sparsity_repeats_no_number_where_we_have_no_run(paper_with, runs):
    plot = Bars("b", "x", ("checks",), ("sparsity",), "method", ("dataset",),
                show_reported="bars", **FOUND)  # fmt: skip
    figure = draw_bars(unstated(paper_with), plot, runs())
    assert len(bars_of(figure, "reported")) == 3


def test_bars_over_several_configurations_say_so(paper_with, runs, make_record):
    plot = Bars("b", "x", ("checks",), (), "method", ("dataset",), **FOUND)
    paper = unstated(paper_with)
    more = make_record("edge_popup", "none", 0.9, protocol="paper",
                       metrics__found_test_accuracy=60.0)  # fmt: skip
    for records, told in ((runs(), False), ([*runs(), more], True)):
        caption = draw_bars(paper, plot, records).texts[1].get_text().replace("\n", " ")
        assert ("over several configurations" in caption) == told


def test_claims_compare_methods_with_and_without_target(paper_with, runs):
    over = ("dataset", "architecture")
    versus = Comparison({"method": "aslp"}, {"method": "edge_popup"}, "greater", over=over,
                        metric="found_test_accuracy")  # fmt: skip
    paper = unstated(paper_with, claims=(Claim("C1", "", "", (versus,)),))
    (result,) = evaluate(paper, records_frame(runs()), "paper")
    assert result.verdict == "holds"
    assert result.cells[0].summary.mean == pytest.approx(4.0)


def test_kinds_of_reported_marks_are_checked():
    with pytest.raises(UserError, match=r"show_reported.*'bar'.*did you mean 'bars'"):
        Bars("b", "x", (), show_reported="bar")
