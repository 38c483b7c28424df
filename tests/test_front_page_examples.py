"""What the front page shows as an example works as it stands there."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from common.setup.check import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"`(replications/my_paper/[^`]+)`[^`]*\n\n```\w+\n(.*?)```", re.DOTALL)


def call(folder, *arguments):
    """Run Python in a folder, as a user would; return what it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Return a folder with the core and the replication of the front page, which has been run."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "common", root / "common", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    files = EXAMPLE.findall(TEXT)
    assert len(files) == 7
    for name, text in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    call(root, "replications/my_paper/run.py", "--threads", "1")
    call(root, "-m", "common.results", "--jobs", "1")
    return root


def test_a_method_a_model_and_a_data_set_of_ones_own_run(checkout):
    paths = sorted((checkout / "results" / "records" / "my_paper").rglob("*.json"))
    records = [json.loads(path.read_text()) for path in paths]
    assert len(records) == 6
    assert {record["status"] for record in records} == {"finished"}
    for record in records:
        kept = record["ticket"]["layer_densities"]
        target = 1 - record["config"]["find"]["sparsity"]
        assert all(density == pytest.approx(target, abs=0.02) for density in kept.values())
        assert record["dataset_fingerprint"]["test_images"] == 200


def test_a_paper_of_ones_own_has_verdicts_tables_plots_and_a_page(checkout):
    results = checkout / "results"
    found = json.loads((results / "verdicts" / "verdicts.json").read_text())
    (paper,) = found["papers"]
    numbers = {number["sparsity"]: number["verdict"] for number in paper["numbers"]}
    assert set(numbers) == {0.5, 0.8} and "not run" not in numbers.values()
    assert numbers[0.8] == "higher"
    (claim,) = paper["claims"]
    assert (claim["id"], claim["verdict"]) == ("C1", "holds")
    for name in ("tables/my_paper/accuracy_paper.tex", "plots/my_paper/curves_paper.svg",
                 "report/my_paper.html"):  # fmt: skip
        assert (results / name).is_file(), name


def test_the_ticket_of_the_front_page_is_saved_and_read_again(tmp_path):
    section = TEXT.partition("## Any ticket, any check, any recipe")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("0.98")
    assert (tmp_path / "snip.safetensors").is_file()


def test_the_verdicts_of_the_front_page_are_those_of_the_results():
    folder = ROOT / "results" / "verdicts"
    numbers = pd.read_csv(folder / "matrix.csv").set_index("paper")
    claims = pd.read_csv(folder / "claims.csv").set_index(["paper", "protocol"])
    rows = re.findall(r"\| \[(\w+)\]\(replications/\w+/README.md\) \| (.*?) \| (.*?) \|", TEXT)
    assert {name for name, *_ in rows} == set(numbers.index)
    for name, said, decided in rows:
        given = numbers.loc[name]
        parts = [f"{given[verdict]:,} {verdict}" for verdict in given.index[1:] if given[verdict]]
        assert said == (", ".join(parts) or "none")
        quick = claims.loc[(name, "quick")]
        kinds = ("holds", "does not hold", "inconclusive", "not run")
        assert decided == ", ".join(f"{quick[kind]} {kind}" for kind in kinds if quick[kind])
