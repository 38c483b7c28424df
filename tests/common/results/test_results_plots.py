"""Plots: which marks they hold, and that the same figure is the same file."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from common.results.plots.layers import percent_ticks
from common.results.plots.layout import Request
from common.results.plots.registry import DRAWERS, draw
from common.results.plots.style import COLOURS, looks, save
from common.results.records import records_frame
from common.results.reported import load_reported
from common.results.spec import AccuracyVsSparsity, Bars, LayerDensities, Plot


def marks(figure, gid):
    """Return the lines (or bars) of a figure that carry a mark's name."""
    found = []
    for axes in figure.axes:
        found += [artist for artist in axes.get_children() if artist.get_gid() == gid]
    return found


@pytest.fixture(scope="module")
def drawn():
    """The figures of the sample records, which no test changes."""
    return {}


@pytest.fixture
def figure_of(sample_paper, sample_records, drawn):
    """A function that draws the sample paper's plot of one protocol."""

    def make(number, protocol, records=None):
        if records is None and (number, protocol) not in drawn:
            drawn[number, protocol] = make(number, protocol, sample_records(protocol))
        if records is None:
            return drawn[number, protocol]
        frame, plot = records_frame(records), sample_paper.plots[number]
        return draw(Request(sample_paper, plot, protocol, frame, load_reported(sample_paper)))

    return make


def test_every_kind_of_plot_has_a_drawer():
    assert set(DRAWERS) == set(Plot.__args__)


def test_reported_numbers_are_open_markers_of_the_paper_protocol_only(figure_of):
    for number in (0, 2):
        assert not marks(figure_of(number, "quick"), "reported")
        reported = marks(figure_of(number, "paper"), "reported")
        assert reported
        assert {to_hex(line.get_markerfacecolor()) for line in reported} == {"#ffffff"}
    ours = marks(figure_of(0, "paper"), "ours")
    assert {to_hex(line.get_markerfacecolor()) for line in ours} <= {c.lower() for c in COLOURS}


def test_reported_numbers_need_a_complete_data_set(figure_of, sample_records):
    records = sample_records("paper")
    for record in records:
        record["dataset_fingerprint"]["complete"] = False
    assert not marks(figure_of(0, "paper", records), "reported")


def test_every_cell_is_drawn_at_its_remaining_weights(figure_of):
    figure = figure_of(0, "quick")
    ours = marks(figure, "ours")
    assert len(figure.axes) == 3 and len(ours) == 9
    for line in ours:
        assert len(line.get_xdata()) == 4
        assert np.asarray(line.get_xdata()) == pytest.approx([60, 20, 5, 2], rel=0.1)
    assert {axes.get_xscale() for axes in figure.axes} == {"log"}
    left, right = figure.axes[0].get_xlim()
    assert left > right  # sparsity grows to the right


def test_points_at_chance_are_marked_and_stay(figure_of):
    figure = figure_of(0, "quick")
    (chance,) = marks(figure, "chance")
    assert len(chance.get_xdata()) == 1
    assert chance.get_xdata()[0] == pytest.approx(2, rel=0.1)
    (text,) = [t for axes in figure.axes for t in axes.texts if t.get_gid() == "below"]
    assert text.get_text().startswith("10.0")
    axes = chance.axes
    low, high = axes.get_ylim()
    assert low < chance.get_ydata()[0] < high and low > 50
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert "some run at chance level" in labels


def test_without_a_wide_gap_the_axis_holds_all_values(figure_of, make_record):
    records = [
        make_record(sparsity=p, accuracy=a, seed=s)
        for p, a in ((0.5, 60.0), (0.8, 40.0), (0.9, 22.0), (0.95, 10.0))
        for s in range(2)
    ]
    figure = figure_of(0, "quick", records)
    assert figure.axes[0].get_ylim()[0] < 10
    (line,) = marks(figure, "ours")
    assert list(line.get_ydata()) == [60, 40, 22, 10]
    assert len(marks(figure, "chance")) == 1


def test_the_dense_baseline_is_a_band(figure_of, sample_records):
    records = sample_records("quick")
    dense = [r["metrics"]["test_accuracy"] for r in records if r["config"]["method"] == "dense"]
    lines = marks(figure_of(0, "quick", records), "baseline")
    assert len(lines) == 3  # one a panel
    assert lines[0].get_ydata()[0] == pytest.approx(np.mean(dense))


def test_what_would_be_averaged_over_gets_panels(figure_of, sample_paper, make_record):
    records = [make_record(config__data={"name": name}) for name in ("cifar10", "cifar100")]
    figure = figure_of(0, "quick", records)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["SNIP, vgg19, cifar10", "SNIP, vgg19, cifar100"]


