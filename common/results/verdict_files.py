"""Writing verdicts: a table a paper, the matrix of all papers, and everything as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from common.results import verdicts
from common.results.cells import as_dicts
from common.results.claim_files import claim_json
from common.results.claims import CLAIM_RULE, VERDICTS, ClaimResult
from common.results.formats import escape_markdown, json_text, markdown_table, write_csv, write_text
from common.results.naming import show
from common.results.spec import Paper
from common.results.verdicts import NOT_RUN, NUMBER_VERDICTS, counts

FOLDER = "verdicts"
_SHOWN = ("experiment", "method", "variant", "dataset", "architecture")


@dataclass(frozen=True)
class PaperVerdicts:
    """The verdicts of one paper: on its reported numbers, and by protocol on its claims."""

    paper: Paper
    numbers: pd.DataFrame
    claims: Mapping[str, Sequence[ClaimResult]]


def write_paper_verdicts(root: Path, found: PaperVerdicts) -> list[Path]:
    """Write ``verdicts/<paper>.csv`` and ``.md``; return the paths, none without numbers."""
    if not len(found.numbers):
        return []
    stem = root / FOLDER / found.paper.name
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("csv", "md")]
    write_csv(paths[0], found.numbers)
    write_text(paths[1], _paper_markdown(found))
    return paths


def write_all_verdicts(root: Path, papers: Sequence[PaperVerdicts]) -> list[Path]:
    """Write ``verdicts/README.md``, ``matrix.csv``, ``claims.csv`` and ``verdicts.json``."""
    folder = root / FOLDER
    matrix, claims = number_matrix(papers), claim_matrix(papers)
    write_csv(folder / "matrix.csv", matrix)
    write_csv(folder / "claims.csv", claims)
    write_text(folder / "README.md", _matrix_markdown(papers, matrix, claims))
    content = {"rule": rule_text(), "papers": [_json(found) for found in papers]}
    write_text(folder / "verdicts.json", json_text(content) + "\n")
    return [folder / name for name in ("matrix.csv", "claims.csv", "README.md", "verdicts.json")]


def number_matrix(papers: Sequence[PaperVerdicts]) -> pd.DataFrame:
    """Return one row a paper: its reported numbers and how many have each verdict."""
    rows = [
        {"paper": found.paper.name, "numbers": len(found.numbers), **counts(found.numbers)}
        for found in papers
    ]
    return pd.DataFrame(rows, columns=["paper", "numbers", *NUMBER_VERDICTS])


def claim_matrix(papers: Sequence[PaperVerdicts]) -> pd.DataFrame:
    """Return one row a paper and protocol: how many claims have each verdict."""
    rows = []
    for found in papers:
        for protocol, results in found.claims.items():
            given = [result.verdict for result in results]
            number = {verdict: given.count(verdict) for verdict in VERDICTS}
            rows.append({"paper": found.paper.name, "protocol": protocol, **number})
    return pd.DataFrame(rows, columns=["paper", "protocol", *VERDICTS])


def rule_text() -> str:
    """Return the rule of the verdicts on numbers, as :mod:`common.results.verdicts` states it."""
    return (verdicts.__doc__ or "").partition("\n\n")[2].strip()


def _paper_markdown(found: PaperVerdicts) -> str:
    """Return the counts by experiment and, of every number that ours has one for, the numbers."""
    paper, numbers = found.paper, found.numbers
    parts = [f"# Reported numbers of {escape_markdown(paper.title)}\n"]
    head = ["experiment", "numbers", *NUMBER_VERDICTS]
    body = []
    for experiment, rows in numbers.groupby("experiment", sort=False):
        number = counts(rows).values()
        body.append([str(experiment), str(len(rows)), *(str(n) if n else "" for n in number)])
    body.append(["all", str(len(numbers)), *(str(n) for n in counts(numbers).values())])
    parts.append(markdown_table(head, body))
    there = numbers[numbers["verdict"] != NOT_RUN]
    if len(there):
        header = [*_SHOWN, "sparsity", "metric", "reported", "ours", "seeds", "protocol"]
        header += ["difference", "95 % interval", "verdict", "reason"]
        lines = [_line(paper, row) for row in as_dicts(there)]
        parts.append(markdown_table(header, lines, len(_SHOWN)))
    parts.append(
        f"All {len(numbers):,} numbers with their sources are in [`{paper.name}.csv`]"
        f"({paper.name}.csv); the rule is in [README.md](README.md). Means over seeds with "
        "standard deviations (ddof 1).\n"
    )
    return "\n".join(parts)


def _line(paper: Paper, row: dict[Any, Any]) -> list[str]:
    """Return the texts of one number."""
    interval = "" if math.isnan(row["low"]) else f"{row['low']:+.2f} to {row['high']:+.2f}"
    difference = "" if math.isnan(row["difference"]) else f"{row['difference']:+.2f}"
    runs = row["reported_n"]
    known = "n unknown" if pd.isna(runs) else f"n = {runs}"
    reported = f"{_mean(row['reported'], row['reported_std'])} ({known})"
    ours = f"{_mean(row['ours'], row['ours_std'])} ({row['ours_n']})"
    if math.isnan(row["ours"]):
        ours = ""
    names = [show(paper, row[name]) for name in _SHOWN]
    return [
        *names,
        show(paper, row["sparsity"]),
        row["metric"],
        reported,
        ours,
        row["seeds"],
        row["protocol"],
        difference.replace("-", "\N{MINUS SIGN}"),
        interval.replace("-", "\N{MINUS SIGN}"),
        row["verdict"],
        row["reason"],
    ]


def _mean(mean: float, std: float) -> str:
    return f"{mean:.6g}" if math.isnan(std) else f"{mean:.6g} ± {std:.3g}"


def _matrix_markdown(
    papers: Sequence[PaperVerdicts], matrix: pd.DataFrame, claims: pd.DataFrame
) -> str:
    """Return both matrices, every claim's verdicts, and the rule."""
    sizes = zip(matrix["paper"], matrix["numbers"], strict=True)
    links = [f"[{name}]({name}.md)" if size else str(name) for name, size in sizes]
    parts = [
        "# Verdicts\n",
        "Which reported numbers and claims hold, from the records alone.\n"
        "[`verdicts.json`](verdicts.json) holds every verdict with the numbers behind it.\n",
        "## Reported numbers\n",
        _table(matrix, links),
        "## Claims\n",
        "A claim has cells: data sets, networks, sparsities or methods. They are in\n"
        f"[`claims/`](../claims). {CLAIM_RULE}\nBlank: that protocol cannot decide the claim.\n",
        _table(claims, list(claims["paper"])),
    ]
    for found in papers:
        parts += _claims_of(found)
    parts += ["## The rule for reported numbers\n", rule_text() + "\n"]
    return "\n".join(parts)


