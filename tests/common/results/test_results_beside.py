"""Reported numbers in panels of their own beside ours, and what may share axes with them."""

import pytest
from matplotlib.colors import to_hex
from PIL import Image

from common.errors import UserError
from common.results.generate import generate
from common.results.plots.axes import round_densities
from common.results.plots.beside import may_share, pair_up
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.plots.style import COLOURS
from common.results.records import records_frame
from common.results.reported import COLUMNS, comparison, levels, load_reported, reported_epochs
from common.results.spec import (
    AccuracyVsSparsity,
    Beside,
    LayerDensities,
    Paper,
    ReportedAs,
    ReportedTable,
    Table,
    config_columns,
)
from common.results.tables import build_table

ORDER = {"method": ("gem_miner", "imp_warm", "snip"), "architecture": ("resnet8", "resnet20")}
CURVE = {0.5: 90.0, 0.8: 86.0, 0.9628: 83.2, 0.98561: 77.9}
PLACE = {"config__data": {"name": "digits"}, "config__model": {"name": "resnet8"}}
THEIRS = {"config__data": {"name": "cifar10"}, "config__model": {"name": "resnet20"}}


@pytest.fixture
def paper_of(tmp_path):
    """A function that makes a paper from reported rows: dicts of columns."""

    def make(rows, **other):
        usual = {"paper": "sample", "item": "Figure 3", "experiment": "tradeoff",
                 "variant": "original", "dataset": "cifar10", "architecture": "resnet20",
                 "metric": "test_accuracy_pct"}  # fmt: skip
        lines = [",".join(COLUMNS)]
        lines += [",".join(str({**usual, **row}.get(name, "")) for name in COLUMNS) for row in rows]
        path = tmp_path / "reported.csv"
        path.write_text("\n".join(lines) + "\n")
        return Paper("sample", "x", reported=path, order=ORDER, **other)

    return make


def curves():
    """Return the reported curves of two methods and the dense network."""
    rows = [{"method": "gem_miner", "sparsity": s, "value": v} for s, v in CURVE.items()]
    rows += [{"method": "imp_warm", "sparsity": s, "value": v - 2} for s, v in CURVE.items()]
    return [*rows, {"method": "dense", "sparsity": 0, "value": 91.2}]


def accuracy(**other):
    values = {"panels": ("dataset", "architecture"), "lines": "method", **other}
    return AccuracyVsSparsity("a", "A title", ("checks",), **values)


@pytest.fixture
def tickets(make_record):
    """A function that makes runs of two methods; one of them is only ours."""

    def make(protocol="quick", place=PLACE):
        return [
            make_record(method, "original", sparsity, seed, base - 30 * sparsity + seed,
                        protocol=protocol, **place)
            for method, base in (("gem_miner", 120.0), ("snip", 115.0))
            for sparsity in (0.8, 0.9856)
            for seed in range(2)
        ]  # fmt: skip

    return make


def draw_plot(paper, plot, records, protocol="quick"):
    frame = records_frame(records, config_columns([paper]))
    return draw(Request(paper, plot, protocol, frame, load_reported(paper)))


def marks(axes, gid):
    return [artist for artist in axes.get_children() if artist.get_gid() == gid]


def titles(figure):
    return [axes.get_title(loc="left").replace("\n", ", ") for axes in figure.axes]


def caption(figure):
    return figure.texts[1].get_text().replace("\n", " ")


def write_empty(figure, stem):
    """Stand in for a slow save where only the names of files matter."""
    Image.new("1", (1, 1)).save(stem.with_name(f"{stem.name}.png"))
    stem.with_name(f"{stem.name}.svg").touch()


# Panels ----------------------------------------------------------------------------------------


