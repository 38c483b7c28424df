"""Matrices: a metric for every source and target, coloured within a target."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from common.errors import UserError
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.records import records_frame
from common.results.reported import COLUMNS, load_reported
from common.results.spec import Beside, Matrix, Paper, config_columns

TARGETS = ("cifar10", "svhn", "cifar100")
SOURCE = "config.transfer.source"


@pytest.fixture
def paper(tmp_path):
    """A paper that reports two sources on two targets at two sparsities."""
    lines = [",".join(COLUMNS)]
    lines += [
        f"sample,Figure,transfer,imp,{source},{target},vgg19,{sparsity},test_accuracy_pct,"
        f"{value},,,,"
        for sparsity, lower in ((0.5, 0), (0.8926, 5))
        for source, target, value in (
            ("cifar10", "cifar10", 92 - lower), ("svhn", "cifar10", 91 - lower),
            ("cifar10", "svhn", 95 - lower), ("svhn", "svhn", 96 - lower),
        )
    ]  # fmt: skip
    path = tmp_path / "reported.csv"
    path.write_text("\n".join(lines) + "\n")
    order = {"variant": TARGETS, "dataset": TARGETS, SOURCE: TARGETS}
    return Paper("sample", "x", reported=path, order=order, labels={"svhn": "SVHN"})


@pytest.fixture
def run(make_record):
    """A function that makes runs of one source and target, a point apart."""

    def make(source, target, accuracy, seeds=2, sparsity=0.892626, **other):
        return [
            make_record("imp", source, sparsity, seed, accuracy + seed,
                        config__data={"name": target}, config__transfer={"source": source},
                        **other)
            for seed in range(seeds)
        ]  # fmt: skip

    return make


@pytest.fixture
def runs(run):
    """Three sources on two targets; that of SVHN on CIFAR-10 was not run."""
    values = {("cifar10", "cifar10"): 80, ("cifar100", "cifar10"): 81, ("cifar10", "svhn"): 94,
              ("svhn", "svhn"): 95, ("cifar100", "svhn"): 93}  # fmt: skip
    return [record for (a, b), value in values.items() for record in run(a, b, float(value))]


def matrix(**other):
    values = {"sparsity": 0.8926, **other}
    return Matrix("m", "A title", ("checks",), **values)


def draw_plot(paper, plot, records, protocol="quick"):
    frame = records_frame(records, config_columns([Paper("other", "x", plots=(plot,))]))
    return draw(Request(paper, plot, protocol, frame, load_reported(paper)))


def marks(axes, gid):
    return [artist for artist in axes.get_children() if artist.get_gid() == gid]


def texts(axes, gid="number"):
    """Return the texts of a panel's cells by (column, row)."""
    return {text.xy: text.get_text() for text in marks(axes, gid)}


def colours(axes):
    """Return the colours of a panel's cells by (column, row)."""
    places = {cell: (cell.get_x() + 0.5, cell.get_y() + 0.5) for cell in marks(axes, "cell")}
    return {place: to_hex(cell.get_facecolor()) for cell, place in places.items()}


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def bar_label(figure):
    (bar,) = (axes for axes in figure.axes if axes.get_label() == "<colorbar>")
    return bar.get_ylabel().replace("\n", " ")


def test_cells_hold_mean_and_deviation_and_are_hatched_without_runs(paper, runs):
    figure = draw_plot(paper, matrix(), runs)
    (axes,) = panels(figure)
    rows = [text.get_text() for text in axes.get_yticklabels()]
    columns = [text.get_text() for text in axes.get_xticklabels()]
    assert (rows, columns) == (["cifar10", "SVHN", "cifar100"], ["cifar10", "SVHN"])
    assert texts(axes) == {
        (0, 0): "80.50", (0, 2): "81.50", (1, 0): "94.50", (1, 1): "95.50", (1, 2): "93.50",
    }  # fmt: skip
    assert set(texts(axes, "more").values()) == {"± 0.71"}
    (empty,) = marks(axes, "empty")
    assert empty.get_xy() == (-0.5, 0.5) and empty.get_hatch()
    assert axes.get_title(loc="left") == "vgg19, sparsity 0.8926"


def test_colours_are_differences_to_the_columns_own_row(paper, runs):
    figure = draw_plot(paper, matrix(), runs)
    (axes,) = panels(figure)
    found = colours(axes)
    assert found[0, 0] == found[1, 1]  # both are references, 15 points apart
    assert found[0, 2] != found[1, 2] != found[1, 0]
    assert len({*found.values()}) == 4
    own = {(patch.get_x() + 0.46, patch.get_y() + 0.46) for patch in marks(axes, "own")}
    assert own == {(0, 0), (1, 1)}
    assert bar_label(figure) == "difference to the column's own row (points)"


