"""The command that repeats a run, from the config files beside its replication's page."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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


class _FileRun(NamedTuple):
    """A run of a config file: its raw config, and the values of the sweep that choose it."""

    config: dict[str, Any]
    chosen: tuple[tuple[str, Any], ...]


class CommittedConfigs:
    """The config files of one replication; a file is read when a run first asks for it."""

    def __init__(self, paper: str, page: Path | None) -> None:
        self._program = f"replications/{paper}/run.py"
        self._top: Path | None = None
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        self._found: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._read: dict[Path, dict[str, list[_FileRun]]] = {}
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
            for run in self._runs_of(path).get(config["name"], ()):
                if _agrees(run.config, config):
                    assert self._top is not None
                    settings = [f"{key}={json.dumps(value)}" for key, value in run.chosen]
                    return path.relative_to(self._top).as_posix(), settings
        return "", []

    def _candidates(self, name: str) -> Iterator[Path]:
        """Yield the files that may hold a run: one is called after it, less what a sweep adds."""
        stem = name.replace("-", "_")
        while stem:
            yield from self._by_stem.get(stem, ())
            stem = stem.rpartition("_")[0]

    def _runs_of(self, path: Path) -> dict[str, list[_FileRun]]:
        """Return the runs that a file holds by their names."""
        if path not in self._read:
            found: dict[str, list[_FileRun]] = defaultdict(list)
            try:
                for run in _spread(json.loads(path.read_text(encoding="utf-8"))):
                    found[run.config["name"]].append(run)
            except (OSError, ValueError, LookupError, AttributeError, TypeError):
                found = {}  # a file that run.py would refuse, too
            self._read[path] = found
        return self._read[path]


def _spread(raw: dict[str, Any]) -> Iterator[_FileRun]:
    """Yield the runs of a raw config: one, or those of its sweep."""
    axes = raw.get("sweep") or {}
    kept = {key: value for key, value in raw.items() if key not in _NO_PART_OF_A_RUN}
    for values in itertools.product(*axes.values()):
        run, chosen = kept, tuple(zip(axes, values, strict=True))
        for key, value in chosen:
            run = _changed(run, key.split("."), value)
        texts = [re.sub(r"[^A-Za-z0-9_.+-]+", "-", str(value)).strip("-") for value in values]
        name = "_".join([run["name"], *(text or "none" for text in texts)])
        yield _FileRun(run | {"name": name}, chosen)


def _changed(config: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return a config with another value at a path; what is not on the way to it is shared."""
    first, *rest = path
    return config | {first: _changed(config.get(first, {}), rest, value) if rest else value}


def _agrees(part: Any, whole: Any) -> bool:
    """Return whether everything that a config file says stands in a resolved config.

    What the file leaves out has been filled in with defaults. A section that is only named
    (``"source": "cifar10"``) agrees with the section of that name.
    """
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and (value == whole[key] or _agrees(value, whole[key]))
            for key, value in part.items()
        )
    if isinstance(part, list):
        if not isinstance(whole, list) or len(part) != len(whole):
            return False
        return all(_agrees(one, other) for one, other in zip(part, whole, strict=True))
    if isinstance(part, str) and isinstance(whole, dict):
        return bool(whole.get("name") == part)
    return bool(part == whole)


def file_name(text: str) -> str:
    """Return text as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-.") or "run"
