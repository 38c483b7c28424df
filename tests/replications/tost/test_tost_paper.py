"""The results of ToST: claims find their runs, names agree, networks of two kinds stay apart."""

from collections import Counter

import pytest

from common.results.cells import select, summarise_cells
from common.results.claims import FAILS, HOLDS, NOT_EVALUATED, NOT_RUN, evaluate
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.plots.style import plot_style
from common.results.records import records_frame
from common.results.reported import comparison, load_reported, match
from common.results.spec import Bars, Matrix
from common.results.tables import build_table, table_runs
from replications.tost.paper import PAPER
from replications.tost.tables import CHAINS, KEPT, KEPT_CHAINS, PLAIN, SIZES

SHORT = "cpu_12_epochs"
ON_MEAN_GAINS = {"C2", "C2-cifar10", "C3", "C3-digits"}
"""Claims whose sides are means over masks, networks and sparsities."""


def record_of(run, seed):
    """Return a finished run; networks with ghosts have their sizes, as in true records."""
    target = getattr(run.find, "sparsity", None)
    metrics = {"test_accuracy": 50.0}
    if run.train.ghost_skip is not None:
        metrics |= {"ghost_parameters": 1000, "final_parameters": 2000}
    return {
        "paper": run.paper,
        "experiment": run.experiment,
        "protocol": run.protocol,
        "config": run.model_dump(mode="json", exclude={"seeds"}),
        "config_hash": f"{run.protocol} {run.name}",
        "seed": seed,
        "status": "finished",
        "metrics": metrics,
        "ticket": {"sparsity": target, "layer_densities": {"conv1.weight": 0.5}},
        "timing": {},
        "environment": {},
        "dataset_fingerprint": {"test_images": 10_000, "complete": True},
    }


@pytest.fixture(scope="module")
def runs(loaded):
    return [run for files in loaded.values() for found in files.values() for run in found]


@pytest.fixture(scope="module")
def frame(runs):
    """One run of every config and seed, all with the same accuracy."""
    return records_frame([record_of(run, seed) for run in runs for seed in run.seeds])


@pytest.fixture(scope="module")
def reported():
    return load_reported(PAPER)


@pytest.fixture(scope="module")
def kept(runs):
    """The variants whose final network has ghosts or soft neurons, as the configs say."""
    return {
        run.variant
        for run in runs
        for part in (run.train.soft_activation, run.train.ghost_skip)
        if part is not None and part.decay == "none"
    }


# Claims ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "claims"),
    [
        ("paper", {"C1", "C2", "C3", "C4", "C5", "C6"}),
        ("grasp", {"C1", "C2", "C3"}),
        ("quick", {"C1", "C3", "C5", "C6"}),
        (SHORT, {"C1", "C3", "C6"}),
    ],
)
def test_every_claim_finds_its_runs_one_config_a_side(frame, protocol, claims):
    results = [r for r in evaluate(PAPER, frame, protocol) if r.verdict != NOT_EVALUATED]
    assert {result.claim.id.split("-")[0] for result in results} == claims
    for result in results:
        for number in range(len(result.claim.comparisons)):
            cells = [cell for cell in result.cells if cell.comparison == number]
            assert cells, (result.claim.id, number)
            for cell in cells:
                assert cell.verdict != NOT_RUN, (result.claim.id, number, cell.cell)
                assert cell.seeds == (0, 1, 2)
                single = result.claim.id not in ON_MEAN_GAINS
                assert not single or not cell.reason, (result.claim.id, cell.cell, cell.reason)


def test_claims_on_mean_gains_take_the_same_masks_on_both_sides(frame):
    """Five masks on two networks; twelve cells of others to three of random masks."""
    results = {result.claim.id: result for result in evaluate(PAPER, frame, "paper")}
    (cell,) = results["C2"].cells
    assert cell.reason.count("10 configurations averaged") == 4
    assert len(results["C3"].cells) == 4
    for cell in results["C3"].cells:
        assert cell.reason.count("3 configurations averaged") == 2
        assert cell.reason.count("12 configurations averaged") == 2