def _table(frame: pd.DataFrame, first: Sequence[str]) -> str:
    """Return a frame as Markdown; the first column is Markdown already, zeros are blank."""
    lines = [f"| {' | '.join(frame.columns)} |", f"| :-- |{' --: |' * (len(frame.columns) - 1)}"]
    for name, row in zip(first, frame.itertuples(index=False), strict=True):
        texts = [str(value) if value else "" for value in row[1:]]
        lines.append(f"| {' | '.join([name, *texts])} |")
    return "\n".join(lines) + "\n"


def _claims_of(found: PaperVerdicts) -> list[str]:
    """Return a table of a paper's claims by protocol."""
    if not found.paper.claims:
        return []
    body = []
    for number, claim in enumerate(found.paper.claims):
        given = [results[number].verdict for results in found.claims.values()]
        shown = ["" if verdict == "not evaluated" else verdict for verdict in given]
        body.append([claim.id, claim.text, *shown])
    title = f"### {found.paper.name}\n"
    return [title, markdown_table(["claim", "statement", *found.claims], body, len(body[0]))]


def _json(found: PaperVerdicts) -> dict[str, Any]:
    """Return everything of one paper; what is not known or not run is left out."""
    paper = found.paper
    numbers = as_dicts(found.numbers.drop(columns=["note"]))
    return {
        "paper": paper.name,
        "title": paper.title,
        "arxiv": paper.arxiv,
        "reported_protocol": paper.reported_protocol,
        "counts": counts(found.numbers),
        "numbers": [
            {key: _plain(value) for key, value in row.items() if _is_there(value)}
            for row in numbers
        ],
        "claims": [
            {"protocol": protocol, **claim_json(result)}
            for protocol, results in found.claims.items()
            for result in results
        ],
    }


def _is_there(value: Any) -> bool:
    """Return whether a value of a frame says anything."""
    return not (pd.isna(value) or value == "")


def _plain(value: Any) -> Any:
    """Return a value of a frame as JSON has it, numbers rounded as in the CSV files."""
    if isinstance(value, str):
        return value
    return round(value, 6) if isinstance(value, float) else int(value)
