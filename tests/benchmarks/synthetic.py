"""Synthetic records: what the runs of every committed config would leave, with invented numbers.

They have the names, sizes and curves of real ones, so tables, plots and claims find in them all
that they look for, but nothing was computed: they are for measuring the results code alone.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from common.config import RunConfig, config_hash, load_configs
from common.data.registry import DATASETS
from common.launch.discovery import load_methods, paper_names, preset_configs, presets
from common.results.records import run_id, write_record

CURVE_POINTS = 30
LAYERS = tuple(
    f"layer{stage}.{block}.conv{n}.weight"
    for stage in (1, 2, 3)
    for block in range(3)
    for n in (1, 2)
)


def write_synthetic_records(root: Path, count: int) -> int:
    """Write up to ``count`` records below ``root/records``; return how many there are.

    Runs are taken from the papers' presets in turn, so any count holds some of each.
    """
    done = 0
    for config, seed in itertools.islice(_runs(), count):
        record = synthetic_record(config, seed)
        name = f"{run_id(record['config_hash'], seed)}.json"
        write_record(root / "records" / config.paper / config.experiment / name, record)
        done += 1
    return done


def _runs() -> Iterator[tuple[RunConfig, int]]:
    """Yield every run of every preset, the presets in turn."""
    streams = [_preset_runs(paper, preset) for paper in paper_names() for preset in presets(paper)]
    for runs in itertools.zip_longest(*streams):
        yield from (run for run in runs if run is not None)


def _preset_runs(paper: str, preset: str) -> Iterator[tuple[RunConfig, int]]:
    catalog = load_methods(paper).catalog()
    for file in preset_configs(paper, preset):
        for config in load_configs(file, catalog):
            for seed in config.seeds:
                yield config, seed


def synthetic_record(config: RunConfig, seed: int) -> dict[str, Any]:
    """Return the record of a run whose numbers are drawn from its hash."""
    identity = config_hash(config)
    digest = hashlib.sha256(f"{identity} {seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    values = config.model_dump(mode="json", exclude={"seeds"})
    sparsity = float(values["find"].get("sparsity") or 0.9)
    accuracy = 94 - 6 * sparsity + 0.3 * math.log(1.001 - sparsity) + float(rng.normal(0, 0.3))
    epochs = np.unique(np.linspace(1, 160, CURVE_POINTS, dtype=int))
    rise = accuracy * (1 - np.exp(-epochs / 25)) + rng.normal(0, 0.4, len(epochs))
    curves = {
        "epoch": epochs.tolist(),
        "lr": [0.1] * len(epochs),
        "train_loss": (2.3 * np.exp(-epochs / 40)).round(6).tolist(),
        "test_accuracy": rise.round(2).tolist(),
    }
    decline = np.exp(-rng.uniform(0.5, 2) * np.arange(len(LAYERS)) / len(LAYERS))
    densities = np.minimum(1, (1 - sparsity) * decline * 1.5)
    data = DATASETS[values["data"]["name"]]
    record = {
        "schema_version": 1,
        "paper": config.paper,
        "experiment": config.experiment,
        "protocol": config.protocol,
        "config": values,
        "config_hash": identity,
        "seed": seed,
        "status": "finished",
        "error": None,
        "metrics": {
            "test_accuracy": round(accuracy, 2),
            "best_test_accuracy": round(accuracy + 0.3, 2),
            "start_test_accuracy": 10.0,
            "prefinetune_test_accuracy": round(accuracy / 2, 2),
            "train_accuracy": round(min(accuracy + 5, 100), 2),
            "test_loss": 0.3,
            "train_loss": 0.05,
            "search_epochs": 160,
        },
        "ticket": {
            "sparsity": sparsity,
            "layer_densities": dict(zip(LAYERS, densities.round(6).tolist(), strict=True)),
            "collapsed_layers": [],
        },
        "timing": {"total_seconds": 3600.0, "phases": {"0_find": 600.0, "1_train": 3000.0}},
        "environment": {"device": "cpu", "gpu": None, "precision": "float32", "python": "3.11"},
        "dataset_fingerprint": {
            "name": values["data"]["name"],
            "sha256": hashlib.sha256(values["data"]["name"].encode()).hexdigest(),
            "train_images": data.train_count,
            "validation_images": 0,
            "test_images": data.test_count,
            "complete": True,
            "source": "invented",
        },
        "commit": "0" * 40,
        "training": curves,
    }
    if config.train is None:
        record["search"] = {"curves": record.pop("training")}
    return record
