"""Plots are drawn again only when something in them may have changed."""

import json
from dataclasses import replace

import pytest

from common.results.drawn import FILE
from common.results.generate import generate


@pytest.fixture
def drawn(tmp_path, sample_paper, sample_records, store):
    """Return a results folder with all plots drawn, and a function that tells what is redrawn."""
    bars = replace(sample_paper.plots[2], name="elsewhere", experiments=("others",))
    paper = replace(sample_paper, plots=(sample_paper.plots[2], bars))
    root = store(tmp_path / "results", sample_records("quick"))
    for path in list((root / "records").rglob("*.json")):
        record = json.loads(path.read_text())
        if record["config"]["find"]["sparsity"] == 0.95:
            other = path.parent.parent / "others" / f"0{path.name[1:]}"
            other.parent.mkdir(exist_ok=True)
            other.write_text(json.dumps(record | {"experiment": "others"}))

    def again(changed=paper):
        before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (root / "plots").rglob("*.*")}
        generate({"sample": changed}, root)
        now = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (root / "plots").rglob("*.*")}
        return {path.name for path, state in now.items() if before.get(path) != state}

    generate({"sample": paper}, root)
    assert len(list((root / "plots").rglob("*.*"))) == 4
    return root, paper, again


def test_what_is_drawn_stays_as_it_is(drawn):
    root, _, again = drawn
    assert again() == set()
    (root / FILE).unlink()
    assert len(again()) == 4, "nothing is known, all are drawn"
    (root / FILE).write_text("no JSON")
    assert len(again()) == 4


def test_a_changed_record_redraws_the_plots_of_its_experiment_alone(drawn):
    root, _, again = drawn
    path = next((root / "records" / "sample" / "others").glob("*.json"))
    record = json.loads(path.read_text())
    record["metrics"]["test_accuracy"] -= 20
    path.write_text(json.dumps(record))
    assert again() == {"elsewhere_quick.png", "elsewhere_quick.svg"}


def test_a_file_that_is_gone_or_edited_is_drawn_again(drawn):
    root, _, again = drawn
    (root / "plots" / "sample" / "bars_quick.png").unlink()
    assert again() >= {"bars_quick.png"}
    svg = root / "plots" / "sample" / "elsewhere_quick.svg"
    svg.write_text(svg.read_text().replace("</svg>", "<!-- mine --></svg>"))
    assert "elsewhere_quick.svg" in again()
    assert "mine" not in svg.read_text()


def test_other_words_redraw(drawn):
    _, paper, again = drawn
    assert len(again(replace(paper, labels={"snip": "SNIP!"}))) == 4
    named = replace(paper.plots[0], title="Another title")
    assert again(replace(paper, labels={"snip": "SNIP!"}, plots=(named, paper.plots[1]))) == {
        "bars_quick.png",
        "bars_quick.svg",
    }
