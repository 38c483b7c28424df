"""Scatter plots of two accuracies, costs, and densities during a search."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from common.errors import UserError
from common.results.plots.costs import cost_text
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.records import records_frame
from common.results.reported import COLUMNS, load_reported
from common.results.spec import (
    AccuracyVsSparsity,
    Beside,
    Costs,
    DensityCurves,
    Paper,
    Scatter,
    TrainingCurves,
    config_columns,
)

PRE, POST = "prefinetune_test_accuracy_pct", "test_accuracy_pct"
PLACE = {"config__data": {"name": "digits"}, "config__model": {"name": "resnet8"}}
THEIRS = {"config__data": {"name": "cifar10"}, "config__model": {"name": "resnet20"}}
ORDER = {"method": ("gem_miner", "imp_warm", "snip")}


@pytest.fixture
def paper_of(tmp_path):
    """A function that makes a paper from reported rows (experiment, method, sparsity, metric, value, note)."""  # noqa: E501

    def make(*rows, **other):
        lines = [",".join(COLUMNS)]
        lines += [
            f"sample,Figure,{experiment},{method},original,cifar10,resnet20,{sparsity},{metric},"
            f"{value},,,,{note}"
            for experiment, method, sparsity, metric, value, note in rows
        ]
        path = tmp_path / "reported.csv"
        path.write_text("\n".join(lines) + "\n")
        return Paper("sample", "x", reported=path, order=ORDER, **other)

    return make


def draw_plot(paper, plot, records, protocol="quick"):
    frame = records_frame(records, config_columns([paper]))
    return draw(Request(paper, plot, protocol, frame, load_reported(paper)))


def marks(axes, gid):
    return [artist for artist in axes.get_children() if artist.get_gid() == gid]


def points(axes, gid):
    return sorted((float(x), float(y)) for m in marks(axes, gid) for x, y in m.get_xydata())


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


# Scatter ---------------------------------------------------------------------------------------

BEFORE_AFTER = (
    ("one", "gem_miner", 0.98561, POST, 77.9, ""),
    ("two", "gem_miner", 0.98560, PRE, 62.4, ""),
    ("one", "imp_warm", 0.5, POST, 90.0, ""),
    ("two", "imp_warm", 0.8, PRE, 10.0, ""),
    ("three", "gem_miner", 0.986, PRE, 92.1, ""),
    ("three", "gem_miner", 0.986, POST, 92.6, ""),
)


@pytest.fixture
def tickets(make_record):
    """A function that makes runs of two methods with both accuracies."""

    def make(protocol="quick", place=PLACE):
        return [
            make_record(method, "original", sparsity, seed, after + seed, protocol=protocol,
                        metrics__prefinetune_test_accuracy=before + seed, **place)
            for method, before, after in (("gem_miner", 60.0, 80.0), ("snip", 10.0, 70.0))
            for sparsity in (0.8, 0.9856)
            for seed in range(2)
        ]  # fmt: skip

    return make


def test_a_cell_is_a_marker_and_a_seed_a_dot(paper_of, tickets, make_record):
    dense = make_record("dense", "none", None, **PLACE, metrics__prefinetune_test_accuracy=9.0)
    figure = draw_plot(paper_of(), Scatter("s", "x", ("checks",)), [*tickets(), dense])
    (axes,) = figure.axes
    assert points(axes, "ours") == [(10.5, 70.5)] * 2 + [(60.5, 80.5)] * 2
    assert points(axes, "seed") == sorted([(10, 70), (11, 71), (60, 80), (61, 81)] * 2)
    cells = marks(axes, "ours")
    assert len({(line.get_color(), line.get_marker()) for line in cells}) == 4
    assert len({line.get_color() for line in cells}) == 2
    assert axes.get_xlim() == axes.get_ylim()
    (diagonal,) = marks(axes, "diagonal")
    assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    chance = {tuple(line.get_xdata()) for line in marks(axes, "chance")}
    assert (10.0, 10.0) in chance and len(marks(axes, "chance")) == 2
    assert labels(figure) == [
        "gem miner", "snip", "sparsity 0.8", "sparsity 0.9856", "one seed", "equal accuracies",
        "chance level",
    ]  # fmt: skip
    assert "n = 2 seeds" in figure.texts[1].get_text()


def test_reported_accuracies_are_joined_across_experiments_and_sparsities(paper_of, tickets):
    beside = Beside(("one", "two", "three"))
    figure = draw_plot(
        paper_of(*BEFORE_AFTER), Scatter("s", "x", ("checks",), beside=beside), tickets()
    )
    theirs, ours = figure.axes
    assert points(theirs, "reported") == [(62.4, 77.9), (92.1, 92.6)]  # imp has no partner
    assert not marks(ours, "reported")
    first, second = marks(theirs, "reported")
    assert to_hex(first.get_markerfacecolor(), keep_alpha=True) == "#00000000"
    assert first.get_marker() != second.get_marker()  # 0.986 is not 0.9856
    same = [line.get_marker() for line in marks(ours, "ours")]
    assert {first.get_marker(), second.get_marker()} & set(same)
    paper = paper_of(*BEFORE_AFTER, sparsity_tolerance=0.03)
    plot = Scatter("s", "x", ("checks",), beside=beside)
    theirs, ours = draw_plot(paper, plot, tickets("paper", THEIRS), "paper").axes
    assert points(ours, "reported") == points(theirs, "reported")
    shapes = {line.get_marker() for line in marks(theirs, "reported")}
    assert len(shapes) == 1  # within the tolerance both are at 0.9856


def test_the_rarest_of_many_sparsities_share_a_marker(paper_of, tickets):
    rows = [
        ("one", "gem_miner", 1 - 0.8**i, metric, 50 + i, "")
        for i in range(1, 12)
        for metric in (PRE, POST)
    ]
    figure = draw_plot(
        paper_of(*rows), Scatter("s", "x", ("checks",), beside=Beside(("one",))), tickets()
    )
    found = [label for label in labels(figure) if "sparsity" in label]
    assert len(found) == 8 and {"sparsity 0.8", "sparsity 0.9856", "other sparsity"} <= set(found)


def test_runs_without_either_metric_make_no_point(paper_of, make_record):
    plot = Scatter("s", "x", ("checks",))
    assert draw_plot(paper_of(), plot, [make_record(**PLACE)]) is None
    with pytest.raises(UserError, match="markers must be a tuple of at least one frame column"):
        Scatter("s", "x", (), markers="variant")


def test_config_values_can_be_colours_markers_and_curves(paper_of, make_record):
    records = [
        make_record("snip", "original", 0.9, config__train={"lr": lr}, **PLACE,
                    metrics__prefinetune_test_accuracy=20.0)
        for lr in (0.1, 0.2)
    ]  # fmt: skip
    name = "config.train.lr"
    for plot in (
        Scatter("s", "x", ("checks",), colours=name, markers=(name,)),
        AccuracyVsSparsity("a", "x", ("checks",), ("dataset",), name),
    ):
        paper = paper_of(*BEFORE_AFTER, plots=(plot,))
        for protocol in ("quick", "paper"):
            runs = [{**record, "protocol": protocol} for record in records]
            (axes,) = draw_plot(paper, plot, runs, protocol).axes
            assert len({line.get_color() for line in marks(axes, "ours")}) == 2
            assert not marks(axes, "reported")


# Costs -----------------------------------------------------------------------------------------


@pytest.fixture
def searches(make_record):
    """A function that makes runs of three methods with what their searches cost."""

    def make(protocol="quick", place=PLACE):
        return [
            make_record(method, "original", 0.98, seed, protocol=protocol,
                        metrics__search_epochs=epochs,
                        metrics__search_seconds=0.5 * epochs * (1 + seed), **place)
            for method, epochs in (("gem_miner", 150), ("imp_warm", 2850), ("snip", 0))
            for seed in range(2)
        ]  # fmt: skip

    return make


def test_costs_are_bars_with_numbers(paper_of, searches):
    figure = draw_plot(paper_of(), Costs("c", "x", ("checks",)), searches())
    epochs, seconds = figure.axes
    assert (epochs.get_xscale(), epochs.get_xlabel()) == ("log", "epochs of the search, log scale")
    ends = [bar.get_x() + bar.get_width() for bar in marks(epochs, "ours")]
    assert ends == pytest.approx([150, 2850])  # a cost of 0 has a number only
    assert [t.get_text() for t in marks(epochs, "number")] == ["150", "2,850", "0"]
    assert [t.get_text() for t in marks(seconds, "number")] == ["112", "2,138", "0"]
    assert sorted(x for dots in marks(seconds, "seed") for x in dots.get_xdata()) == [
        75, 150, 1425, 2850,
    ]  # fmt: skip
    assert not marks(epochs, "seed")  # all seeds took as many
    names = [text.get_text() for text in epochs.get_yticklabels()]
    assert names == ["gem miner", "imp warm", "snip"]
    top, bottom = (epochs.transData.transform((1, y))[1] for y in (0, 2))
    assert top > bottom


def test_reported_costs_are_hatched_or_diamonds(paper_of, searches):
    rows = [("costs", method, 0.986, "search_epochs", value, "")
            for method, value in (("gem_miner", 150), ("lrr", 3000))]  # fmt: skip
    plot = Costs("c", "x", ("checks",), beside=Beside(("costs",)))
    figure = draw_plot(paper_of(*rows), plot, searches())
    theirs, ours, seconds = figure.axes
    assert len({axes.get_position().y0 for axes in figure.axes}) == 1
    assert [t.get_text() for t in marks(theirs, "number")] == [
        "150",
        "\N{EN DASH}",
        "\N{EN DASH}",
        "3,000",
    ]
    assert [t.get_text() for t in marks(ours, "number")] == ["150", "2,850", "0", "\N{EN DASH}"]
    assert len(marks(theirs, "reported")) == 2 and not marks(ours, "reported")
    ours = draw_plot(paper_of(*rows), plot, searches("paper", THEIRS), "paper").axes[1]
    assert sorted(m.get_xdata()[0] for m in marks(ours, "reported")) == [150, 3000]
    assert marks(ours, "number")[0].get_text() == "150 (reported 150)"
    assert not marks(seconds, "reported")


@pytest.mark.parametrize(
    ("value", "text"), [(2850, "2,850"), (12.55, "12.6"), (1, "1"), (0.0324, "0.032"), (0, "0")]
)
def test_costs_are_written_with_about_three_digits(value, text):
    assert cost_text(value) == text


# Curves ----------------------------------------------------------------------------------------


def searched(make_record, seed=0, **other):
    record = make_record("gem_miner", "original", 0.9, seed, **other)
    record["search"] = {
        "curves": {
            "epoch": [1, 2, 3],
            "rounded_sparsity": [0.5, 0.8, 0.9],
            "frozen_sparsity": [0.0, 0.5 + 0.1 * seed, None],
            "test_accuracy": [10.0, 40.0, 60.0],
        }
    }
    return record


def test_densities_of_both_masks_are_drawn_together(paper_of, make_record):
    note = "density after epoch 25 of the 300-epoch search"
    rows = [("curve", "gem_miner", "", "density_pct", 42.0, note),
            ("curve", "gem_miner", "", "density_pct", 5.0, "after epoch 150"),
            ("curve", "gem_miner", "", "density_pct", 7.0, "no time named")]  # fmt: skip
    records = [searched(make_record, seed, **PLACE) for seed in range(2)]
    plot = DensityCurves("d", "x", ("checks",), beside=Beside(("curve",)))
    figure = draw_plot(paper_of(*rows), plot, records)
    theirs, ours = figure.axes
    assert ours.get_yscale() == theirs.get_yscale() == "log"
    assert ours.get_ylim() == theirs.get_ylim()
    rounded, frozen = marks(ours, "ours")
    assert rounded.get_ydata() == pytest.approx([50, 20, 10])
    assert frozen.get_ydata() == pytest.approx([100, 45])
    assert (rounded.get_linestyle(), frozen.get_linestyle()) == ("-", "--")
    assert rounded.get_color() == frozen.get_color()
    assert points(theirs, "reported") == [(25, 42), (150, 5)]
    assert labels(figure) == ["gem miner, original", "rounded sparsity", "frozen sparsity",
                              "reported"]  # fmt: skip
    (line,) = marks(theirs, "reported")
    assert line.get_color() == rounded.get_color()
    records = [searched(make_record, protocol="paper", **THEIRS)]
    ours = draw_plot(paper_of(*rows), plot, records, "paper").axes[1]
    assert points(ours, "reported") == [(25, 42), (150, 5)]


def test_reported_accuracies_by_epoch_and_levels(paper_of, make_record):
    rows = [("curve", "gem_miner", 0.9884, "at_epoch", 31.7, "epoch 1 of 600"),
            ("curve", "gem_miner", 0.9884, "at_epoch", 84.6, "epoch 299 of 600"),
            ("curve", "imp_warm", 0.986, "test_accuracy_pct", 82.3, "6000 epochs")]  # fmt: skip
    plot = TrainingCurves("t", "x", ("checks",), "test_accuracy", ("method",),
                          reported_metric="at_epoch", beside=Beside(("curve",)))  # fmt: skip
    figure = draw_plot(paper_of(*rows), plot, [searched(make_record, **PLACE)])
    theirs, ours = figure.axes
    assert points(theirs, "reported") == [(1, 31.7), (299, 84.6)]
    (level,) = marks(theirs, "level")
    assert level.get_ydata()[0] == 82.3
    assert not marks(ours, "reported") and not marks(ours, "level")
    assert marks(ours, "ours")[0].get_ydata().tolist() == [10, 40, 60]
    assert theirs.get_ylabel() == "test accuracy (%)"
    assert labels(figure) == ["gem miner", "imp warm", "reported", "reported level"]


def test_curves_named_by_configuration_have_no_reported_ones(paper_of, make_record):
    plot = TrainingCurves("t", "x", ("checks",), "test_accuracy", ("config.train.lr",),
                          beside=Beside(("curve",)))  # fmt: skip
    paper = paper_of(("curve", "gem_miner", 0.9, POST, 1, ""), plots=(plot,))
    with pytest.raises(UserError, match=r"curves of reported numbers: column: unknown name 'conf"):
        draw_plot(paper, plot, [searched(make_record, **PLACE)])


def test_config_columns_of_these_kinds_are_collected():
    plots = (
        Scatter("s", "x", (), colours="config.a", markers=("config.b",), where={"config.c": 1}),
        Costs("c", "x", (), bars=("config.d",)),
        DensityCurves("d", "x", (), lines=("config.e",), panels=("config.f",)),
    )
    names = config_columns([Paper("p", "x", plots=plots)])
    assert names == tuple(f"config.{name}" for name in "abcdef")
