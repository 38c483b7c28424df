"""What runs noted during a mask search: checked when read, averaged over seeds, drawn."""

import copy
import json

import numpy as np
import pytest

from common.errors import UserError
from common.results.curves import mean_histograms, seed_curves, spread
from common.results.generate import generate
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.records import OBJECT_COLUMNS, load_records, records_frame, write_record
from common.results.reported import load_reported
from common.results.spec import (
    LayerDensities,
    Paper,
    SelectionProbabilities,
    TrainingCurves,
    config_columns,
)

CURVES = {"epoch": [1, 2, 5], "validation_accuracy": [10.0, 20.0, 50.0], "train_loss": [2, 1, None]}
HISTOGRAMS = {
    "edges": [0.0, 0.5, 1.0],
    "epoch": [0, 1, 5],
    "fractions": [[0, 1], [0.25, 0.75], [0.5, 0.5]],
}


def searched(make_record, seed=0, curves=None, histograms=HISTOGRAMS, **other):
    """Return a record of a learned mask."""
    record = make_record("aslp", "none", None, seed, **other)
    record["search"] = {"curves": curves or CURVES, "selection_probability": histograms}
    return record


def curve(epochs, values, metric="validation_accuracy"):
    return {"epoch": epochs, metric: values}


def draw_plot(plot, records, protocol="quick"):
    paper = Paper("sample", "x", plots=(plot,))
    frame = records_frame(records, config_columns([paper]))
    return draw(Request(paper, plot, protocol, frame, load_reported(paper)))


def marks(figure, gid):
    return [a for axes in figure.axes for a in axes.get_children() if a.get_gid() == gid]


# Records ---------------------------------------------------------------------------------------


def test_a_search_comes_back_and_reaches_the_frame(tmp_path, make_record):
    write_record(tmp_path / "r.json", searched(make_record))
    (loaded,) = load_records(tmp_path)
    assert loaded["search"] == {"curves": CURVES, "selection_probability": HISTOGRAMS}
    row = records_frame([loaded]).iloc[0]
    assert row["search_curves"] == CURVES
    assert row["selection_probability"] == HISTOGRAMS


def test_the_curves_of_a_training_are_checked_like_those_of_a_search(tmp_path, make_record):
    write_record(tmp_path / "r.json", {**make_record(), "training": CURVES})
    (loaded,) = load_records(tmp_path)
    assert loaded["training"] == CURVES
    with pytest.raises(UserError, match=r"training\.epoch is missing"):
        write_record(tmp_path / "r.json", {**make_record(), "training": {"train_loss": [1.0]}})