def test_reported_curves_have_a_panel_left_of_ours(paper_of, tickets):
    paper = paper_of(curves())
    figure = draw_plot(paper, accuracy(beside=Beside(("tradeoff",))), tickets())
    assert titles(figure) == [
        "Reported in the paper, cifar10, resnet20",
        "This replication, protocol quick, digits, resnet8",
    ]
    theirs, ours = figure.axes
    assert theirs.get_position().x1 < ours.get_position().x0
    assert theirs.get_ylim() == ours.get_ylim()
    assert not marks(ours, "reported") and not marks(theirs, "ours")
    gem, imp = marks(theirs, "reported")
    assert sorted(gem.get_ydata()) == sorted(CURVE.values())
    assert gem.get_linestyle() == "-" and to_hex(gem.get_markerfacecolor()) == "#ffffff"
    (level,) = marks(theirs, "reported_baseline")
    assert level.get_ydata()[0] == 91.2
    assert (gem.get_color(), imp.get_color()) == COLOURS[:2]
    assert [line.get_color() for line in marks(ours, "ours")] == [COLOURS[0], COLOURS[2]]
    assert to_hex(theirs.get_facecolor()) != to_hex(ours.get_facecolor()) == "#ffffff"
    assert "Tinted panels: numbers reported in the paper, not ours" in caption(figure)
    assert caption(figure).startswith("Protocol: quick (not the paper's)")


def test_only_the_papers_protocol_has_reported_numbers_on_our_axes(paper_of, tickets):
    paper = paper_of(curves(), sparsity_tolerance=0.03)
    plot = accuracy(beside=Beside(("tradeoff",)))
    theirs, ours = draw_plot(paper, plot, tickets("paper", THEIRS), "paper").axes
    open_ones = marks(ours, "reported")
    assert {line.get_linestyle() for line in open_ones} == {"None"}
    assert sorted(y for line in open_ones for y in line.get_ydata()) == sorted(
        y for line in marks(theirs, "reported") for y in line.get_ydata()
    )
    partial = tickets("paper", {**THEIRS, "dataset_fingerprint__complete": False})
    assert not marks(draw_plot(paper, plot, partial, "paper").axes[1], "reported")


def test_without_any_run_the_reported_panels_stand_alone(
    tmp_path, monkeypatch, paper_of, tickets, store
):
    with_numbers = accuracy(beside=Beside(("tradeoff",)))
    nothing = AccuracyVsSparsity("b", "x", ("none",), beside=Beside(("other",)))
    table = ReportedTable("t", "Reported", ("tradeoff",), ("test_accuracy_pct",), ("sparsity",),
                          where={"method": "gem_miner"})  # fmt: skip
    paper = paper_of(curves(), plots=(with_numbers, nothing), reported_tables=(table,))
    root = store(tmp_path / "results", [])
    root.mkdir(exist_ok=True)
    generate({"sample": paper}, root)
    assert sorted(path.name for path in root.glob("plots/sample/*")) == [
        "a_reported.png", "a_reported.svg",
    ]  # fmt: skip
    index = (root / "README.md").read_text()
    assert "plots/sample/a_reported.png" in index and "tables/sample/t_reported.md" in index
    assert "| 0.9628 | 83.2 |" in (root / "tables/sample/t_reported.md").read_text()
    figure = draw_plot(paper, with_numbers, [], "reported")
    assert titles(figure) == ["Reported in the paper, cifar10, resnet20"]
    assert caption(figure).startswith("Numbers as the paper reports them; there is no run")
    assert draw_plot(paper, with_numbers, [], "paper") is None
    monkeypatch.setattr("common.results.plots.files.save", write_empty)
    store(root, tickets())
    generate({"sample": paper}, root)
    assert sorted(path.name for path in root.glob("plots/sample/*")) == [
        "a_quick.png", "a_quick.svg",
    ]  # fmt: skip


def test_panels_pair_by_place_first_and_then_by_what_they_show():
    columns = ("dataset", "architecture", "method")
    ours = [("digits", "resnet8", "gem"), ("cifar10", "vgg", "gem")]
    theirs = [("cifar10", "resnet20", "gem"), ("cifar10", "vgg", "gem"), ("cifar10", "vgg", "imp")]
    assert pair_up(columns, ours, columns, theirs) == {theirs[1]: ours[1], theirs[0]: ours[0]}