def test_the_cells_of_the_claims_on_every_mask(frame):
    cells = {r.claim.id: len(r.cells) for r in evaluate(PAPER, frame, "paper")}
    for method in ("random", "snip", "grasp", "synflow", "imp"):
        assert cells[f"C1-{method}"] == 2 * 2 * 3
    assert cells["C1-others"] == 3 * 3
    assert (cells["C4"], cells["C4-points"], cells["C4-networks"]) == (6, 2, 5 * 2 * 3)
    assert (cells["C2-earlier"], cells["C5-lrsi"], cells["C5-stack"]) == (16, 16, 4 * 16)


@pytest.fixture(scope="module")
def as_reported(runs, reported):
    """Three equal seeds of every config with the accuracy that the paper reports of it, if any."""
    of_paper = [run for run in runs if run.protocol == "paper"]
    frame = records_frame([record_of(run, seed) for run in of_paper for seed in range(3)])
    rows = frame.rename_axis("run_number").reset_index()
    keys = ["experiment", "method", "variant", "dataset", "architecture", "sparsity"]
    cells = rows[keys].drop_duplicates()
    pairs = match(cells, reported, "test_accuracy_pct", PAPER.sparsity_tolerance)
    values = rows.merge(pairs[[*keys, "value"]], on=keys).set_index("run_number")["value"]
    frame["test_accuracy"] = values.reindex(frame.index)
    return frame


def test_what_the_paper_reports_decides_its_claims(as_reported):
    """Table 2 shows C1 to C3, but for a greater gain at 98 % on CIFAR-10."""
    results = {r.claim.id: r for r in evaluate(PAPER, as_reported, "paper")}
    verdicts = {
        name: result.verdict for name, result in results.items() if result.verdict != NOT_EVALUATED
    }
    shown = {name: verdict for name, verdict in verdicts.items() if verdict != NOT_RUN}
    masks = ("random", "snip", "grasp", "synflow", "imp")
    assert shown == {
        **{f"C1-{method}": HOLDS for method in masks},
        "C2": HOLDS,
        "C2-cifar10": FAILS,
        "C3": HOLDS,
    }
    (cell,) = results["C2"].cells
    assert (cell.left, cell.right) == pytest.approx((4.56, 1.11), abs=0.005)
    (cell,) = results["C2-cifar10"].cells
    assert (cell.left, cell.right) == pytest.approx((1.33, 1.55), abs=0.005)
    gains = [c.summary.mean for method in masks for c in results[f"C1-{method}"].cells]
    assert (min(gains), max(gains), len(gains)) == (
        pytest.approx(0.06),
        pytest.approx(14.15),
        60,
    )
    assert sum(gain < 0.5 for gain in gains) == 10


def test_a_claim_has_protocols_a_source_and_one_sentence():
    for claim in PAPER.claims:
        reduced = "digits" in claim.id or "short" in claim.id
        assert claim.protocols is not None
        assert reduced == bool({"quick", SHORT} & set(claim.protocols)), claim.id
        assert reduced == claim.source.endswith("at reduced scale"), claim.id
        assert not claim.text.endswith(".")


def test_only_the_claim_on_keeping_speaks_of_networks_that_keep(kept):
    for claim in PAPER.claims:
        for part in claim.comparisons:
            sides = (part.left, part.right, part.left_minus, part.right_minus)
            variants = {side["variant"] for side in sides if side is not None}
            assert bool(variants & kept) == (claim.id[:2] == "C6"), claim.id


# Reported numbers --------------------------------------------------------------------------------


def test_every_reported_accuracy_stands_beside_one_of_ours(frame, reported):
    found = comparison(frame, reported, PAPER.compared_metrics, PAPER.sparsity_tolerance)
    accuracies = found["metric"] == "test_accuracy_pct"
    assert Counter(found[accuracies]["status"]) == {"compared": 124}
    assert set(found[~accuracies]["metric"]) == {"test_accuracy_gain_pct"}


def test_gains_without_their_accuracies_have_a_table_of_their_own(reported):
    (table,) = PAPER.reported_tables
    gains = reported[reported["metric"] == "test_accuracy_gain_pct"]
    assert set(gains["experiment"]) == set(table.experiments)
    assert set(gains["method"]) == {"snip", "imp"}


# Networks of two kinds ---------------------------------------------------------------------------


def test_the_recipes_that_keep_are_those_the_tables_know(runs, kept):
    assert kept == {*KEPT, *KEPT_CHAINS}
    rest = {run.variant for run in runs if run.method != "lth_local"} - kept
    assert rest == {*PLAIN, *CHAINS, "none"}


