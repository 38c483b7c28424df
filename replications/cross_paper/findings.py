"""Which findings of one paper hold for the tickets of another: a table finder x finding.

``python -m replications.cross_paper.findings`` makes it from the records; it needs no run.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from common.results.claims import FAILS, HOLDS, OPEN, CellResult, ClaimResult, evaluate
from common.results.formats import markdown_table, write_csv, write_text
from common.results.naming import show, show_key
from common.results.records import load_records, records_frame
from replications.cross_paper.claims import FINDINGS, Finding
from replications.cross_paper.finders import FINDERS
from replications.cross_paper.paper import PAPER
from replications.cross_paper.scales import QUICK, STUDY

MARKS = {HOLDS: "holds", FAILS: "no", OPEN: "?"}
COLUMNS = (
    *("finder", "finding", "published_for_it", "dataset", "sparsity", "verdict"),
    *("n", "mean_difference", "ci_low", "ci_high"),
)


def cells_frame(results: Sequence[ClaimResult]) -> pd.DataFrame:
    """Return one row a finder, finding, data set and sparsity."""
    rows = [
        {
            "finder": _finder(finding, result, cell),
            "finding": finding.id,
            "published_for_it": _finder(finding, result, cell) in finding.published,
            "dataset": cell.cell["dataset"],
            "sparsity": cell.cell["sparsity"],
            "verdict": cell.verdict,
            "n": cell.summary.n,
            "mean_difference": cell.summary.mean,
            "ci_low": cell.summary.low,
            "ci_high": cell.summary.high,
        }
        for result in results
        for finding in FINDINGS
        if result.claim.id.startswith(f"{finding.id}-")
        for cell in result.cells
        if cell.verdict in MARKS  # and not one of a finder that was not run
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    order = {name: place for place, name in enumerate(FINDERS)}
    return frame.sort_values(
        "finder", key=lambda names: names.map(order), kind="stable", ignore_index=True
    )


def _finder(finding: Finding, result: ClaimResult, cell: CellResult) -> str:
    """Return the finder that a cell speaks of: in its name, or the rival's on the right side."""
    if "method" in cell.cell:
        return str(cell.cell["method"])
    right = result.claim.comparisons[cell.comparison].right
    assert isinstance(right, Mapping)
    return str(right["method"])


def markdown(frame: pd.DataFrame, protocol: str) -> str:
    """Return the table as text: a row a finder, a column a finding, a sign a sparsity."""
    texts = {finding.id: finding for finding in FINDINGS}
    header = ["finder", *texts]
    body = []
    for finder in frame["finder"].drop_duplicates():
        mine = frame[frame["finder"] == finder]
        body.append([show(PAPER, finder), *(_cell(mine, name) for name in texts)])
    lines = [
        f"# Which findings hold for whose tickets (protocol {protocol})",
        "",
        "One word for each sparsity, the lower one first; † where the paper says it of this "
        "finder. holds: the 95 % interval over seeds says so; no: it says the contrary; ?: it "
        "leaves both open.",
        "",
        markdown_table(header, body),
        "",
        *(f"- **{name}**: {finding.text} ({finding.source})" for name, finding in texts.items()),
        "",
    ]
    return "\n".join(lines)


def _cell(rows: pd.DataFrame, finding: str) -> str:
    """Return what a cell of the table says, data set by data set where there are several."""
    mine = rows[rows["finding"] == finding]
    parts = []
    for dataset, part in mine.groupby("dataset", sort=False):
        words = " / ".join(MARKS[verdict] for verdict in part.sort_values("sparsity")["verdict"])
        name = f"{show_key(PAPER, 'dataset', dataset)}: " if mine["dataset"].nunique() > 1 else ""
        parts.append(f"{name}{words}")
    text = "; ".join(parts)
    return f"{text} †" if text and bool(mine["published_for_it"].all()) else text


def write(results: Path, folder: Path) -> list[Path]:
    """Write the table of every protocol that has records, as CSV and Markdown."""
    mine = [one for one in load_records(results / "records") if one["paper"] == PAPER.name]
    frame = records_frame(mine)
    written = []
    for protocol in (STUDY.protocol, QUICK.protocol):
        if protocol not in set(frame["protocol"]):
            continue
        cells = cells_frame(evaluate(PAPER, frame, protocol))
        csv, text = (folder / f"findings_{protocol}.{ending}" for ending in ("csv", "md"))
        write_csv(csv, cells)
        write_text(text, markdown(cells, protocol))
        written += [csv, text]
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the tables and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results-dir", type=Path, default=Path("results"))
    chosen = parser.parse_args(arguments)
    for path in write(chosen.results_dir, chosen.results_dir / "analysis" / PAPER.name):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
