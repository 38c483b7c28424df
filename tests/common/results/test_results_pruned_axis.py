"""Curves of iterative pruning on an axis that speaks of what is pruned."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from common.errors import UserError
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.records import records_frame
from common.results.reported import load_reported
from common.results.spec import AccuracyVsSparsity, Beside

LEVELS = [round(1 - 0.8**k, 6) for k in range(31)]
PLOT = AccuracyVsSparsity("curves", "x", ("checks",), axis="pruned", baseline=None)


@pytest.fixture
def figure_of(sample_paper, make_record):
    """A function that draws curves at some levels; seeds are one point apart."""

    def make(levels, seeds=3, protocol="quick", plot=PLOT):
        records = [
            make_record("snip", sparsity=level, seed=seed, accuracy=80 - k + seed,
                        protocol=protocol)
            for k, level in enumerate(levels)
            for seed in range(seeds)
        ]  # fmt: skip
        reported = load_reported(sample_paper)
        return draw(Request(sample_paper, plot, protocol, records_frame(records), reported))

    return make


def marks(axes, gid):
    return [artist for artist in axes.get_children() if artist.get_gid() == gid]


def test_levels_are_equally_far_apart_and_ticks_are_percent_pruned(figure_of):
    (axes,) = figure_of(LEVELS).axes
    (line,) = marks(axes, "ours")
    gaps = np.diff(axes.transData.transform(line.get_xydata())[:, 0])
    assert gaps == pytest.approx(gaps.mean(), rel=3e-3) and gaps.mean() > 0
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels[:5] == ["0", "36", "59", "79", "89.3"] and labels[-1] == "99.9"
    assert len(set(labels)) == len(labels) > 8
    pruned = {round(100 * level, 1) for level in LEVELS}
    assert {float(label) for label in labels} <= pruned
    assert axes.get_xlabel().startswith("weights pruned (%")


@pytest.mark.parametrize("levels", [LEVELS, LEVELS[:12], LEVELS[::5], [0.0, 0.5, 0.9, 0.98, 0.99]])
def test_tick_labels_do_not_touch(figure_of, levels):
    figure = figure_of(levels)
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in axes.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_the_band_is_the_standard_deviation_over_seeds(figure_of):
    figure = figure_of(LEVELS[:4])
    (axes,) = figure.axes
    (band,) = marks(axes, "band")
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.max(), heights.min()) == pytest.approx((82.0, 77.0))  # 81 + 1, 78 - 1
    assert not axes.containers  # no error bars
    caption = figure.texts[1].get_text().replace("\n", " ")
    assert "Mean ± standard deviation over seeds, n = 3 seeds" in caption
    alone = figure_of(LEVELS[:4], seeds=1)
    assert not marks(alone.axes[0], "band") and "deviation" not in alone.texts[1].get_text()


def test_a_fall_to_chance_is_drawn_whole(make_record, sample_paper):
    records = [
        make_record("snip", sparsity=level, accuracy=92.0 if level < 0.9 else 10.0)
        for level in LEVELS[:14]
    ]
    figure = draw(
        Request(sample_paper, PLOT, "quick", records_frame(records), load_reported(sample_paper))
    )
    assert figure.axes[0].get_ylim()[0] < 10
    (line,) = marks(figure.axes[0], "ours")
    assert min(line.get_ydata()) == 10.0


def test_reported_numbers_are_open_and_joined_by_a_thin_line(figure_of):
    (axes,) = figure_of([0.6, 0.8, 0.95], protocol="paper").axes
    (ours,), (curve,) = marks(axes, "ours"), marks(axes, "reported")
    assert curve.get_linestyle() != "None"
    assert curve.get_linewidth() < ours.get_linewidth()
    assert curve.get_markerfacecolor() == "white"
    assert len(curve.get_xdata()) == 5 and np.all(np.diff(curve.get_xdata()) < 0)


def test_panels_beside_ours_have_the_same_kind_of_axis(figure_of):
    plot = replace(PLOT, beside=Beside(("checks",), where={"method": "snip"}))
    figure = figure_of(LEVELS[::3], plot=plot)
    assert len(figure.axes) == 2
    for axes in figure.axes:
        texts = [text.get_text() for text in axes.get_xticklabels()]
        assert not any("%" in text for text in texts)
        assert float(texts[-1]) >= 99


def test_the_dense_baseline_is_its_standard_deviation(make_record, sample_paper):
    records = [make_record("snip", sparsity=level) for level in LEVELS[:3]]
    records += [make_record("dense", "none", None, seed, 90.0 + 2 * seed) for seed in range(3)]
    plot = replace(PLOT, baseline="dense")
    figure = draw(
        Request(sample_paper, plot, "quick", records_frame(records), load_reported(sample_paper))
    )
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "dense (± standard deviation)" in labels


def test_the_axis_is_one_of_two():
    with pytest.raises(UserError, match=r"plot 'a': axis: unknown name 'prune'"):
        AccuracyVsSparsity("a", "x", ("checks",), axis="prune")
