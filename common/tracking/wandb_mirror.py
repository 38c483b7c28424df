"""Mirrors phases to Weights & Biases. The local files are the truth; this only copies them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

WandbMode = Literal["disabled", "offline", "online"]


@dataclass(frozen=True)
class WandbSettings:
    """Where to mirror to.

    Attributes:
        mode: ``disabled`` imports nothing; ``offline`` needs neither network nor account.
        entity: user or team; None: the account's default.
        project: the project.
        run_name: replaces the readable name of every mirrored phase.
        directory: where wandb keeps its local files.
    """

    mode: WandbMode = "disabled"
    entity: str | None = None
    project: str = "lottery-ticket-workbench"
    run_name: str | None = None
    directory: Path = Path("runs")


@dataclass(frozen=True)
class PhaseLabels:
    """How a phase is found again among many."""

    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]


class WandbMirror:
    """One phase as one wandb run, with a stable id so that a resumed phase continues it.

    Use as a context manager; does nothing at all in mode ``disabled``.
    """

    def __init__(
        self, settings: WandbSettings, identity: str, labels: PhaseLabels, config: dict[str, Any]
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._labels = labels
        self._config = config
        self._run: Any = None

    def __enter__(self) -> WandbMirror:
        """Start or continue the wandb run."""
        if self._settings.mode == "disabled":
            return self
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb  # noqa: PLC0415 - heavy, and unused in most calls

        self._settings.directory.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            mode=self._settings.mode,
            entity=self._settings.entity,
            project=self._settings.project,
            id=self._identity,
            resume="allow" if self._settings.mode == "online" else None,
            name=self._settings.run_name or self._labels.name,
            group=self._labels.group,
            job_type=self._labels.job_type,
            tags=list(self._labels.tags),
            config=self._config,
            dir=str(self._settings.directory),
        )
        return self

    @property
    def active(self) -> bool:
        """Whether anything is mirrored."""
        return self._run is not None

    def log(self, row: dict[str, Any]) -> None:
        """Log one epoch's metrics at the epoch's number."""
        if self._run is not None:
            values = {key: value for key, value in row.items() if key != "epoch"}
            self._run.log(values, step=int(row["epoch"]))

    def summarise(self, metrics: dict[str, Any]) -> None:
        """Put final numbers into the summary."""
        if self._run is not None:
            self._run.summary.update(metrics)

    def add_ticket(self, path: Path, meta: dict[str, Any]) -> None:
        """Attach a ticket file that needs no other as an artifact, under the file's name."""
        if self._run is not None:
            import wandb  # noqa: PLC0415

            artifact = wandb.Artifact(f"ticket-{self._identity}", type="ticket", metadata=meta)
            artifact.add_file(str(path))
            self._run.log_artifact(artifact)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the wandb run; a phase that failed is marked so."""
        if self._run is not None:
            self._run.finish(exit_code=0 if kind is None else 1)
