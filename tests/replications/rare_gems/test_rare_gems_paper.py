"""The results of Rare Gems: every reported number has a place, every table and plot its runs."""

from collections import Counter

import pytest

from common.results.cells import select, summarise_cells
from common.results.plot_kinds import beside_of, curve_columns
from common.results.plots.beside import beside_rows
from common.results.plots.layer_profiles import reported_profiles
from common.results.plots.layout import NEVER_AVERAGED, Request
from common.results.plots.registry import draw
from common.results.records import records_frame
from common.results.reported import comparison, load_reported
from common.results.spec import (
    AccuracyVsSparsity,
    Bars,
    Costs,
    DensityCurves,
    LayerDensities,
    Scatter,
    TrainingCurves,
    config_columns,
)
from common.results.tables import build_table, table_runs
from replications.rare_gems.paper import PAPER
from replications.rare_gems.translations import NOT_OURS, SETTINGS

NUMBERS = {
    "test_accuracy": 50.0,
    "prefinetune_test_accuracy": 40.0,
    "start_test_accuracy": 45.0,
    "search_epochs": 10,
    "search_seconds": 7.0,
}
LAYERS = {f"layer{number}.weight": 0.1 for number in range(20)}
CURVES = {"epoch": [1, 2], "test_accuracy": [20, 30], "rounded_sparsity": [0.5, 0.6]}
SHORT = "the few epochs of CIFAR-10"


def record_of(run, seed):
    return {
        "paper": run.paper,
        "experiment": run.experiment,
        "protocol": run.protocol,
        "config": run.model_dump(mode="json", exclude={"seeds"}),
        "config_hash": run.name,
        "seed": seed,
        "status": "finished",
        "metrics": NUMBERS,
        "ticket": {"layer_densities": LAYERS},
        "timing": {"search_seconds": 7.0},
        "environment": {},
        "dataset_fingerprint": {},
        "search": {"curves": CURVES},
    }


@pytest.fixture(scope="module")
def frame(presets):
    """One run of every config of every preset and seed, all with the same numbers."""
    records = [
        record_of(run, seed)
        for runs in presets.values()
        for run in runs.values()
        for seed in run.seeds
    ]
    return records_frame(records, config_columns([PAPER]))


@pytest.fixture(scope="module")
def reported():
    return load_reported(PAPER)


def protocols(frame):
    return sorted(set(frame["protocol"]))


def request_of(plot, frame, reported, protocol="paper"):
    return Request(PAPER, plot, protocol, frame, reported)


def metrics_beside(plot):
    """Return the metrics of reported.csv that a plot's panels of reported numbers show."""
    if isinstance(plot, Scatter):
        return plot.reported_names
    if isinstance(plot, Costs):
        return plot.metrics
    if isinstance(plot, TrainingCurves):
        return (plot.reported_name, f"{plot.metric}_pct")
    if isinstance(plot, (DensityCurves, LayerDensities)):
        return (plot.reported_metric,)
    return (plot.reported_name,)


# Reported numbers --------------------------------------------------------------------------------

# Item -> numbers beside one of ours in the comparison; others in a plot or a table of reported
# numbers; those that nothing of ours stands for. The second are what a search noted epoch by epoch,
# the layers of tickets, and unpruned networks at the start of a curve.
PLACES = {
    "Figure 1": (4, 0, 1),
    "Figure 2": (16, 36, 0),
    "Figure 3": (269, 8, 0),
    "Figure 4": (269, 8, 0),
    "Figure 5": (2, 18, 0),
    "Figure 6": (142, 4, 0),
    "Figure 8": (126, 3, 0),
    "Figure 9": (24, 0, 0),
    "Figure 10": (61, 8, 0),
    "Table 1": (7, 21, 0),
    "Table 2": (3, 0, 3),
    "Table 3": (10, 0, 0),
    "Table 4": (8, 0, 0),
    "Table 16": (7, 0, 0),
    "original logs": (1, 160, 1),
}