@pytest.mark.parametrize("search", [None, {}, {"curves": None, "selection_probability": None}])
def test_parts_of_a_search_may_be_absent(tmp_path, make_record, search):
    record = make_record()
    plain = records_frame([record])
    write_record(tmp_path / "r.json", {**record, "search": search})
    frame = records_frame(load_records(tmp_path))
    columns = [name for name in plain.columns if name not in OBJECT_COLUMNS]
    assert frame[columns].equals(plain[columns])
    assert (frame["search_curves"][0], frame["selection_probability"][0]) == ({}, {})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((), [1], "search must be an object or null"),
        (("curves",), [1], "search.curves must be an object or null"),
        (("curves", "epoch"), None, "search.curves.epoch is missing"),
        (("curves", "epoch"), [1, 5, 2], "search.curves.epoch must increase"),
        (("curves", "epoch"), [1, 2], "has 3 values, search.curves.epoch has 2"),
        (("curves", "train_loss"), 2.0, "search.curves.train_loss is no list"),
        (("curves", "train_loss"), [2, "1", 0], "search.curves.train_loss holds '1'"),
        (("selection_probability", "edges"), [0, 0.5, 0.9], "edges must increase from 0 to 1"),
        (("selection_probability", "edges"), [0, 1], "has 2 bins, search.selection_probability."),
        (("selection_probability", "epoch"), [0, 1], "fractions has 3 histograms"),
        (("selection_probability", "fractions"), None, "fractions is missing"),
        (("selection_probability", "fractions", 1), [0.5, 0.4], "at epoch 1 sums to 0.9, not to 1"),
        (("selection_probability", "fractions", 2), [1.5, -0.5], "at epoch 5 must hold numbers"),
    ],
)  # fmt: skip
def test_a_malformed_search_is_refused_in_one_line(tmp_path, make_record, path, value, message):
    record = searched(make_record)
    target, keys = record, ("search", *path)
    record["search"] = copy.deepcopy(record["search"])
    for key in keys[:-1]:
        target = target[key]
    target[keys[-1]] = value
    (tmp_path / "wrong.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"wrong\.json: search") as error:
        load_records(tmp_path)
    assert message in str(error.value) and "\n" not in str(error.value)


# Averages --------------------------------------------------------------------------------------


def test_a_mean_curve_is_the_mean_of_the_seeds_that_are_there(make_record):
    runs = records_frame(
        [
            searched(make_record, 0, curve([1, 2, 3, 4], [10, 20, 30, 40])),
            searched(make_record, 1, curve([1, 2, 3, 4], [14, 26, 30, 44])),
            searched(make_record, 2, curve([1, 2], [18, 26])),
        ]
    )
    found = seed_curves(runs, "validation_accuracy")
    assert found.epochs.tolist() == [1, 2, 3, 4]
    assert found.mean.tolist() == [14, 24, 30, 42]
    assert found.ends == [1] and not found.interpolated
    low, high = spread(found.values)
    std = np.std([20, 26, 26], ddof=1)
    assert (low[1], high[1]) == pytest.approx((24 - std, 24 + std))  # three seeds
    assert (low[3], high[3]) == (40, 44)  # two are left


def test_epochs_that_a_run_did_not_note_lie_on_a_line(make_record):
    runs = records_frame(
        [
            searched(make_record, 0, curve([1, 2, 3], [10, 12, 14])),
            searched(make_record, 1, curve([1, 2, 3, 5], [20, None, 40, 60])),
        ]
    )
    found = seed_curves(runs, "validation_accuracy")
    assert found.interpolated
    assert found.mean.tolist() == [15, (12 + 30) / 2, 27, 60]


def test_runs_of_one_seed_count_as_one(make_record):
    records = [searched(make_record, s, curve([1], [v])) for s, v in ((0, 10), (0, 20), (1, 45))]
    found = seed_curves(records_frame(records), "validation_accuracy")
    assert found.values.tolist() == [[15], [45]] and found.mean.tolist() == [30]


def test_one_seed_has_no_band():
    low, high = spread(np.array([[1.0, 2.0]]))
    assert np.isnan(low).all() and np.isnan(high).all()


def test_mean_histograms_sum_to_one_and_leave_stopped_seeds_out(make_record):
    short = {"edges": [0, 0.5, 1], "epoch": [0, 1], "fractions": [[0, 1], [0.75, 0.25]]}
    runs = records_frame([searched(make_record, 0), searched(make_record, 1, histograms=short)])
    found = mean_histograms(runs)
    assert found.epochs.tolist() == [0, 1, 5]
    assert found.fractions.tolist() == [[0, 1], [0.5, 0.5], [0.5, 0.5]]
    assert found.counts.tolist() == [2, 2, 1]
    other = {**HISTOGRAMS, "epoch": [0, 3, 5]}  # 1 and 5 of the first run, 3 and 5 of this one
    runs = records_frame([searched(make_record, 0), searched(make_record, 1, histograms=other)])
    found = mean_histograms(runs)
    assert found.interpolated
    assert found.fractions.sum(axis=1) == pytest.approx(1)
    assert found.fractions[1, 0] == pytest.approx((0.25 + 0.25 / 3) / 2)


def test_histograms_of_different_bins_are_not_averaged(make_record):
    other = {"edges": [0, 0.4, 1], "epoch": [0], "fractions": [[0, 1]]}
    runs = records_frame([searched(make_record, 0), searched(make_record, 1, histograms=other)])
    with pytest.raises(UserError, match=r"edges of run 'aslp-none-None' differ"):
        mean_histograms(runs)


# Plots -----------------------------------------------------------------------------------------


def test_training_curves_are_means_with_bands_and_ticks(make_record):
    records = [
        searched(make_record, s, curve(list(range(1, last + 1)), [10.0 * s] * last))
        for s, last in ((0, 4), (1, 4), (2, 2))
    ]
    figure = draw_plot(TrainingCurves("c", "Search", ("checks",)), records)
    (axes,) = figure.axes
    (line,) = marks(figure, "ours")
    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    assert line.get_ydata().tolist() == [10, 10, 5, 5]
    (tick,) = marks(figure, "stopped")
    assert (tick.get_xdata().tolist(), tick.get_ydata().tolist()) == ([2], [10])
    assert marks(figure, "band")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "validation accuracy (%)")
    caption = figure.texts[1].get_text().replace("\n", " ")
    assert "band ± standard deviation (lowest to highest for two seeds), n = 3 seeds" in caption
    assert "over the seeds that are left" in caption
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["aslp", "a seed stopped here"]


