"""A part of the quick preset from the command line to tables, plots, claims and findings."""

import pytest

from common.launch import main
from common.results.generate import generate
from common.results.records import load_records
from replications.cross_paper import findings
from replications.cross_paper.claims import CLAIMS, FINDINGS
from replications.cross_paper.finders import FINDERS
from replications.cross_paper.grid import CHECKS
from replications.cross_paper.paper import PAPER


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results folder after random tickets went through all of the quick grid."""
    root = tmp_path_factory.mktemp("cross")
    parts = [f"random_{check}_plain" for check in CHECKS] + ["random_found_tost"]
    status = main(
        "cross_paper",
        [
            *("--only", *parts, "--seeds", "0", "--device", "cpu", "--threads", "1"),
            *("--runs-dir", str(root / "runs"), "--results-dir", str(root / "results")),
        ],
    )
    assert status == 0
    assert len(list((root / "runs" / "phases" / "find").iterdir())) == 2
    return root / "results"


def test_records_tables_plots_and_claims_follow(results):
    records = load_records(results / "records")
    assert len(records) == 5 * 2
    assert {record["config"]["method"] for record in records} == {"random"}
    written = {path.name for path in generate({PAPER.name: PAPER}, results)}
    assert {
        "lost_by_check_plain_quick.png",
        "gained_by_recipe_quick.png",
        "checks_plain_quick.md",
        "recipes_quick.csv",
        "cross_paper_quick.json",
    } <= written


def test_findings_are_asked_finder_by_finder(results, tmp_path):
    csv, text = findings.write(results, tmp_path)
    lines = text.read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith("| random |")]
    # Two rows of the table are about rivals that were not run.
    assert len(row.split("|")) == len(FINDINGS) + 3
    assert "†" in row  # ToST speaks of random masks
    assert csv.read_text(encoding="utf-8").count("random,") >= 12


def test_every_finding_is_asked_of_all_finders_but_a_rival_of_itself():
    for finding in FINDINGS:
        asked = set(finding.asked)
        assert set(finding.published) < asked <= set(FINDERS)
        assert finding.by not in asked
        own = {name for name, finder in FINDERS.items() if finder.own_sparsity}
        assert asked | {finding.by} | own >= set(FINDERS)
    assert len(CLAIMS) == 2 * (2 * len(FINDINGS) + 1)