def test_every_reported_number_has_a_place_or_a_reason(frame, reported):
    found = comparison(frame, reported, PAPER.compared_metrics, PAPER.sparsity_tolerance)
    compared = set(found.index[found["status"] == "compared"])
    shown = set()
    for plot in PAPER.plots:
        if beside_of(plot) is not None:
            names = metrics_beside(plot)
            shown |= set(beside_rows(request_of(plot, frame, reported), *names).index)
    for table in PAPER.reported_tables:
        rows = select(reported, table.where)
        named = rows["experiment"].isin(table.experiments) & rows["metric"].isin(table.metrics)
        shown |= set(rows.index[named])
    not_ours = {row for where, _ in NOT_OURS for row in select(reported, where).index}
    assert not compared & not_ours
    assert compared | shown | not_ours == set(reported.index)
    assert len(reported) == 1220
    items = reported["item"]
    counts = [Counter(items[sorted(rows)]) for rows in (
        compared, shown - compared - not_ours, not_ours
    )]  # fmt: skip
    assert {item: tuple(count[item] for count in counts) for item in items.unique()} == PLACES


def test_every_reason_is_for_some_number_and_in_the_notes(reported):
    for where, reason in NOT_OURS:
        assert len(select(reported, where))
        assert reason in PAPER.notes


def test_densities_that_ended_elsewhere_stand_beside_the_targets(frame, reported):
    found = comparison(frame, reported, PAPER.compared_metrics, PAPER.sparsity_tolerance)
    rows = found[(found["item"] == "Figure 4") & (found["architecture"] == "resnet50")]
    rows = rows[(rows["dataset"] == "tiny_imagenet_half") & (rows["method"] == "gem_miner")]
    rows = rows[rows["variant"] == "standard"].set_index("sparsity")
    assert rows["reported"].round(1).to_dict() == {
        0.50163: 44.2,
        0.95: 53.5,
        0.986: 52.0,
        0.995: 46.5,
    }
    assert (rows["ours_n"] == 1).all()


def test_layer_plots_show_all_tickets_of_figure_7(frame, reported):
    shown = set()
    for plot in PAPER.plots:
        if isinstance(plot, LayerDensities):
            profiles = reported_profiles(request_of(plot, frame, reported), plot)
            assert all(len(kept) == 20 for kept in profiles["layer_densities"])
            shown |= set(zip(profiles["method"], (1 - profiles["sparsity"]).mul(100).round(2)))
    gems, rounds = (50, 3.72, 1.44, 0.59), (51.2, 3.52, 1.44, 0.59)
    assert shown == {("gem_miner", d) for d in gems} | {("imp_warm", d) for d in rounds}


# Tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", PAPER.tables, ids=lambda table: table.name)
def test_a_table_has_runs_fits_a_page_and_averages_seeds_alone(table, frame, reported):
    shown = [
        protocol for protocol in protocols(frame) if len(table_runs(PAPER, table, frame, protocol))
    ]
    assert shown
    for protocol in shown:
        built = build_table(PAPER, table, protocol, frame, reported)
        assert built.layout.header
        assert len(built.layout.header) <= 13, protocol
        runs = table_runs(PAPER, table, frame, protocol)
        cells = summarise_cells(runs, [*table.rows, *table.columns], table.metric)
        assert cells["configurations"].max() == 1, protocol


def cells_of(name, frame, reported):
    table = next(table for table in PAPER.tables if table.name == name)
    return build_table(PAPER, table, "paper", frame, reported).cells


def reported_of(name, keys, frame, reported):
    cells = cells_of(name, frame, reported).dropna(subset="reported")
    return cells.set_index(list(keys))["reported"].to_dict()


def test_the_paper_s_tables_are_in_ours(frame, reported):
    assert reported_of("smart_ratio_variants", ["variant"], frame, reported) == {
        **{"standard": 77.89, "sr_v1": 65.61, "sr_v2": 68.59, "sr_v3": 69.78},
        **{"sr_v4": 69.92, "sr_v5": 69.01, "sr_v6": 69.08},
    }
    assert reported_of("edge_popup_ablation", ["variant"], frame, reported) == {
        **{"layerwise": 24.47, "global": 34.42, "global_gradual": 63.54},
        **{"global_gradual_l2": 63.72, "standard": 66.15},
    }
    assert reported_of("long_gem_miner", ["method", "variant"], frame, reported) == {
        ("gem_miner", "standard"): 77.89,
        ("gem_miner", "long"): 79.5,
        ("imp_warm", "standard"): 74.52,
        ("lrr", "standard"): 80.21,
    }
    assert reported_of("search_epochs", ["method"], frame, reported) == {
        **{"gem_miner": 150, "edge_popup": 150, "imp_warm": 2850, "lrr": 3000},
        **{"snip": 1, "grasp": 1, "synflow": 1},
    }