def test_one_seed_is_drawn_without_a_band(make_record):
    figure = draw_plot(TrainingCurves("c", "x", ("checks",)), [searched(make_record)])
    assert not marks(figure, "band") and not marks(figure, "stopped")
    assert "n = 1 seed" in figure.texts[1].get_text()
    assert "band" not in figure.texts[1].get_text()


def test_a_curve_that_no_run_has_gives_no_plot(make_record):
    records = [searched(make_record), make_record(seed=1)]
    for metric in ("sparsity", "exact_zeros"):
        plot = TrainingCurves("c", "x", ("checks",), metric=metric)
        assert draw_plot(plot, records) is None
    figure = draw_plot(TrainingCurves("c", "x", ("checks",), metric="train_loss"), records)
    (line,) = marks(figure, "ours")  # the run without curves has no panel and no line
    assert line.get_xdata().tolist() == [1, 2]
    assert len(figure.axes) == 1


def test_searches_in_different_places_get_panels_of_one_scale(make_record):
    places = [(m, v) for m in ("conv2", "conv4", "conv6") for v in ("WR", "SC")]
    records = [
        searched(
            make_record,
            curves=curve([1, 2 + i], [10, 20 + i]),
            config__model={"name": model},
            config__variant=variant,
        )
        for i, (model, variant) in enumerate(places)
    ]
    figure = draw_plot(TrainingCurves("c", "x", ("checks",)), records)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"cifar10, {name}" for name in ("conv2", "conv4", "conv6")]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert len(marks(figure, "ours")) == 6


def test_the_map_of_probabilities_holds_the_mean_fractions(make_record):
    records = [searched(make_record, seed) for seed in range(3)]
    records.append(make_record("edge_popup", "none", 0.5))
    plot = SelectionProbabilities("p", "Probabilities", ("checks",))
    figure = draw_plot(plot, records)
    panel, bar = figure.axes  # edge-popup has no probabilities and so no panel
    assert panel.get_title(loc="left") == "cifar10, vgg19, aslp, none"
    (mesh,) = marks(figure, "ours")
    values = np.ma.filled(mesh.get_array(), 0.0).reshape(3, 2)
    assert values == pytest.approx(np.array(HISTOGRAMS["fractions"]))
    assert [text.get_text() for text in panel.get_yticklabels()] == ["0", "1", "5"]
    assert bar.get_ylabel() == "fraction of the weights (log scale)"
    assert bar.get_position().x0 > panel.get_position().x1
    assert draw_plot(plot, records[-1:]) is None