def test_a_common_axis_squeezes_no_panel():
    assert may_share([50, 90], [70, 98])
    assert not may_share([10, 90], [98, 99, 120])
    assert may_share([50, 90], [85])
    assert not may_share([88, 90], [10])


def test_the_rows_beside_are_selected_and_renamed(paper_of, tickets):
    paper = paper_of(curves())
    beside = Beside(("tradeoff",), {"method": "imp_warm"}, {"method": "snip"})
    theirs, ours = draw_plot(paper, accuracy(beside=beside), tickets()).axes
    (line,) = marks(theirs, "reported")
    assert line.get_color() == marks(ours, "ours")[1].get_color()
    for wrong, message in (
        (Beside(("tradeoff",), {"methud": "x"}), r"beside: column.*did you mean 'method'"),
        (Beside(("tradeoff",), becomes={"methud": "x"}), r"becomes: column.*'method'"),
    ):
        with pytest.raises(UserError, match=message):
            draw_plot(paper, accuracy(beside=wrong), tickets())
    with pytest.raises(UserError, match="beside: experiments must be a tuple"):
        Beside("tradeoff")


def test_several_columns_can_name_a_curve(paper_of, make_record):
    records = [
        make_record(method, variant, 0.9, **PLACE)
        for method, variant in (("imp", "long"), ("imp", "short"), ("gem_miner", "standard"))
    ]
    figure = draw_plot(paper_of([]), accuracy(lines=("method", "variant")), records)
    (axes,) = figure.axes
    gem, long, short = marks(axes, "ours")
    assert long.get_color() == short.get_color() != gem.get_color()
    assert long.get_marker() != short.get_marker()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:3] == ["gem miner, standard", "imp, long", "imp, short"]


def test_ticks_of_reported_densities_are_round():
    assert round_densities([100, 0.59]) == [1, 2, 5, 10, 20, 50, 100]
    assert round_densities([49.997, 1.439]) == [2, 5, 10, 20, 50]


# Layers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("show", ["kept", "pruning_rate"])
def test_reported_layer_densities_have_a_panel(paper_of, make_record, show):
    rows = [
        {"method": method, "variant": f"layer_{layer:02d}", "sparsity": sparsity,
         "metric": "layer_density_pct", "value": 100 * (1 - sparsity) / layer}
        for method, levels in (("gem_miner", (0.5, 0.9628)), ("imp_warm", (0.488, 0.9648)))
        for sparsity in levels
        for layer in (1, 2, 3)
    ]  # fmt: skip
    beside = Beside(("tradeoff",), becomes={"variant": "original"})
    plot = LayerDensities("l", "x", ("checks",), 0.95, show=show, beside=beside)
    records = [make_record("gem_miner", sparsity=0.95, seed=s, **PLACE) for s in range(2)]
    theirs, ours = draw_plot(paper_of(rows), plot, records).axes
    assert theirs.get_title(loc="left").endswith("sparsity 0.9628, 0.9648")
    assert theirs.get_ylim() == ours.get_ylim()
    gem, imp = marks(theirs, "reported")
    assert list(gem.get_xdata()) == [1, 2, 3]
    kept = [3.72, 1.86, 1.24]
    expected = kept if show == "kept" else [1 - value / 100 for value in kept]
    assert gem.get_ydata() == pytest.approx(expected)
    (line,) = marks(ours, "ours")
    assert gem.get_color() == line.get_color() != imp.get_color()


def test_reported_layers_are_on_our_axes_where_the_sparsity_agrees(paper_of, make_record):
    rows = [{"method": "gem_miner", "variant": f"layer_{layer}", "sparsity": 0.9628,
             "metric": "layer_density_pct", "value": layer} for layer in (1, 2, 3)]  # fmt: skip
    paper = paper_of(rows, sparsity_tolerance=0.03)
    beside = Beside(("tradeoff",), becomes={"variant": "original"})
    for target, there in ((0.9629, 3), (0.95, 0)):
        plot = LayerDensities("l", "x", ("checks",), target, beside=beside)
        records = [make_record("gem_miner", sparsity=target, protocol="paper", **THEIRS)]
        ours = draw_plot(paper, plot, records, "paper").axes[1]
        assert sum(len(line.get_xdata()) for line in marks(ours, "reported")) == there


