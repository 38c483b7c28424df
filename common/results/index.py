"""The index of all results: ``results/README.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.results.claim_files import summary_line
from common.results.claims import ClaimResult
from common.results.formats import escape_markdown, markdown_table
from common.results.spec import REPORTED, Paper
from common.results.verdict_files import FOLDER, PaperVerdicts
from common.results.verdicts import counts

_START = """# Results

This page and everything below `report/`, `verdicts/`, `tables/`, `plots/` and `claims/` is made by
`python -m common.results` from the records in `records/` (one JSON file a finished run) and the
papers' `reported.csv`. Edits are overwritten; the same records give the same bytes.

- [`report/index.html`](report/index.html): all of it as pages for a browser, which need no network:
  verdicts, tables that sort and filter, plots, and a page of every run.
- `records/<paper>/<experiment>/<config hash>-s<seed>.json`: one run each, the only source.
- [`verdicts/`](verdicts/README.md): every reported number with ours and a verdict, a table a
  paper; the matrices of all papers ([numbers](verdicts/matrix.csv), [claims](verdicts/claims.csv));
  the rule; everything as [JSON](verdicts/verdicts.json).
- `tables/<paper>/`: every table as CSV, Markdown and LaTeX, one a protocol; `runs.csv` lists all
  runs.
- `plots/<paper>/`: every plot as PNG and SVG, one a protocol; `_reported` in its place: what the
  paper reports, alone.
- `claims/<paper>_<protocol>`: the verdicts and the numbers that decided them.

Only the protocol `paper` is the papers' own. Numbers of other protocols never share the rows of a
table or the axes of a plot with reported ones; where a plot shows the paper's own curves next to
ours, they have tinted panels that say so.
"""


@dataclass(frozen=True)
class Entry:
    """What the index says of one paper: its verdicts and its runs."""

    verdicts: PaperVerdicts
    frame: pd.DataFrame

    @property
    def paper(self) -> Paper:
        """The paper's description."""
        return self.verdicts.paper

    @property
    def claims(self) -> Mapping[str, Sequence[ClaimResult]]:
        """The decided claims by protocol."""
        return self.verdicts.claims


def index_markdown(root: Path, entries: Sequence[Entry]) -> str:
    """Return the text of the index; it links those files that are there below ``root``."""
    rows = []
    for entry in entries:
        for protocol, results in entry.claims.items():
            runs = entry.frame[entry.frame["protocol"] == protocol]
            failed = int((runs["status"] == "failed").sum())
            done = str(len(runs) - failed)
            time = duration(float(runs["seconds"].sum()))
            names = [entry.paper.name, protocol, done, str(failed), time, summary_line(results)]
            rows.append(names)
    header = ["paper", "protocol", "finished runs", "failed", "run time", "claims"]
    total = duration(sum(float(entry.frame["seconds"].sum()) for entry in entries))
    others = [
        entry.paper
        for entry in entries
        if entry.paper.reported is not None and not entry.paper.by_the_paper
    ]
    parts = [
        _START,
        *map(_exception, others),
        markdown_table(header, rows, 2),
        f"Run time of all runs: {total}; work that runs share is counted in each.\n",
    ]
    parts += [_section(root, entry) for entry in entries]
    return "\n".join(parts)


def _exception(paper: Paper) -> str:
    """Return the sentence on a paper whose reported numbers are not of its own protocol."""
    name = paper.reported_protocol
    return (
        f"The reported numbers of `{paper.name}` are those of the protocol `{name}`, which takes\n"
        f"the place of `paper` there.\n"
    )


def _section(root: Path, entry: Entry) -> str:
    """Return the part on one paper."""
    paper = entry.paper
    source = f" (arXiv:{paper.arxiv})" if paper.arxiv else ""
    lines = [f"## {paper.name}\n", f"{escape_markdown(paper.title)}{source}.\n"]
    if paper.notes:
        lines.append(f"{paper.notes.strip()}\n")
    devices = sorted({device for device in entry.frame["device"] if device})
    if devices:
        lines.append(f"Run on: {', '.join(devices)}.\n")
    numbers = entry.verdicts.numbers
    if len(numbers):
        given = [f"{count:,} {verdict}" for verdict, count in counts(numbers).items() if count]
        lines.append(f"Reported numbers: {len(numbers):,}, of which {', '.join(given)}.\n")
    tables, plots = f"tables/{paper.name}", f"plots/{paper.name}"
    items = []
    for table in paper.tables:
        stems = [f"{tables}/{table.name}_{protocol}" for protocol in entry.claims]
        items.append((table.title, _links(root, stems, ("md", "csv", "tex"))))
    for alone in paper.reported_tables:
        stems = [f"{tables}/{alone.name}_{REPORTED}"]
        items.append((alone.title, _links(root, stems, ("md", "csv", "tex"))))
    for plot in paper.plots:
        protocols = (*entry.claims, REPORTED)
        stems = [f"{plots}/{plot.name}_{protocol}" for protocol in protocols]
        items.append((plot.title, _links(root, stems, ("png", "svg"))))
    stems = [f"claims/{paper.name}_{protocol}" for protocol in entry.claims]
    items.append(("Claims", _links(root, stems, ("md", "csv", "json"))))
    items.append(("All runs", _links(root, [f"{tables}/runs"], ("csv",))))
    items.append(("Reported numbers", _links(root, [f"{FOLDER}/{paper.name}"], ("md", "csv"))))
    lines.append("".join(f"- {escape_markdown(text)}: {links}\n" for text, links in items if links))
    return "\n".join(lines)


def _links(root: Path, stems: Sequence[str], endings: Sequence[str]) -> str:
    """Return links to those files that are there."""
    parts = []
    for stem in stems:
        there = [e for e in endings if (root / f"{stem}.{e}").is_file()]
        if there:
            links = ", ".join(f"[{ending}]({stem}.{ending})" for ending in there)
            parts.append(f"`{Path(stem).name}` ({links})")
    return "; ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration as ``3 h 20 min``, ``12 min`` or ``45 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min"