@pytest.mark.parametrize("shown", [*PAPER.tables, *PAPER.plots], ids=lambda shown: shown.name)
def test_recipes_that_keep_never_stand_beside_others(shown, frame, kept):
    runs = select(frame, shown.where)
    variants = set(runs[runs["experiment"].isin(shown.experiments)]["variant"])
    assert variants
    assert variants <= kept or not variants & kept
    assert ("_kept" in shown.name) == (variants <= kept)


def test_sizes_are_shown_wherever_networks_keep_their_ghosts(frame, kept):
    sized = {}
    for table in PAPER.tables:
        if table.metric in SIZES:
            assert "parameters" in table.title and table.where["variant"] == KEPT
            sized.setdefault(table.experiments, set()).add(table.metric)
    with_ghosts = frame[frame["variant"].isin(kept) & frame["ghost_parameters"].notna()]
    assert set(sized) == {(name,) for name in with_ghosts["experiment"]}
    assert all(metrics == set(SIZES) for metrics in sized.values())


# Tables and plots --------------------------------------------------------------------------------


def test_every_run_has_a_target_that_tables_and_plots_can_place(frame):
    assert frame["sparsity"].notna().all()


def test_every_run_is_in_a_table_of_accuracies(frame):
    seen = set()
    for table in PAPER.tables:
        if table.metric == "test_accuracy":
            for protocol in set(frame["protocol"]):
                seen |= set(table_runs(PAPER, table, frame, protocol).index)
    assert seen == set(frame.index)


@pytest.mark.parametrize("table", PAPER.tables, ids=lambda table: table.name)
def test_a_table_averages_seeds_alone(table, frame, reported):
    built = [
        build_table(PAPER, table, protocol, frame, reported)
        for protocol in sorted(set(frame["protocol"]))
    ]
    cells = [table.cells for table in built if table is not None]
    assert cells
    for rows in cells:
        assert set(rows["configurations"]) <= {1}


@pytest.mark.parametrize("plot", PAPER.plots, ids=lambda plot: plot.name)
def test_a_plot_averages_seeds_alone(plot, frame, reported):
    shown = 0
    for protocol in sorted(set(frame["protocol"])):
        runs = Request(PAPER, plot, protocol, frame, reported).runs
        if isinstance(plot, Matrix):
            runs = runs[runs["sparsity"].isin(plot.targets)]
        shown += len(runs)
        columns = ["dataset", "architecture", "method", "variant", "sparsity"]
        if len(runs):
            cells = summarise_cells(runs, columns, "test_accuracy")
            assert set(cells["configurations"]) == {1}
        if isinstance(plot, Bars):
            assert runs.groupby([*plot.panels, *plot.groups])["sparsity"].nunique().eq(1).all()
    assert shown


@pytest.mark.parametrize(
    ("name", "protocol", "panels"),
    [
        ("recipes", "quick", ["digits, ResNet-8, sparsity 0.95"]),
        ("recipes_kept", SHORT, ["CIFAR-10, ResNet-8, sparsity 0.98"]),
        ("other_masks", "paper", ["one-shot magnitude", "Taylor", "gradual magnitude"]),
    ],
)
def test_the_panels_of_some_plots(name, protocol, panels, frame, reported):
    plot = next(plot for plot in PAPER.plots if plot.name == name)
    with plot_style():
        figure = draw(Request(PAPER, plot, protocol, frame, reported))
    assert [axes.get_title(loc="left") for axes in figure.axes] == panels


def test_table_2_is_drawn_beside_the_reported_numbers(frame, reported):
    plot = next(plot for plot in PAPER.plots if plot.name == "table_2")
    with plot_style():
        figure = draw(Request(PAPER, plot, "paper", frame, reported))
    titles = [axes.get_title(loc="left").split("\n") for axes in figure.axes]
    assert Counter(first for first, _ in titles) == {
        "Reported in the paper": 4,
        "This replication, protocol paper": 4,
    }
    assert set(Counter(place for _, place in titles).values()) == {2}


def test_every_name_has_its_place_in_the_order(frame):
    for column in ("method", "variant", "dataset", "architecture"):
        assert set(frame[column]) == set(PAPER.order[column]), column
        assert set(frame[column]) - {"digits"} <= set(PAPER.labels), column