def test_pruning_rates_are_linear_means_over_seeds(make_record):
    kept = [{"a.weight": 0.4, "b.weight": v} for v in (0.5, 0.6, 0.8)]
    records = [make_record("aslp", "none", None, s, ticket__layer_densities=d)
               for s, d in enumerate(kept)]  # fmt: skip
    plot = LayerDensities("l", "x", ("checks",), show="pruning_rate")
    figure = draw_plot(plot, records)
    (axes,) = figure.axes
    (line,) = marks(figure, "ours")
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] <= 0 and axes.get_ylim()[1] >= 1
    assert line.get_ydata() == pytest.approx([0.6, 1 - 1.9 / 3])
    assert axes.get_title(loc="left") == "vgg19"  # no target, so none is named
    assert "error bars ± standard deviation" in figure.texts[1].get_text()
    (bars,) = axes.containers
    low, high = bars[2][0].get_segments()[1][:, 1]
    assert (high - low) / 2 == pytest.approx(np.std([0.5, 0.6, 0.8], ddof=1))


def test_layers_of_methods_with_and_without_target_share_a_panel(make_record):
    records = [make_record("aslp", "none", None), make_record("edge_popup", "none", 0.5),
               make_record("edge_popup", "none", 0.9, seed=1)]  # fmt: skip
    plot = LayerDensities("l", "x", ("checks",), sparsity=0.5, show="pruning_rate")
    figure = draw_plot(plot, records)
    assert len(marks(figure, "ours")) == 2
    assert figure.axes[0].get_title(loc="left") == "vgg19, sparsity 0.5 or found"


def test_a_lone_variant_none_still_has_a_name(make_record):
    plot = TrainingCurves("c", "x", ("checks",), lines=("variant",))
    figure = draw_plot(plot, [searched(make_record)])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["none"]


def test_descriptions_of_plots_are_checked():
    with pytest.raises(UserError, match=r"show.*pruning_rates.*did you mean 'pruning_rate'"):
        LayerDensities("l", "x", (), show="pruning_rates")
    with pytest.raises(UserError, match="plot 'c': lines must be a tuple"):
        TrainingCurves("c", "x", (), lines="method")


def test_config_columns_of_the_new_kinds_are_collected():
    plots = (
        TrainingCurves("c", "x", (), lines=("config.a",), panels=("config.b",)),
        SelectionProbabilities("p", "x", (), panels=("config.c",), where={"config.d": 1}),
    )
    names = config_columns([Paper("p", "x", plots=plots)])
    assert names == tuple(f"config.{name}" for name in "abcd")


def test_config_values_can_name_curves(make_record):
    records = [searched(make_record, config__train={"lr": lr}) for lr in (0.1, 25)]
    plot = TrainingCurves("c", "x", ("checks",), lines=("config.train.lr",))
    assert len(marks(draw_plot(plot, records), "ours")) == 2


def test_files_are_made_only_where_records_hold_a_search(tmp_path, make_record, store):
    plots = (TrainingCurves("curves", "x", ("checks",)),
             SelectionProbabilities("spread", "x", ("checks",)))  # fmt: skip
    paper = Paper("sample", "x", plots=plots)
    root = store(tmp_path / "a", [make_record()])
    generate({"sample": paper}, root)
    assert not list(root.rglob("*.png"))
    header = (root / "tables/sample/runs.csv").read_text().splitlines()[0].split(",")
    assert not set(OBJECT_COLUMNS) & set(header)
    with_search = [searched(make_record, seed) for seed in range(2)]
    both = []
    for name in ("b", "c"):
        root = store(tmp_path / name, with_search)
        generate({"sample": paper}, root)
        both.append({p.name: p.read_bytes() for p in sorted((root / "plots").rglob("*.*"))})
    assert set(both[0]) == {f"{n}_quick.{e}" for n in ("curves", "spread") for e in ("png", "svg")}
    assert both[0] == both[1]
