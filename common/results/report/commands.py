"""The command that repeats a run, from the config files beside its replication's page."""

from __future__ import annotations

import copy
import itertools
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NO_PART_OF_A_RUN = ("$schema", "sweep", "seeds", "description")


@dataclass(frozen=True)
class Repeat:
    """How to run something again.

    Attributes:
        command: what to type at the top of the repository.
        config: the config file that it names, as seen from there; empty where no committed file
            holds the run, so that the record's own config has to be saved as a file first.
    """

    command: str
    config: str


class CommittedConfigs:
    """The config files of one replication; a file is read when a run first asks for it."""

    def __init__(self, paper: str, page: Path | None) -> None:
        self._program = f"replications/{paper}/run.py"
        self._top: Path | None = None
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        self._found: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._read: dict[Path, list[tuple[str, dict[str, Any], list[str]]]] = {}
        if page is not None:
            self._top = page.resolve().parents[2]
            folder = page.resolve().parent
            self._program = (folder / "run.py").relative_to(self._top).as_posix()
            for path in sorted((folder / "configs").glob("*/*.json")):
                self._by_stem[path.stem].append(path)

    def repeat(self, record: Mapping[str, Any]) -> Repeat:
        """Return how to repeat the run of a record."""
        name = record["config"]["name"]
        key = (name, record["config_hash"])
        if key not in self._found:
            config, settings = self._find(record["config"])
            words = ["python", self._program, "--config", config or f"{file_name(name)}.json"]
            after = shlex.join(["--set", *settings]) if settings else ""
            self._found[key] = (config, shlex.join([*words, "--seeds"]), after)
        config, before, after = self._found[key]
        return Repeat(f"{before} {record['seed']} {after}".rstrip(), config)

    def _find(self, config: Mapping[str, Any]) -> tuple[str, list[str]]:
        """Return the file that holds a config and the settings that choose it; or no file."""
        for path in self._candidates(config["name"]):
            for name, run, settings in self._runs_of(path):
                if name == config["name"] and _agrees(run, config):
                    assert self._top is not None
                    return path.relative_to(self._top).as_posix(), settings
        return "", []

    def _candidates(self, name: str) -> Iterator[Path]:
        """Yield the files that may hold a run: one is called after it, less what a sweep adds."""
        stem = name.replace("-", "_")
        while stem:
            yield from self._by_stem.get(stem, ())
            stem = stem.rpartition("_")[0]

    def _runs_of(self, path: Path) -> list[tuple[str, dict[str, Any], list[str]]]:
        """Return name, raw config and settings of every run that a file holds."""
        if path not in self._read:
            try:
                raw = json.loads(path.read_text(encoding="utf-8"))
                self._read[path] = list(_spread(raw))
            except (OSError, ValueError, LookupError, AttributeError, TypeError):
                self._read[path] = []  # a file that run.py would refuse, too
        return self._read[path]


def _spread(raw: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Yield the runs of a raw config: one, or those of its sweep."""
    axes = raw.get("sweep") or {}
    for values in itertools.product(*axes.values()):
        run = copy.deepcopy(raw)
        for key, value in zip(axes, values, strict=True):
            place = run
            *parents, last = key.split(".")
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        texts = [re.sub(r"[^A-Za-z0-9_.+-]+", "-", str(value)).strip("-") for value in values]
        settings = [f"{key}={json.dumps(value)}" for key, value in zip(axes, values, strict=True)]
        name = "_".join([run["name"], *(text or "none" for text in texts)])
        kept = {key: value for key, value in run.items() if key not in _NO_PART_OF_A_RUN}
        yield name, kept | {"name": name}, settings


def _agrees(part: Any, whole: Any) -> bool:
    """Return whether everything that a config file says stands in a resolved config.

    What the file leaves out has been filled in with defaults. A section that is only named
    (``"source": "cifar10"``) agrees with the section of that name.
    """
    if isinstance(part, Mapping):
        if not isinstance(whole, Mapping):
            return False
        return all(key in whole and _agrees(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        if not isinstance(whole, list) or len(part) != len(whole):
            return False
        return all(_agrees(one, other) for one, other in zip(part, whole, strict=True))
    if isinstance(part, str) and isinstance(whole, Mapping):
        return whole.get("name") == part
    return bool(part == whole)


def file_name(text: str) -> str:
    """Return text as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-.") or "run"
