"""A paper's configs on disk, written from the short tables of its ``experiments.py``."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from common.launch.discovery import REPLICATIONS, load_methods
from common.launch.schema import config_schema
from common.pipeline import Methods

Config = dict[str, Any]


def config_files(
    folder: Path, presets: Mapping[str, Callable[[], Iterable[Config]]], methods: Methods
) -> dict[Path, str]:
    """Return the text of every config file, and of the schema that editors read, by path.

    Args:
        folder: the paper's ``configs``; a config goes to ``<folder>/<preset>/<name>.json``.
        presets: what yields the raw configs of a preset.
        methods: the finders and transforms that the schema describes.

    Raises:
        ValueError: two configs of a preset have one name.
    """
    texts = {folder / "schema.json": json.dumps(config_schema(methods.catalog()), indent=1) + "\n"}
    for preset, configs in presets.items():
        for config in configs():
            path = folder / preset / f"{config['name'].replace('-', '_')}.json"
            if path in texts:
                raise ValueError(f"two configs are called {path.name}")
            texts[path] = json.dumps(config, indent=2) + "\n"
    return texts


def paper_config_files(paper: str) -> dict[Path, str]:
    """Return the texts of a replication's configs by path, from its ``experiments.PRESETS``."""
    presets = importlib.import_module(f"replications.{paper}.experiments").PRESETS
    return config_files(REPLICATIONS / paper / "configs", presets, load_methods(paper))


def write_paper_configs(paper: str) -> None:
    """Write all config files of a replication."""
    write_config_files(REPLICATIONS / paper / "configs", paper_config_files(paper))


def write_config_files(folder: Path, texts: Mapping[Path, str]) -> None:
    """Write all config files and remove those below ``folder`` that are no longer among them."""
    for path in folder.rglob("*.json"):
        if path not in texts:
            path.unlink()
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