def test_title_caption_and_legend_tell_protocol_n_and_data(figure_of):
    figure = figure_of(0, "quick")
    title, caption = (text.get_text().replace("\n", " ") for text in figure.texts)
    assert title == "Sanity checks of tickets"
    assert caption.startswith("Protocol: quick (not the paper's)")
    assert "n = 2 to 3 seeds" in caption
    assert "test set: 1,000 of 10,000 images" in caption
    assert figure.axes[0].get_ylabel() == "test accuracy (%)"
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels[:3] == ["original", "rearranged in layers", "corrupted data"]


def test_layer_densities_are_drawn_in_order_and_emptied_layers_marked(figure_of, sample_records):
    figure = figure_of(1, "quick")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    ours = marks(figure, "ours")
    assert len(ours) == 9
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels[0] == "blocks.0.conv" and labels[-1] == "classifier"
    (emptied,) = marks(figure, "emptied")
    assert list(emptied.get_xdata()) == [10]
    chosen = [
        r["ticket"]["layer_densities"]["blocks.0.conv.weight"]
        for r in sample_records("quick")
        if (r["config"]["name"]) == "snip-original-0.98"
    ]
    assert ours[0].get_ydata()[0] == pytest.approx(100 * np.mean(chosen))


def test_bars_show_means_and_every_seed(figure_of, sample_records):
    records = sample_records("quick")
    figure = figure_of(2, "quick", records)
    values = [r["metrics"].get("test_accuracy") for r in records
              if r["config"]["name"] == "snip-original-0.95"]  # fmt: skip
    bars = marks(figure, "ours")
    assert len(bars) == 9
    heights = [bar.get_height() + bar.get_y() for bar in bars]
    assert heights[0] == pytest.approx(np.mean(values))
    dots = marks(figure, "seed")[0]
    assert sorted(dots.get_ydata()) == sorted(values)


def test_a_cut_axis_says_where_it_starts(figure_of, make_record):
    wide = [make_record(m, sparsity=0.95, accuracy=a) for m, a in (("snip", 90), ("grasp", 20))]
    axes = figure_of(2, "quick", wide).axes[0]
    assert axes.get_ylim()[0] == 0 and "starts" not in axes.get_ylabel()
    near = [make_record(m, sparsity=0.95, accuracy=a) for m, a in (("snip", 90), ("grasp", 89))]
    axes = figure_of(2, "quick", near).axes[0]
    assert axes.get_ylabel() == f"test accuracy (%); axis starts at {axes.get_ylim()[0]:g}"


def test_no_run_no_plot(figure_of, make_record):
    for number in range(3):
        assert figure_of(number, "paper", [make_record()]) is None
    failed = make_record(status="failed", metrics={}, sparsity=0.95)
    assert figure_of(0, "quick", [failed]) is None


def test_a_method_without_target_is_drawn_where_it_ended(figure_of, make_record):
    records = [
        make_record("aslp", sparsity=None, seed=s, ticket__sparsity=v)
        for s, v in ((0, 0.89), (1, 0.91))
    ]
    (line,) = marks(figure_of(0, "quick", records), "ours")
    assert list(line.get_xdata()) == pytest.approx([10.0])


def test_looks_differ_in_more_than_colour():
    all_looks = list(looks(list(range(8))).values())
    assert len({look.colour for look in all_looks}) == 8
    assert len({look.marker for look in all_looks}) == 8
    many = list(looks(list(range(24))).values())
    assert len({(look.colour, look.marker) for look in many}) == 24


def test_files_are_valid_and_equal_when_written_again(tmp_path, figure_of, sample_records):
    for folder in ("a", "b"):
        save(figure_of(1, "quick", sample_records("quick")), tmp_path / folder / "layers_quick")
    for ending in ("png", "svg"):
        first, second = (tmp_path / f / f"layers_quick.{ending}" for f in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    picture = imread(tmp_path / "a" / "layers_quick.png")
    height, width = picture.shape[:2]
    assert width >= 700 and height >= 400
    assert (picture[0, :, :3] == 1).all(), "the margin is white, as the page is"
    text = (tmp_path / "a" / "layers_quick.svg").read_text()
    assert ET.fromstring(text).tag.endswith("svg")
    assert "<dc:date>" not in text


def test_specs_are_found_by_their_class():
    for kind in (AccuracyVsSparsity, Bars, LayerDensities):
        assert kind in DRAWERS


@pytest.mark.parametrize(
    ("low", "labels"),
    [(0.05, ["0.1", "1", "10", "100"]), (10.0, ["10", "100"]), (15.0, ["20", "50", "100"])],
)
def test_an_axis_of_kept_weights_has_more_than_one_number(low, labels):
    ticks, shown = percent_ticks(low)
    assert shown == labels
    assert ticks == pytest.approx([float(label) for label in labels])
