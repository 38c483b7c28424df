"""What tests of several packages share: the bundled digits, a tiny run, a call of the command line.

Everything runs on one thread, so that a result does not depend on how many cores there are.
"""

from __future__ import annotations

import copy
import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from common.config import RunConfig, apply_overrides, parse_config
from common.data import Dataset, load_dataset
from common.launch import main
from common.pipeline import Context, Methods
from common.tracking import Workspace

# The same examples in every run, so that a red run can be repeated; pytest's option
# --hypothesis-profile=default looks for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

PAPER = "sanity_checking"

TINY_RUN: dict[str, Any] = {
    "paper": PAPER,
    "experiment": "engine",
    "protocol": "test",
    "name": "tiny",
    "method": "random",
    "variant": "original",
    "data": {"name": "digits", "augment": None},
    "model": {"name": "fc", "hidden": [16], "image_size": 16},
    "find": {"name": "random", "sparsity": 0.5},
    "train": {"epochs": 2, "batch_size": 100, "lr": 0.05},
    "precision": "float32",
}


def pytest_configure() -> None:
    """Answer Ctrl-C: a background job of a shell ignores it, and so would all its processes."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _denormals() -> None:
    """Begin every test with denormal numbers, which a run in this process switches off."""
    torch.set_flush_denormal(False)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Run a test on one CPU thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return the bundled digits: 1,000 training, 197 validation and 600 test images."""
    return load_dataset("digits", root=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def raw_run() -> Callable[..., dict[str, Any]]:
    """Return a function that builds a raw run config of a second, with dotted overrides."""

    def build(*overrides: str, **fields: Any) -> dict[str, Any]:
        return apply_overrides(copy.deepcopy(TINY_RUN) | fields, overrides)

    return build


@pytest.fixture(scope="session")
def run_config(raw_run: Callable[..., dict[str, Any]]) -> Callable[..., RunConfig]:
    """Return a function that builds the same config validated."""

    def build(*overrides: str, **fields: Any) -> RunConfig:
        return parse_config(raw_run(*overrides, **fields), Methods().catalog())

    return build


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """Return a place to compute in: a temporary workspace on one CPU thread."""
    workspace = Workspace(tmp_path / "runs", tmp_path / "results", tmp_path / "data")
    return Context(workspace, threads=1, checkpoint_seconds=0.0, progress=False)


@dataclass(frozen=True)
class CommandLine:
    """Calls a replication's command line in this process, in a workspace of its own."""

    root: Path

    @property
    def runs(self) -> Path:
        """Where the phases and run directories are."""
        return self.root / "runs"

    def arguments(self, *more: str | Path) -> list[str]:
        """Return the arguments that every call needs, followed by more."""
        places = {"--runs-dir": "runs", "--results-dir": "results", "--data-root": "data"}
        fixed = [text for key, name in places.items() for text in (key, str(self.root / name))]
        return [*fixed, "--threads", "1", "--device", "cpu", *map(str, more)]

    def __call__(self, *more: str | Path) -> int:
        """Return the exit status."""
        before = signal.getsignal(signal.SIGTERM)
        try:
            return main(PAPER, self.arguments(*more))
        finally:
            signal.signal(signal.SIGTERM, before)

    def write(self, config: dict[str, Any], name: str | None = None) -> Path:
        """Write a config to a file called after the run and return its path."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / (name or f"{config['name']}.json")
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def records(self) -> dict[str, dict[str, Any]]:
        """Return all records by the name of their run and their seed, as in ``tiny-s0``."""
        found = [json.loads(p.read_text()) for p in (self.root / "results").rglob("*.json")]
        return {f"{record['config']['name']}-s{record['seed']}": record for record in found}

    def phases(self, kind: str) -> list[Path]:
        """Return the folders of all phases of a kind."""
        return sorted((self.runs / "phases" / kind).glob("*"))

    def only_run(self) -> Path:
        """Return the directory of the one run there is."""
        (path,) = (self.runs / PAPER).glob("*/seed_*")
        return path


@pytest.fixture
def command_line(tmp_path: Path, one_thread: None) -> CommandLine:
    """Return the command line in a temporary workspace."""
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def command_line_in() -> Callable[[Path], CommandLine]:
    """Return a function that gives the command line in a folder of the caller's choice."""
    return CommandLine
