"""Every file name of a run, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

READABLE_HASH = 8
PHASE_HASH = 16


@dataclass(frozen=True)
class PhasePaths:
    """The files of one phase."""

    root: Path

    @property
    def description(self) -> Path:
        """What the phase is the hash of."""
        return self.root / "phase.json"

    @property
    def lock(self) -> Path:
        """Held by the process that works on the phase."""
        return self.root / ".lock"

    @property
    def metrics(self) -> Path:
        """One JSON object an epoch."""
        return self.root / "metrics.jsonl"

    @property
    def ticket(self) -> Path:
        """The ticket that a find or transform phase made."""
        return self.root / "ticket.safetensors"

    @property
    def final(self) -> Path:
        """The state after training."""
        return self.root / "final.safetensors"

    @property
    def scales(self) -> Path:
        """The factors with which LRsI scaled the weights before the training."""
        return self.root / "lrsi.json"

    @property
    def dressed(self) -> Path:
        """The state of ghost skips that are still there after the training."""
        return self.root / "ghosts.safetensors"

    def kept(self, unit: str, number: int) -> Path:
        """Return the file of the state kept after an epoch or a step of the optimiser."""
        return self.root / f"{unit}_{number:04d}.safetensors"

    def level(self, name: str) -> Path:
        """Return the file of a ticket that a search kept on its way."""
        return self.root / "levels" / f"{name}.safetensors"

    @property
    def result(self) -> Path:
        """Metrics, time and environment of the finished phase."""
        return self.root / "result.json"

    @property
    def done(self) -> Path:
        """Written last: its presence says that the phase is finished."""
        return self.root / "done"


@dataclass(frozen=True)
class RunPaths:
    """The files of one run: links to those of its phases, gathered for a reader."""

    root: Path

    @property
    def config(self) -> Path:
        """The resolved config."""
        return self.root / "config.json"

    @property
    def phases(self) -> Path:
        """Which phases the run is made of, and where they are."""
        return self.root / "phases.json"

    @property
    def environment(self) -> Path:
        """Versions, hardware and precision."""
        return self.root / "environment.json"

    @property
    def metrics(self) -> Path:
        """The metrics of all its phases, one JSON object an epoch."""
        return self.root / "metrics.jsonl"

    @property
    def ticket(self) -> Path:
        """The ticket that was trained."""
        return self.root / "ticket.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The state after training."""
        return self.root / "checkpoint.safetensors"

    @property
    def done(self) -> Path:
        """Written last."""
        return self.root / "done"


@dataclass(frozen=True)
class Workspace:
    """Where a call of the workbench reads and writes.

    Attributes:
        runs: run directories and phases; large, not committed.
        results: records, tables, plots, claims.
        data: the data sets.
    """

    runs: Path
    results: Path
    data: Path

    @property
    def weights(self) -> Path:
        """The start weights of all light tickets, each once; phases and runs hold links to them."""
        return self.runs / "weights"

    def phase(self, kind: str, identity: str) -> PhasePaths:
        """Return the files of a phase."""
        return PhasePaths(self.runs / "phases" / kind / identity[:PHASE_HASH])

    def run(self, paper: str, name: str, config_hash: str, seed: int) -> RunPaths:
        """Return the files of a run."""
        readable = f"{name}-{config_hash[:READABLE_HASH]}"
        return RunPaths(self.runs / paper / readable / f"seed_{seed}")

    @property
    def records(self) -> Path:
        """The folder of all records."""
        return self.results / "records"

    def record(self, paper: str, experiment: str, config_hash: str, seed: int) -> Path:
        """Return the file of a run's record."""
        name = f"{config_hash[:PHASE_HASH]}-s{seed}.json"
        return self.records / paper / experiment / name