def test_figure_1_stands_beside_figure_6_as_a_source_of_its_own(frame, reported):
    cells = cells_of("prefinetune_cifar10_vgg16", frame, reported)
    cell = cells[(cells["method"] == "gem_miner") & (cells["variant"] == "standard")]
    cell = cell[cell["sparsity"] == 0.995]
    assert (cell["reported"].item(), cell["reported_Figure_1"].item()) == (89.8, 59.3)


# Plots -------------------------------------------------------------------------------------------


def drawn_apart(plot):
    """Return the columns that keep apart what a plot averages."""
    columns = {*plot.panels, *curve_columns(plot)}
    if not isinstance(plot, (Bars, Costs)):
        columns |= {*NEVER_AVERAGED}
    if isinstance(plot, (AccuracyVsSparsity, Scatter)):
        columns.add("sparsity")
    return sorted(columns)


@pytest.mark.parametrize("plot", PAPER.plots, ids=lambda plot: plot.name)
def test_a_plot_has_runs_and_averages_seeds_alone(plot, frame, reported):
    shown = 0
    for protocol in protocols(frame):
        runs = request_of(plot, frame, reported, protocol).runs
        if isinstance(plot, LayerDensities):
            room = [PAPER.sparsity_tolerance * (1 - target) for target in plot.targets]
            near = [(runs["sparsity"] - t).abs() <= r for t, r in zip(plot.targets, room)]
            runs = runs[sum(near) > 0]
        shown += len(runs)
        if len(runs):
            configurations = runs.groupby(drawn_apart(plot), dropna=False)["config_hash"].nunique()
            assert configurations.max() == 1, (protocol, configurations.idxmax())
    assert shown


@pytest.mark.parametrize(
    ("name", "protocol", "reported_panels", "panels"),
    [
        ("tradeoff", "quick", 1, 2),
        ("tradeoff", SHORT, 1, 2),
        ("tradeoff_cifar10_vgg16", "reported", 1, 1),
        ("cost", "quick", 1, 3),
        ("accuracy_during_search", "quick", 1, 2),
        ("layer_densities_1.44", "quick", 1, 2),
        ("before_and_after", "quick", 1, 2),
        ("prefinetune_others", "reported", 5, 5),
    ],
)
def test_panels_of_the_reduced_and_of_the_reported_plots(
    name, protocol, reported_panels, panels, frame, reported
):
    plot = next(plot for plot in PAPER.plots if plot.name == name)
    if protocol == SHORT:
        (protocol,) = set(frame.loc[frame["experiment"] == "cpu-short", "protocol"])
    figure = draw(request_of(plot, frame, reported, protocol))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == panels
    assert sum(title.startswith("Reported in the paper") for title in titles) == reported_panels
    ours = [title for title in titles if not title.startswith("Reported in the paper")]
    assert all(f"protocol {protocol}" in " ".join(title.split()) for title in ours)


def test_every_setting_of_figures_3_4_and_8_has_one_reported_figure(frame, reported):
    names = {plot.name for plot in PAPER.plots}
    assert len(SETTINGS) == 10
    assert {f"tradeoff_{setting.name}" for setting in SETTINGS[1:]} | {"tradeoff"} <= names


def test_every_method_and_variant_has_its_place_in_the_order(frame):
    printed = frame["protocol"] == "paper_printed"
    assert set(frame["method"]) <= set(PAPER.order["method"])
    known = {*PAPER.order["variant"], "target 20%"}
    assert set(frame.loc[~printed, "variant"]) <= known
    assert set(frame["dataset"]) - {"imagenet"} == set(PAPER.order["dataset"])
    assert set(frame["architecture"]) == set(PAPER.order["architecture"])
