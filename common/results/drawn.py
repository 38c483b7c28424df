"""Which plots are drawn already: a plot is drawn again only when something in it may have changed.

Drawing takes by far the longest of all that follows from the records, and one more run changes few
plots. ``<root>/.drawn.json`` holds for every plot a digest of all that bears on it (the runs of its
experiments, the reported numbers, the descriptions of the paper and the plot, this package's code
and the versions of the libraries that draw) and the digests of its files. It may be deleted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd
from pydantic_core import to_json

from common.results.formats import write_text
from common.results.records import OBJECT_COLUMNS
from common.results.spec import Paper, Plot

FILE = ".drawn.json"
_NOT_DRAWING = (
    *("__main__", "claim_files", "claims", "drawn", "export", "generate", "index"),
    *("plot_files", "reported_tables", "tables", "tasks", "verdict_files", "verdicts", "workers"),
)
"""Modules that no plot is drawn with; after a change in any other one all are drawn again."""
_LIBRARIES = ("matplotlib", "numpy", "pandas", "pillow", "scipy")


class DrawnPlots:
    """What is known of the plots below a results folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Any] = {}
        try:
            known = json.loads((root / FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        self._known = known if isinstance(known, dict) else {}

    def files(self, name: str, inputs: str) -> list[Path] | None:
        """Return the files of a plot that is drawn from these inputs, or None where it is not.

        Args:
            name: the plot's own among all papers'.
            inputs: the digest from :func:`plot_inputs`.
        """
        known = self._known.get(name)
        if not isinstance(known, dict) or known.get("inputs") != inputs:
            return None
        files = known.get("files", {})
        if any(_file_digest(self._root / file) != digest for file, digest in files.items()):
            return None
        return [self._root / file for file in files]

    def add(self, name: str, inputs: str, files: Iterable[Path]) -> None:
        """Note that a plot has been drawn."""
        digests = {path.relative_to(self._root).as_posix(): _file_digest(path) for path in files}
        self._known[name] = {"inputs": inputs, "files": digests}

    def save(self) -> None:
        """Write down what is known."""
        write_text(self._root / FILE, json.dumps(self._known, indent=1) + "\n")


def plot_inputs(
    paper: Paper, plot: Plot, protocols: Iterable[str], rows: Iterable[int], reported: str
) -> str:
    """Return the digest of all that bears on a plot.

    Args:
        paper, plot: their descriptions.
        protocols: those that are drawn.
        rows: the digests of the runs that the plot may show, from :func:`row_digests`.
        reported: the digest of the reported numbers, from :func:`reported_digest`.
    """
    looks = replace(paper, reported=None, page=None, tables=(), plots=(), claims=(), notes="")
    parts = [repr(looks), repr(plot), repr(list(protocols)), repr(list(rows)), reported, _code()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def reported_digest(reported: pd.DataFrame) -> str:
    """Return what stands for a paper's reported numbers."""
    table = reported.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(table.encode()).hexdigest()


def row_digests(frame: pd.DataFrame) -> npt.NDArray[Any]:
    """Return a number for the content of every run of the frame."""
    plain = frame.drop(columns=list(OBJECT_COLUMNS), errors="ignore")
    mixed = [name for name in plain.columns if pd.api.types.is_object_dtype(plain[name])]
    plain = plain.assign(**{name: plain[name].map(repr) for name in mixed})
    for name in OBJECT_COLUMNS:
        if name in frame.columns:
            plain[name] = frame[name].map(_text)
    names = hashlib.sha256("\n".join(plain.columns).encode()).digest()
    return pd.util.hash_pandas_object(plain, index=False).to_numpy() ^ int.from_bytes(names[:8])


def _text(value: Mapping[str, Any]) -> str:
    """Return the part of a record as text, in its own order, which layers are drawn in."""
    return to_json(value).decode()


@lru_cache(maxsize=1)
def _code() -> str:
    """Return what stands for the code that draws: its files and the versions of its libraries."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted([*package.glob("*.py"), *(package / "plots").glob("*.py")]):
        if path.stem not in _NOT_DRAWING:
            digest.update(path.read_bytes())
    return digest.hexdigest() + " ".join(version(name) for name in _LIBRARIES)


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "missing"
