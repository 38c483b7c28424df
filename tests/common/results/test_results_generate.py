"""All files from records alone: equal when made again, stale ones gone, fast with many runs."""

import json
import os
import pickle
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import UserError
from common.results.claims import evaluate
from common.results.drawn import FILE
from common.results.generate import generate
from common.results.records import records_frame
from common.results.spec import Claim, Comparison, Paper, Table, config_columns
from common.results.workers import worker_pool

ROOT = Path(__file__).resolve().parents[3]


def content(root):
    """Return the bytes of every file that was made."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "records" not in path.parts
    }


@pytest.fixture
def small_paper(sample_paper):
    """The sample paper with one plot, which is enough where files are only counted."""
    return Paper("sample", "x", reported=sample_paper.reported, tables=sample_paper.tables[:1],
                 plots=sample_paper.plots[2:], claims=sample_paper.claims)  # fmt: skip


ANOTHER_PROCESS = """
import pathlib, pickle, sys
from common.results.generate import generate
paper = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
generate({"sample": paper}, pathlib.Path(sys.argv[2]))
"""


def test_made_again_the_bytes_are_the_same(tmp_path, sample_paper, sample_records, store):
    """Also in another process, where the order of sets and the addresses of objects differ."""
    records = [
        record
        for record in sample_records("paper")
        if record["config"]["find"]["sparsity"] in (None, 0.95, 0.98)
        and record["config"]["method"] != "grasp"
    ]  # few panels: drawing takes the time
    first = store(tmp_path / "a", records)
    second = store(tmp_path / "b", records[::-1])
    files = generate({"sample": sample_paper}, first)
    (tmp_path / "paper.pickle").write_bytes(pickle.dumps(sample_paper))
    command = [sys.executable, "-c", ANOTHER_PROCESS, tmp_path / "paper.pickle", second]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert content(first) == content(second)
    assert {str(path.relative_to(first)) for path in files} == {*content(first)} - {FILE}
    expected = {
        *(f"tables/sample/{n}_paper.{e}" for n in ("accuracy", "best") for e in
          ("csv", "md", "tex")),
        *(f"plots/sample/{n}_paper.{e}" for n in ("curves", "layers", "bars") for e in
          ("png", "svg")),
        *(f"claims/sample_paper.{e}" for e in ("json", "csv", "md")),
        *(f"verdicts/{n}" for n in ("sample.csv", "sample.md", "README.md", "matrix.csv",
          "claims.csv", "verdicts.json")),
        "tables/sample/runs.csv", "README.md",
    }  # fmt: skip
    made = {name for name in content(first) if not name.startswith(("report/", "."))}
    assert expected == made
    assert {"report/index.html", "report/sample.html", "report/run.html"} <= set(content(first))


def test_several_processes_make_the_same_files(tmp_path, small_paper, sample_records, store):
    records = sample_records("quick")
    one, two = (store(tmp_path / name, records) for name in ("one", "two"))
    files = generate({"sample": small_paper}, one)
    with worker_pool(2) as workers:
        again = generate({"sample": small_paper}, two, workers=workers)
    assert [path.relative_to(one) for path in files] == [path.relative_to(two) for path in again]
    assert "plots/sample/bars_quick.svg" in content(one)
    assert content(one) == content(two)


def test_one_process_decides_a_paper_once(
    tmp_path, small_paper, sample_records, store, monkeypatch
):
    decided = []

    def noted(paper, frame, protocol):
        decided.append(protocol)
        return evaluate(paper, frame, protocol)

    monkeypatch.setattr("common.results.tasks.evaluate", noted)
    generate({"sample": small_paper}, store(tmp_path, sample_records("quick")))
    assert sorted(decided) == ["paper", "quick"]


def test_one_paper_alone_gets_the_files_it_gets_with_others(
    tmp_path, small_paper, sample_records, store
):
    papers = {"sample": small_paper, "other": replace(small_paper, name="other")}
    roots = [tmp_path / "alone", tmp_path / "both"]
    for root in roots:
        store(root, sample_records("quick"))
    with worker_pool(2) as workers:
        generate(papers, roots[0], only="sample", workers=workers)
    generate(papers, roots[1])
    alone, both = (
        {name: data for name, data in content(root).items() if name != FILE} for root in roots
    )
    of_other = [name for name in both if name not in alone]
    assert of_other and all("other" in name for name in of_other)
    changed = {name for name in alone if alone[name] != both[name]}
    assert changed == {"README.md"}, "the index links the files that are there"


def test_bad_input_is_told_from_another_process(tmp_path, small_paper, sample_records, store):
    root = store(tmp_path / "results", sample_records("quick"))
    paper = replace(small_paper, plots=(replace(small_paper.plots[0], bars="metod"),))
    told = pytest.raises(UserError, match="unknown name 'metod'; did you mean 'method'")
    with told, worker_pool(2) as workers:
        generate({"sample": paper}, root, workers=workers)


def test_the_index_links_files_that_are_there(tmp_path, small_paper, sample_records, store):
    root = store(tmp_path / "results", sample_records("quick"))
    generate({"sample": small_paper}, root)
    text = (root / "README.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    pages = {name for name in content(root) if not name.startswith(("report/", "."))}
    assert len(links) == len(set(links))
    assert set(links) == pages - {"README.md"} | {"report/index.html"}
    assert all((root / link).is_file() for link in links)
    row = next(line for line in text.splitlines() if line.startswith("| sample | quick"))
    assert "| 110 | 1 | 18 min |" in row  # finished, failed, 111 runs of 10 s
    assert "| C1 does not hold; C2 holds |" in row  # C3 is for the paper's protocol only
    assert "| sample | paper | 0 | 0 | 0 s | C1 not run; C2 not run; C3 not run |" in text


def test_what_records_no_longer_give_is_removed(tmp_path, small_paper, sample_records, store):
    root = store(tmp_path / "results", sample_records("quick"))
    paper = replace(small_paper, plots=())
    generate({"sample": paper}, root)
    assert "claims/sample_quick.md" in content(root)
    mine = ["tables/sample/notes.txt", "plots/own/curve.png", "claims/sample_two_quick.md"]
    stale = ["plots/sample/old_quick.png", "plots/sample/old_quick.svg"]
    for name in (*mine, *stale):
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text("text")
    for path in (root / "records").rglob("*.json"):
        path.write_text(path.read_text().replace('"quick"', '"cpu_short"'))
    generate({"sample": paper, "sample_two": Paper("sample_two", "y")}, root, "sample")
    names = set(content(root))
    assert {name for name in names if "_quick." in name} == {"claims/sample_two_quick.md"}
    assert names >= {"tables/sample/accuracy_cpu_short.csv", *mine}


def test_without_records_everything_is_not_run(tmp_path, sample_paper):
    files = generate({"sample": sample_paper}, tmp_path)
    assert {path.suffix for path in files} == {".csv", ".json", ".md", ".html", ".js"}
    assert "C1 not run; C2 not run; C3 not run" in (tmp_path / "README.md").read_text()
    found = json.loads((tmp_path / "verdicts" / "verdicts.json").read_text())
    (paper,) = found["papers"]
    assert len(paper["numbers"]) == 38
    assert {number["verdict"] for number in paper["numbers"]} == {"not run"}


def test_runs_csv_lists_all_runs_with_their_origin(tmp_path, small_paper, sample_records, store):
    import pandas as pd

    root = store(tmp_path / "results", sample_records("quick"))
    generate({"sample": replace(small_paper, plots=())}, root)
    runs = pd.read_csv(root / "tables" / "sample" / "runs.csv")
    assert len(runs) == 111
    assert {"config_hash", "commit", "seed", "device", "test_images"} <= set(runs.columns)
    failed = runs[runs["status"] == "failed"]
    assert failed["error"].tolist() == ["RunFailedError: the loss is not a number"]
    assert failed["test_accuracy"].isna().all()


def test_config_columns_are_collected_from_everywhere():
    comparison = Comparison({"config.a": 1}, {"config.b": 1}, "greater", over=("config.c",))
    paper = Paper(
        "p", "x", tables=(Table("t", "t", (), ("config.d",), where={"config.e": 1}),),
        claims=(Claim("C", "", "", (comparison,)),),
    )  # fmt: skip
    assert config_columns([paper]) == tuple(f"config.{name}" for name in "abcde")


def test_descriptions_are_checked_when_made():
    table = Table("t", "t", (), ("method",))
    with pytest.raises(UserError, match="table 't' is there 2 times"):
        Paper("p", "x", tables=(table, table))
    with pytest.raises(UserError, match="a/b"):
        Table("a/b", "t", (), ("method",))


def test_ten_thousand_runs_take_seconds(make_record, small_paper):
    """The steps that grow with the number of runs, without reading files and drawing."""
    from common.results.reported import comparison, load_reported
    from common.results.tables import build_table

    template = make_record()
    records = []
    for i in range(10_000):
        config = {**template["config"], "variant": ("original", "corrupted_data")[i % 2],
                  "find": {"name": "snip", "sparsity": 0.5 + (i // 20) / 1001}}  # fmt: skip
        records.append({**template, "config": config, "seed": i // 2 % 10, "protocol": "paper"})
    start = time.perf_counter()
    frame = records_frame(records)
    reported = load_reported(small_paper)
    built = build_table(small_paper, small_paper.tables[0], "paper", frame, reported)
    comparison(frame, reported)
    results = evaluate(small_paper, frame, "paper")
    assert len(built.cells) == 1000
    assert len(results[0].cells) == 500
    assert time.perf_counter() - start < 15


def run_module(*arguments):
    command = [sys.executable, "-m", "common.results", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_is_fast_and_says_what_it_does():
    program = (
        "import sys\nfrom common.results.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'pandas', 'matplotlib', 'scipy', 'torch', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "--paper NAME" in result.stdout


def test_bad_input_is_one_line_and_status_two(tmp_path):
    result = run_module("--root", tmp_path / "nowhere")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and "--root: no folder" in result.stderr
    result = run_module("--root", tmp_path, "--paper", "rare_gem")
    assert result.returncode == 2
    assert "--paper: unknown name 'rare_gem'; did you mean 'rare_gems'?" in result.stderr
    result = run_module("--jobs", "0")
    assert result.returncode == 2
    assert "--jobs: '0' is no whole number of at least 1" in result.stderr
