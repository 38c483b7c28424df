"""The runs as scripts that ``run.html`` loads: 16 shards by the first digit of a run's id.

A page that was opened from a disk may load a script beside it, but may not read a JSON file; so
every shard is a script with one call a record. Records are read and written one at a time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from common.results.records import record_files, run_id
from common.results.report.commands import CommittedConfigs
from common.results.spec import Paper

DIGITS = "0123456789abcdef"
INDEX = "index.js"
_HEAD = "/* Made by python -m common.results from the records; edits are overwritten. */\n"

Row = tuple[str, ...]

_script = json.JSONEncoder(separators=(",", ":")).encode
"""Gives a value as ASCII that is JSON and JavaScript at once."""


@dataclass
class Provenance:
    """What the records of one paper say of where they come from, each with its number of runs.

    Attributes:
        runs: the records.
        environments: (device, processor, precision, Python, torch, torchvision, system).
        data: (name, training, validation and test images, complete, fingerprint, note).
        commits: commits of the code; empty for a record that names none.
        with_command: runs that a committed config repeats.
        with_curves: runs that noted a metric epoch by epoch.
        ids: the ids of the runs.
    """

    runs: int = 0
    environments: Counter[Row] = field(default_factory=Counter)
    data: Counter[Row] = field(default_factory=Counter)
    commits: Counter[str] = field(default_factory=Counter)
    with_command: int = 0
    with_curves: int = 0
    ids: set[str] = field(default_factory=set)

    def add(self, record: dict[str, Any], run: str, has_command: bool) -> None:
        """Count one record."""
        self.runs += 1
        self.ids.add(run)
        self.environments[_environment(record)] += 1
        if record["dataset_fingerprint"]:
            self.data[_data_set(record["dataset_fingerprint"])] += 1
        self.commits[str(record.get("commit") or "")] += 1
        self.with_command += has_command
        search = record.get("search") or {}
        self.with_curves += bool(record.get("training") or search.get("curves"))


Shards = tuple[list[Path], dict[str, Provenance]]


def write_shards(root: Path, papers: Sequence[Paper]) -> Shards:
    """Write every record of the papers to its shard in ``root/report/runs``, and a list of all.

    It needs nothing but the records, so it may work beside all else that is made of them.

    Args:
        root: the results folder; records are read from ``root/records``.
        papers: the papers; records of others are left out.

    Returns:
        The files, and what the records of every paper say of where they come from.
    """
    folder = root / "report" / "runs"
    configs = {paper.name: CommittedConfigs(paper.name, paper.page) for paper in papers}
    found = {name: Provenance() for name in configs}
    folder.mkdir(parents=True, exist_ok=True)
    paths = {digit: folder / f"{digit}.js" for digit in DIGITS}
    with ExitStack() as stack:
        names = {**paths, INDEX: folder / INDEX}
        files = {key: stack.enter_context(path.open("wb")) for key, path in names.items()}
        for file in files.values():
            file.write(_HEAD.encode())
        for path in record_files(root / "records"):
            text = path.read_bytes()
            record = from_json(text)
            if record["paper"] not in configs:
                continue
            run = run_id(record["config_hash"], record["seed"])
            repeat = configs[record["paper"]].repeat(record)
            found[record["paper"]].add(record, run, bool(repeat.config))
            one_line = text.replace(b"\n", b"")  # in JSON no line ends inside a string
            named = _script([run, repeat.command, repeat.config])[1:-1]
            files[shard_of(run)].write(b"workbench.add(%b,%b);\n" % (named.encode(), one_line))
            files[INDEX].write(f"workbench.list({_script(_listed(run, record))});\n".encode())
    return [*paths.values(), folder / INDEX], found


def shard_of(run: str) -> str:
    """Return the digit that names a run's shard."""
    return run[0] if run[:1] in DIGITS and run else "0"


def _listed(run: str, record: dict[str, Any]) -> list[Any]:
    """Return what the list of all runs says of one."""
    place = [record["paper"], record["experiment"], record["protocol"]]
    accuracy = (record["metrics"] or {}).get("test_accuracy")
    return [run, *place, record["config"]["name"], record["seed"], record["status"], accuracy]


def _environment(record: dict[str, Any]) -> Row:
    """Return where a run was made."""
    found = record["environment"] or {}
    device = found.get("gpu") or found.get("device")
    names = ("cpu", "precision", "python", "torch", "torchvision", "platform")
    return tuple(str(value or "not recorded") for value in (device, *map(found.get, names)))


def _data_set(found: dict[str, Any]) -> Row:
    """Return what a run's data were."""
    images = (found.get(f"{part}_images") for part in ("train", "validation", "test"))
    counts = ("" if count is None else str(count) for count in images)
    complete = "no" if found.get("complete") is False else "yes"
    fingerprint = str(found.get("sha256") or "")[:16]
    return (
        str(found.get("name") or ""),
        *counts,
        complete,
        fingerprint,
        str(found.get("note") or ""),
    )