# Sparsities and epochs -------------------------------------------------------------------------


def test_the_tolerance_decides_which_sparsities_are_the_same(paper_of, make_record):
    rows = [{"method": "gem_miner", "sparsity": s, "value": v}
            for s, v in ((0.986, 77.89), (0.9628, 83.2), (0.98, 70.0))]  # fmt: skip
    records = [make_record("gem_miner", sparsity=s, protocol="paper", **THEIRS)
               for s in (0.9856, 0.9628)]  # fmt: skip
    frame = records_frame(records)
    table = Table("t", "x", ("checks",), ("sparsity",))
    as_ours = (ReportedAs({"experiment": "tradeoff"}, {"experiment": "checks"}),)
    for tolerance, at_ours in ((0.01, [83.2]), (0.03, [83.2, 77.89])):
        paper = paper_of(rows, reported_as=as_ours, sparsity_tolerance=tolerance)
        reported = load_reported(paper)
        cells = build_table(paper, table, "paper", frame, reported).cells
        assert cells["reported"].dropna().tolist() == at_ours
        found = comparison(frame, reported, None, tolerance)
        assert found["status"].eq("compared").tolist() == [tolerance == 0.03, True, False]
    with pytest.raises(UserError, match=r"sparsity_tolerance is 0\.5, allowed: 0 to 0\.1"):
        paper_of(rows, sparsity_tolerance=0.5)


def test_reported_sparsities_join_ours_or_one_another(paper_of):
    sparsities = (0.50003, 0.5, 0.98561, 0.98556, 0.986, 0.9628, 0.9648)
    rows = [{"method": "gem_miner", "sparsity": s, "value": 1} for s in sparsities]
    found = levels(load_reported(paper_of(rows)), [0.9856], 0.01)["sparsity"].tolist()
    assert found == [0.5, 0.5, 0.9856, 0.9856, 0.986, 0.9628, 0.9648]


def test_epochs_are_read_from_notes_or_their_own_column(paper_of):
    notes = ("after epoch 25 of the 300-epoch search", "6000 epochs", "epoch 1.5", "")
    rows = [{"method": "gem_miner", "value": 1, "note": note} for note in notes]
    reported = load_reported(paper_of(rows))
    assert reported_epochs(reported).fillna(-1).tolist() == [25, -1, 1.5, -1]
    own = reported.assign(epoch=["7", "", "", "9"])
    assert reported_epochs(own).fillna(-1).tolist() == [7, -1, 1.5, 9]


def test_a_metric_that_is_no_accuracy_keeps_its_name_in_reported_numbers():
    assert Table("t", "x", (), ("method",), metric="search_epochs").reported_name == "search_epochs"
    assert Table("t", "x", (), ("method",)).reported_name == "test_accuracy_pct"


def test_reported_tables_show_marks_as_words(tmp_path, paper_of, store):
    rows = [{"method": method, "metric": metric, "value": value, "sparsity": 0.986}
            for method, metric, value in (("snip", "finetunable", 1), ("snip", "search_epochs", 1),
                                          ("gem_miner", "search_epochs", 2850),
                                          ("gem_miner", "finetunable", 0))]  # fmt: skip
    table = ReportedTable("t", "Properties", ("tradeoff",), ("finetunable", "search_epochs"),
                          marks=("finetunable",))  # fmt: skip
    root = store(tmp_path / "results", [])
    root.mkdir(exist_ok=True)
    generate({"sample": paper_of(rows, reported_tables=(table,))}, root)
    text = (root / "tables/sample/t_reported.md").read_text()
    assert "| gem miner | no | 2,850 |\n| snip | yes | 1 |" in text
    assert "no run of this replication" in text
    with pytest.raises(UserError, match=r"marks.*'finetuneable'.*did you mean 'finetunable'"):
        ReportedTable("t", "x", ("a",), ("finetunable",), marks=("finetuneable",))
