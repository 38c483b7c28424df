"""Papers whose reported numbers are of another protocol than ``paper``."""

from dataclasses import replace

import pandas as pd
import pytest

from common.errors import UserError
from common.results.generate import generate
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.records import records_frame
from common.results.reported import load_reported
from common.results.reported_tables import build_reported_table
from common.results.spec import Beside, Paper, ReportedTable
from common.results.tables import build_table


@pytest.fixture
def paper(sample_paper):
    """The sample paper, its reported numbers those of the protocol ``replication``."""
    plots = (sample_paper.plots[0], sample_paper.plots[2])
    return replace(sample_paper, reported_protocol="replication", plots=plots)


@pytest.fixture
def records(make_record):
    """A function that makes runs at two sparsities in one protocol."""

    def make(protocol):
        return [
            make_record("snip", "original", sparsity, seed, 92.0 + seed, protocol=protocol)
            for sparsity in (0.8, 0.95)
            for seed in range(2)
        ]

    return make


def figure_of(paper, number, protocol, records, **beside):
    plot = replace(paper.plots[number], **beside)
    request = Request(paper, plot, protocol, records_frame(records), load_reported(paper))
    return draw(request)


def marks(figure, gid):
    return [a for axes in figure.axes for a in axes.get_children() if a.get_gid() == gid]


def caption(figure):
    return figure.texts[1].get_text().replace("\n", " ")


@pytest.mark.parametrize("number", [0, 1])
def test_only_its_runs_share_axes_with_reported_numbers(paper, records, number):
    runs = [*records("replication"), *records("paper")]
    theirs = figure_of(paper, number, "replication", runs)
    assert marks(theirs, "reported")
    assert caption(theirs).startswith("Protocol: replication. ")
    other = figure_of(paper, number, "paper", runs)
    assert not marks(other, "reported")
    start = "Protocol: paper (not the protocol of the reported numbers). "
    assert caption(other).startswith(start)


def test_only_its_runs_share_rows_with_reported_numbers(paper, records):
    frame = records_frame([*records("replication"), *records("paper")])
    reported = load_reported(paper)
    theirs, other = (
        build_table(paper, paper.tables[0], name, frame, reported)
        for name in ("replication", "paper")
    )
    assert theirs.cells["reported"].notna().all()
    assert "reported" not in other.cells.columns
    note = "Not the protocol of the reported numbers (replication)"
    assert any(text.startswith(note) for text in other.layout.notes)
    assert not any("Not the p" in text for text in theirs.layout.notes)


def test_panels_and_captions_do_not_call_the_numbers_the_papers(paper, records):
    beside = Beside(("checks",))
    figure = figure_of(paper, 0, "quick", records("quick"), beside=beside)
    titles = {axes.get_title(loc="left").split("\n")[0] for axes in figure.axes}
    assert titles == {"Reported, protocol replication", "Our runs, protocol quick"}
    assert "Tinted panels: reported numbers of the protocol replication" in caption(figure)
    alone = figure_of(paper, 0, "reported", [], beside=beside)
    assert "the paper" not in caption(alone)
    table = ReportedTable("r", "x", ("checks",), ("test_accuracy_pct",))
    built = build_reported_table(paper, table, load_reported(paper))
    assert built.layout.notes[0].startswith("Reported numbers (logs, Table 1);")


def test_files_are_named_after_it(paper, records, tmp_path, store):
    root = store(tmp_path / "results", [*records("replication"), *records("paper")])
    paper = replace(paper, plots=())
    files = {path.name for path in generate({"sample": paper}, root)}
    assert {"sample_replication.md", "sample_paper.md"} <= files
    text = (root / "README.md").read_text()
    assert "Reported numbers: 38, of which 2 inconclusive, 36 not run." in text
    assert "The reported numbers of `sample` are those of the protocol `replication`" in text
    numbers = pd.read_csv(root / "verdicts/sample.csv")
    assert (numbers["protocol"] == "replication").sum() == 2


def test_it_must_be_the_name_of_a_protocol():
    with pytest.raises(UserError, match=r"reported_protocol may not be 'reported'"):
        Paper("sample", "x", reported_protocol="reported")
    with pytest.raises(UserError, match=r"reported_protocol: 'a/b' may hold only letters"):
        Paper("sample", "x", reported_protocol="a/b")
