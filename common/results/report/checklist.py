"""The reproducibility checklist of the ML Reproducibility Challenge, answered from the records.

The items are those of the checklist (version 2.0) that apply to an empirical study. Where records
do not show that an item is satisfied, the answer is no, or says what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.results.index import duration
from common.results.report.data import PaperReport
from common.results.report.grid import plural
from common.results.report.readme import Page
from common.results.report.shards import Provenance

YES, PARTLY, NO = "yes", "partly", "no"


@dataclass(frozen=True)
class Item:
    """One item: what is asked, the answer and what it rests on."""

    part: str
    question: str
    answer: str
    evidence: str


def checklist(report: PaperReport, found: Provenance, page: Page) -> list[tuple[str, list[Item]]]:
    """Return the items for one paper by the part of the checklist that they belong to."""
    parts = (_methods(page), _data(found), _code(report, found), _results(report, found))
    return [(items[0].part, items) for items in parts]


def _answer(satisfied: int, of: int) -> str:
    """Return yes where all satisfy an item, no where none does."""
    if not of or not satisfied:
        return NO
    return YES if satisfied == of else PARTLY


def _methods(page: Page) -> list[Item]:
    """Return the items on models and algorithms."""
    part = "Models and algorithms"
    described = bool(page.start or page.methods)
    return [
        Item(
            part,
            "The setting, the methods and the models are described.",
            YES if described else NO,
            "Section Methodology." if described else "There is no page on this replication.",
        ),
        Item(
            part,
            "Deviations from the paper are listed.",
            YES if page.deviations else NO,
            "Section Deviations." if page.deviations else "There is no list of deviations.",
        ),
        Item(
            part,
            "The complexity of the algorithms is analysed (time, space, samples).",
            NO,
            "Run times are measured instead: section Cost.",
        ),
    ]


def _data(found: Provenance) -> list[Item]:
    """Return the items on data sets."""
    part = "Data"
    total = sum(found.data.values())
    sized = sum(runs for row, runs in found.data.items() if row[1] and row[3])
    split = sum(runs for row, runs in found.data.items() if all(row[1:4]))
    marked = sum(runs for row, runs in found.data.items() if row[5])
    complete = sum(runs for row, runs in found.data.items() if row[4] == "yes")
    names = sorted({row[0] for row in found.data})
    listed = f"Data sets: {', '.join(names)}." if names else "There are no runs."
    return [
        Item(part, "Numbers of examples are stated.", _answer(sized, found.runs), listed),
        Item(
            part,
            "Training, validation and test splits are stated.",
            _answer(split, found.runs),
            f"{split:,} of {plural(found.runs, 'record')} state all three.",
        ),
        Item(
            part,
            "The data can be identified: each run names a fingerprint of its images and labels.",
            _answer(marked, found.runs),
            f"{marked:,} of {plural(found.runs, 'record')}.",
        ),
        Item(
            part,
            "The complete official data sets were used.",
            _answer(complete, total),
            f"{complete:,} of {plural(total, 'run')}; the others say what their data lack."
            if complete < total
            else f"{plural(total, 'run')}.",
        ),
    ]


def _code(report: PaperReport, found: Provenance) -> list[Item]:
    """Return the items on shared code."""
    part = "Code"
    folder = f"replications/{report.paper.name}"
    named = sum(runs for name, runs in found.commits.items() if name)
    versions = sum(runs for row, runs in found.environments.items() if row[4] != "not recorded")
    return [
        Item(
            part,
            "Training and evaluation code is available, and each result names its version.",
            _answer(named, found.runs) if found.runs else PARTLY,
            f"{folder} and common; {named:,} of {plural(found.runs, 'record')} name the commit.",
        ),
        Item(
            part,
            "Dependencies are specified.",
            YES,
            f"pyproject.toml, requirements.lock; {versions:,} of {plural(found.runs, 'record')} "
            "name the versions that ran.",
        ),
        Item(
            part,
            "The exact command of each result is given.",
            _answer(found.with_command, found.runs),
            f"{found.with_command:,} of {plural(found.runs, 'run')} are repeated from a config "
            "file of the repository; the page of each run names it.",
        ),
        Item(
            part,
            "Trained models are available.",
            NO,
            "Runs leave tickets and states in runs/, which is not part of the repository.",
        ),
    ]


def _results(report: PaperReport, found: Provenance) -> list[Item]:
    """Return the items on experimental results."""
    part = "Results"
    runs = report.runs
    done = runs[runs["status"] == "finished"]
    seeds = sorted(set(done["seed"]))
    failed = len(runs) - len(done)
    per_config = done.groupby("config_hash")["seed"].nunique()
    repeated = int((per_config > 1).sum())
    own = int((done["protocol"] == report.paper.reported_protocol).sum())
    timed = int(runs["seconds"].notna().sum())
    known = sum(n for row, n in found.environments.items() if row[0] != "not recorded")
    total = duration(float(runs["seconds"].sum()))
    with_seeds = f"; seeds {', '.join(map(str, seeds))}" if seeds else ""
    return [
        Item(
            part,
            "The reported numbers' own protocol was run.",
            _answer(own, len(done)),
            f"{own:,} of {plural(len(done), 'finished run')} follow the protocol "
            f"{report.paper.reported_protocol}.",
        ),
        Item(
            part,
            "All hyper-parameters of each result are stated.",
            YES if found.runs else NO,
            f"Every record holds its whole resolved config ({plural(found.runs, 'record')}).",
        ),
        Item(
            part,
            "The ranges of hyper-parameters that were tried, and how they were chosen, are stated.",
            NO,
            "Records hold the values that were used, not a search for them.",
        ),
        Item(
            part,
            "The exact number of runs is stated.",
            YES if len(runs) else NO,
            f"{plural(len(done), 'finished run')}, {failed:,} failed{with_seeds}.",
        ),
        Item(
            part,
            "Measures and statistics are defined.",
            YES,
            "Each table names its metric; the front page states the rule of the verdicts.",
        ),
        Item(
            part,
            "Results have error bars: several seeds of one configuration.",
            _answer(repeated, len(per_config)),
            f"{repeated:,} of {plural(len(per_config), 'configuration')} have two seeds or more.",
        ),
        Item(
            part,
            "The run time of each result is stated.",
            _answer(timed, len(runs)),
            f"{timed:,} of {plural(len(runs), 'run')}; {total} together.",
        ),
        Item(
            part,
            "The computing infrastructure is described.",
            _answer(known, found.runs),
            "Section Environment.",
        ),
    ]