def test_a_column_without_its_own_row_is_compared_with_its_best(paper, runs):
    others = [record for record in runs if record["config"]["variant"] != "svhn"]
    figure = draw_plot(paper, matrix(), others)
    (axes,) = panels(figure)
    assert colours(axes)[1, 0] == colours(axes)[0, 0]
    assert len(marks(axes, "own")) == 1
    assert bar_label(figure).endswith("own row (points), to its best where it has none")
    figure = draw_plot(paper, matrix(reference="best"), runs)
    (axes,) = panels(figure)
    assert not marks(axes, "own")
    assert colours(axes)[0, 2] == colours(axes)[1, 1] != colours(axes)[0, 0]
    assert bar_label(figure) == "difference to the column's best (points)"


def test_seeds_are_told_where_they_differ(paper, runs, run):
    figure = draw_plot(paper, matrix(), [*runs, *run("svhn", "cifar10", 79.0, seeds=1)])
    (axes,) = panels(figure)
    more = texts(axes, "more")
    assert more[0, 1] == "n = 1" and more[0, 0] == "± 0.71\nn = 2"
    assert "n = 1 to 2 seeds" in figure.texts[1].get_text().replace("\n", " ")


def test_every_sparsity_has_a_panel_and_others_none(paper, runs, run):
    more = [*runs, *run("cifar10", "cifar10", 90.0, sparsity=0.5),
            *run("cifar10", "cifar10", 70.0, sparsity=0.99),
            *run("svhn", "cifar10", 70.0, sparsity=None)]  # fmt: skip
    figure = draw_plot(paper, matrix(sparsity=(0.5, 0.8926)), more)
    low, high = panels(figure)
    assert texts(low) == {(0, 0): "90.50"} and len(texts(high)) == 5


def test_reported_numbers_have_a_panel_of_the_same_rows(paper, runs):
    plot = matrix(beside=Beside(("transfer",)))
    theirs, ours = panels(draw_plot(paper, plot, runs))
    assert texts(theirs) == {(0, 0): "87.00", (0, 1): "86.00", (1, 0): "90.00", (1, 1): "91.00"}
    assert theirs.get_ylim() == ours.get_ylim()
    assert len(marks(theirs, "empty")) == 2
    assert to_hex(theirs.get_facecolor()) != to_hex(ours.get_facecolor())
    (alone,) = panels(draw_plot(paper, plot, [], "reported"))
    assert texts(alone) == texts(theirs)
    assert draw_plot(paper, matrix(), []) is None


def test_rows_that_reported_numbers_call_otherwise(paper, runs):
    for record in runs:
        record["config"]["variant"] = "transferred"
    plot = matrix(rows=SOURCE, reported_rows="variant", beside=Beside(("transfer",)))
    theirs, ours = panels(draw_plot(paper, plot, runs))
    assert len(texts(theirs)) == 4 and len(texts(ours)) == 5
    assert ours.get_ylabel() == "transfer.source"
    with pytest.raises(UserError, match=r"unknown name 'config\.transfer\.source'"):
        draw_plot(paper, matrix(rows=SOURCE, beside=Beside(("transfer",))), runs)


@pytest.mark.parametrize("size", [2, 6])
def test_texts_stay_inside_their_cells(paper, run, size):
    names = [f"data_set_{i}" for i in range(size)]
    rng = np.random.default_rng(3)
    records = [
        record
        for a in names
        for b in names
        for record in run(a, b, float(rng.normal(80, 3)), 1 + (a != b), dataset_fingerprint={})
    ]
    (axes,) = panels(draw_plot(paper, matrix(), records))
    cells = {
        (cell.get_x() + 0.5, cell.get_y() + 0.5): cell.get_window_extent()
        for cell in marks(axes, "cell")
    }
    assert len(cells) == size**2
    for text in [*marks(axes, "number"), *marks(axes, "more")]:
        inside, box = text.get_window_extent(), cells[text.xy]
        assert box.x0 < inside.x0 and inside.x1 < box.x1
        assert box.y0 < inside.y0 and inside.y1 < box.y1


def test_descriptions_are_checked_when_made():
    with pytest.raises(UserError, match=r"plot 'm': reference: unknown name 'diagonl'"):
        matrix(reference="diagonl")
    with pytest.raises(UserError, match=r"'dataset' is in rows and columns"):
        matrix(rows=("method", "dataset"))
    with pytest.raises(UserError, match="sparsity must be a number"):
        matrix(sparsity=())
    with pytest.raises(UserError, match="reported_rows needs rows of one column"):
        matrix(rows=("method", "variant"), reported_rows="variant")
