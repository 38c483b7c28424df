"""Matrices of changes against runs of the same seed, and methods with a sparsity of their own."""

import pytest

from common.errors import UserError
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.records import records_frame
from common.results.reported import load_reported
from common.results.spec import Beside, Matrix, Paper

PAPER = Paper(
    "sample",
    "x",
    order={"method": ("snip", "aslp"), "variant": ("found", "shuffled", "drawn_anew")},
    labels={"found": "as found", "snip": "SNIP"},
)
ACCURACIES = {
    ("snip", "found"): (90, 80, 70),
    ("snip", "shuffled"): (60, 52, 44),
    ("snip", "drawn_anew"): (91, 82, 73),
    ("aslp", "found"): (50, 50, 50),
    ("aslp", "shuffled"): (50, 50, 50),
}
TARGETS = {"snip": 0.9, "aslp": None}


@pytest.fixture
def runs(make_record):
    return [
        make_record(method, variant, TARGETS[method], seed, float(accuracy))
        for (method, variant), values in ACCURACIES.items()
        for seed, accuracy in enumerate(values)
    ]


def drawn(records, **other):
    values = {"sparsity": 0.9, "rows": "method", "columns": "variant"}
    plot = Matrix("m", "A title", ("checks",), **(values | {"minus": {"variant": "found"}} | other))
    frame = records_frame(records)
    return draw(Request(PAPER, plot, "quick", frame, load_reported(PAPER)))


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def marks(axes, gid):
    return {text.xy: text for text in axes.get_children() if text.get_gid() == gid}


def texts(axes, gid="number"):
    return {place: text.get_text() for place, text in marks(axes, gid).items()}


def colour(axes, place):
    (cell,) = [
        cell for cell in axes.get_children()
        if cell.get_gid() == "cell" and (cell.get_x() + 0.5, cell.get_y() + 0.5) == place
    ]  # fmt: skip
    return cell.get_facecolor()


def test_cells_are_differences_paired_by_seed(runs):
    (axes,) = panels(drawn(runs))
    assert [text.get_text() for text in axes.get_yticklabels()] == ["SNIP"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["shuffled", "drawn anew"]
    # Means of (-30, -28, -26) and (1, 2, 3); the accuracies themselves deviate by 8 to 10 points.
    assert texts(axes) == {(0, 0): "-28.0", (1, 0): "+2.0"}
    assert texts(axes, "more") == {(0, 0): "± 2.0", (1, 0): "± 1.0"}


def test_a_small_loss_is_not_written_as_minus_nothing(runs):
    for record in runs:
        if record["config"]["method"] == "aslp" and record["config"]["variant"] == "shuffled":
            record["metrics"]["test_accuracy"] -= 0.01
    (axes,) = panels(drawn(runs, own_sparsity=True))
    assert texts(axes)[0, 1] == "+0.0"


def test_a_seed_without_its_counterpart_does_not_count(runs):
    runs = [r for r in runs if (r["config"]["variant"], r["seed"]) != ("found", 1)]
    (axes,) = panels(drawn(runs))
    assert texts(axes) == {(0, 0): "-28.0", (1, 0): "+2.0"}
    assert texts(axes, "more") == {(0, 0): "± 2.8", (1, 0): "± 1.4"}
    assert drawn([r for r in runs if r["config"]["variant"] != "found"]) is None


def test_losses_are_red_gains_blue_and_none_is_white(runs):
    axes, _ = drawn(runs, own_sparsity=True).axes
    red, _, blue, _ = colour(axes, (0, 0))
    assert red > 2 * blue
    red, _, blue, _ = colour(axes, (1, 0))
    assert blue > red
    assert min(colour(axes, (0, 1))) > 0.95
    assert marks(axes, "number")[0, 0].get_color() == "white"  # legible on dark red
    assert marks(axes, "number")[0, 1].get_color() == "black"


def test_the_colour_bar_and_the_caption_say_what_is_compared(runs):
    figure = drawn(runs)
    (bar,) = (axes for axes in figure.axes if axes.get_label() == "<colorbar>")
    assert bar.get_ylabel().replace("\n", " ") == "change against as found (points)"
    assert bar.get_ylim() == (-20.0, 20.0)
    caption = figure.texts[1].get_text().replace("\n", " ")
    assert "Each seed is compared with its own run (as found)" in caption


def test_methods_with_a_sparsity_of_their_own_are_there_where_asked_for(runs):
    assert len(panels(drawn(runs))[0].get_yticklabels()) == 1
    figure = drawn(runs, own_sparsity=True)
    (axes,) = panels(figure)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["SNIP", "aslp"]
    assert texts(axes)[0, 1] == "+0.0"
    assert (1, 1) not in texts(axes)  # hatched: it was not run
    assert "sparsity of their own" in figure.texts[1].get_text()


def test_targets_may_be_columns(runs, make_record):
    runs += [
        make_record("snip", variant, 0.5, seed, accuracy)
        for variant, accuracy in (("found", 90.0), ("shuffled", 80.0))
        for seed in range(3)
    ]
    figure = drawn(
        runs,
        sparsity=(0.5, 0.9),
        columns="sparsity",
        panels=("variant",),
        own_sparsity=True,
        where={"variant": ("found", "shuffled")},
    )
    (axes,) = panels(figure)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.5", "0.9"]
    assert texts(axes) == {(0, 0): "-10.0", (1, 0): "-28.0", (0, 1): "+0.0", (1, 1): "+0.0"}


def test_what_changes_are_against_must_be_there():
    with pytest.raises(UserError, match="minus needs a column"):
        Matrix("m", "x", ("checks",), 0.9, minus={})
    with pytest.raises(UserError, match="no reported numbers beside"):
        Matrix("m", "x", ("checks",), 0.9, minus={"variant": "found"}, beside=Beside(("checks",)))


def test_an_unknown_column_to_compare_by_is_named(runs):
    with pytest.raises(UserError, match=r"plot 'm' of 'sample': minus: column: .*'varient'"):
        drawn(runs, minus={"varient": "found"})
