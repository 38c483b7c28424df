"""Finds the replications: a folder under ``replications`` with a ``paper.py`` is one.

The core never imports a paper by name; it is told which one, and looks its parts up here.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import UserError, unknown_name

if TYPE_CHECKING:
    from common.pipeline import Methods
    from common.results.spec import Paper

REPLICATIONS = Path(__file__).resolve().parents[2] / "replications"


def paper_names() -> list[str]:
    """Return the names of all replications, sorted."""
    return sorted(path.parent.name for path in REPLICATIONS.glob("*/paper.py"))


def _check(name: str) -> None:
    if name not in paper_names():
        raise unknown_name("paper", name, paper_names())


def load_paper(name: str) -> Paper:
    """Return ``PAPER`` of ``replications/<name>/paper.py``: its tables, plots and claims."""
    _check(name)
    module = importlib.import_module(f"replications.{name}.paper")
    paper: Paper = module.PAPER
    return paper


def load_papers() -> dict[str, Paper]:
    """Return every replication's ``PAPER`` by its name."""
    return {name: load_paper(name) for name in paper_names()}


def load_methods(name: str) -> Methods:
    """Return a replication's methods: ``METHODS`` of its ``methods.py``, or just the core's."""
    from common.pipeline import Methods  # noqa: PLC0415 - imports torch

    _check(name)
    if not (REPLICATIONS / name / "methods.py").exists():
        return Methods()
    module = importlib.import_module(f"replications.{name}.methods")
    methods: Methods = module.METHODS
    return methods


def presets(name: str) -> list[str]:
    """Return the names of a replication's presets, sorted."""
    configs = REPLICATIONS / name / "configs"
    return sorted(path.name for path in configs.iterdir() if path.is_dir())


def preset_configs(name: str, preset: str) -> list[Path]:
    """Return the config files of a preset, sorted by name."""
    _check(name)
    if preset not in presets(name):
        raise unknown_name("--preset", preset, presets(name))
    files = sorted((REPLICATIONS / name / "configs" / preset).glob("*.json"))
    if not files:
        raise UserError(f"--preset {preset}: {name} has no configs of that preset")
    return files
