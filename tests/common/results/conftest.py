"""Synthetic records and a paper that reads them, in the shape real runs have."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.results.records import write_record
from common.results.spec import (
    AccuracyVsSparsity,
    Bars,
    Claim,
    Comparison,
    LayerDensities,
    Paper,
    ReportedAs,
    Table,
)

SPARSITIES = (0.4, 0.8, 0.95, 0.98)
VARIANTS = ("original", "layerwise_rearrange", "corrupted_data")
BASE = {"snip": 93.4, "grasp": 93.1, "random_tickets": 92.8}
LAYERS = (*(f"blocks.{i}.conv.weight" for i in range(10)), "classifier.weight")


def _record(
    method: str = "snip",
    variant: str = "original",
    sparsity: float | None = 0.9,
    seed: int = 0,
    accuracy: float = 90.0,
    **other: Any,
) -> dict[str, Any]:
    """Return one record; ``other`` overrides anything, with dots for nested keys."""
    name = f"{method}-{variant}-{sparsity}"
    record: dict[str, Any] = {
        "schema_version": 1,
        "paper": "sample",
        "experiment": "checks",
        "protocol": "quick",
        "config": {
            "name": name,
            "method": method,
            "variant": variant,
            "data": {"name": "cifar10"},
            "model": {"name": "vgg19"},
            "find": {"name": method, "sparsity": sparsity},
            "train": {"lr": 0.1},
        },
        "config_hash": format(abs(hash_text(name)), "08x")[:8],
        "seed": seed,
        "status": "finished",
        "error": None,
        "metrics": {"test_accuracy": accuracy, "best_test_accuracy": accuracy + 0.2},
        "ticket": {
            "sparsity": sparsity or 0.0,
            "layer_densities": {n: 0.5 ** (1 + i / 2) for i, n in enumerate(LAYERS)},
            "collapsed_layers": [],
        },
        "timing": {"total_seconds": 10.0, "phases": {"train": 9.0}},
        "environment": {"torch": "2", "device": "cpu", "gpu": None, "precision": "float32"},
        "dataset_fingerprint": {
            "name": "cifar10",
            "train_images": 50000,
            "test_images": 10000,
            "complete": True,
            "note": "",
        },
        "commit": "0123abc",
    }
    for path, value in other.items():
        target = record
        *parents, last = path.split("__")
        for key in parents:
            target = target[key]
        target[last] = value
    return record


def hash_text(text: str) -> int:
    """Return a number that depends on the text alone."""
    return int.from_bytes(text.encode(), "big") % (2**32 - 5)


@pytest.fixture
def make_record() -> Callable[..., dict[str, Any]]:
    """A function that makes one record; ``a__b=`` sets a nested value."""
    return _record


def _sample_records(protocol: str) -> list[dict[str, Any]]:
    """Return a realistic set: curves that fall with sparsity, one collapse, one failed run."""
    rng = np.random.default_rng(7)
    partial = protocol != "paper"
    shape = {
        "protocol": protocol,
        "dataset_fingerprint__test_images": 1000 if partial else 10000,
        "dataset_fingerprint__train_images": 4000 if partial else 50000,
        "dataset_fingerprint__complete": not partial,
    }
    records = [
        _record("dense", "none", None, seed, 94.1 + float(rng.normal(0, 0.15)), **shape)
        for seed in range(3)
    ]
    drop = {"original": 0.0, "layerwise_rearrange": 0.1, "corrupted_data": 0.25}
    for method, base in BASE.items():
        for variant in VARIANTS:
            for sparsity in SPARSITIES:
                for seed in range(3):
                    density = 1 - sparsity
                    value = base - 0.35 * np.log(0.6 / density) ** 2 - drop[variant]
                    value += float(rng.normal(0, 0.2))
                    emptied: list[str] = []
                    tilt = {"snip": 0.6, "grasp": 0.4, "random_tickets": 0.5}[method]
                    depth = np.arange(len(LAYERS))
                    kept = np.minimum(1, 6 * density * np.exp(-tilt * depth + rng.normal(0, 0.1)))
                    if (method, variant, sparsity) == ("snip", "corrupted_data", 0.98):
                        value, emptied = 10.0, ["blocks.9.conv.weight"]
                        kept[9] = 0.0
                    densities = dict(zip(LAYERS, map(float, kept), strict=True))
                    record = _record(method, variant, sparsity, seed, round(value, 2), **shape)
                    record["ticket"]["layer_densities"] = densities
                    record["ticket"]["collapsed_layers"] = emptied
                    if (method, variant, sparsity, seed) == ("grasp", "original", 0.8, 2):
                        record["status"], record["metrics"] = "failed", {}
                        record["error"] = "RunFailedError: the loss\nis not a number"
                    records.append(record)
    return records


@pytest.fixture
def sample_records() -> Callable[[str], list[dict[str, Any]]]:
    """A function that returns the records of one protocol."""
    return _sample_records


_HEADER = (
    "paper,item,experiment,method,variant,dataset,architecture,sparsity,metric,value,std,"
    "seeds,source,note\n"
)


def _sample_paper(folder: Path) -> Paper:
    """Return a paper with one of everything; its reported numbers are written to ``folder``."""
    rows = []
    for method, base in (("snip", 93.61), ("grasp", 93.37)):
        for variant in VARIANTS:
            for i, sparsity in enumerate((*SPARSITIES, 0.99)):
                value = base - 0.71 * i**1.3
                value = 10.0 if (method, variant, i) == ("snip", "corrupted_data", 4) else value
                rows.append(
                    f"sample,logs,checks,{method},{variant},cifar10,vgg19,{sparsity},"
                    f"test_accuracy_pct,{value:.2f},,1,logs,"
                )
    for who, base in (("replication", 93.13), ("paper", 93.27)):
        for i, sparsity in enumerate(SPARSITIES):
            rows.append(
                f"sample,Table 1,checks,random_tickets,{who},cifar10,vgg19,{sparsity + 1e-5:.5f},"
                f"test_accuracy_pct,{base - 0.66 * i:.2f},0.1,,readme,"
            )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "reported.csv"
    path.write_text(_HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    original = {"variant": "original"}
    return Paper(
        name="sample",
        title="A paper with 50 % of_everything & more",
        arxiv="0000.00000",
        reported=path,
        tables=(
            Table(
                "accuracy",
                "Accuracy & 100 % of_it",
                ("checks",),
                ("method", "variant"),
                ("sparsity",),
            ),
            Table(
                "best",
                "Best epoch",
                ("checks",),
                ("method",),
                (),
                "best_test_accuracy",
                where={"sparsity": 0.95, "variant": "original"},
            ),
        ),
        plots=(
            AccuracyVsSparsity("curves", "Sanity checks of tickets", ("checks",)),
            LayerDensities("layers", "What every layer keeps", ("checks",), sparsity=0.98),
            Bars(
                "bars",
                "Variants at high sparsity",
                ("checks",),
                ("method",),
                where={"sparsity": 0.95, "method": ("snip", "grasp", "random_tickets")},
            ),
        ),
        claims=(
            Claim(
                "C1",
                "Corrupted data do not matter",
                "section 1",
                (
                    Comparison(
                        {"method": ("snip", "grasp"), **original},
                        {"variant": "corrupted_data"},
                        "equivalent",
                        1.0,
                        over=("method", "dataset", "architecture", "sparsity"),
                    ),
                ),
            ),
            Claim(
                "C2",
                "Random tickets are not worse than SNIP",
                "section 1",
                (
                    Comparison(
                        {"method": "random_tickets", **original},
                        {"method": "snip", **original},
                        "not_worse",
                        1.5,
                    ),
                ),
            ),
            Claim(
                "C3",
                "Random tickets beat SNIP",
                "section 1",
                (
                    Comparison(
                        {"method": "random_tickets", **original},
                        {"method": "snip", **original},
                        "greater",
                    ),
                ),
                ("paper",),
            ),
        ),
        order={"variant": VARIANTS, "method": ("snip", "grasp", "random_tickets")},
        labels={"snip": "SNIP", "grasp": "GraSP", "layerwise_rearrange": "rearranged in layers"},
        reported_as=(
            ReportedAs({"variant": "replication"}, original, "replication"),
            ReportedAs({"variant": "paper"}, original, "paper"),
        ),
    )


@pytest.fixture
def sample_paper(tmp_path: Path) -> Paper:
    """A paper with tables, plots, claims and reported numbers."""
    return _sample_paper(tmp_path / "paper")


def _store(root: Path, records: list[dict[str, Any]]) -> Path:
    """Write records where a results folder has them."""
    for record in records:
        stem = f"{record['config_hash']}-{record['protocol']}-s{record['seed']}.json"
        folder = root / "records" / record["paper"] / record["experiment"]
        write_record(folder / stem, copy.deepcopy(record))
    return root


@pytest.fixture
def store() -> Callable[[Path, list[dict[str, Any]]], Path]:
    """A function that writes records below a results folder and returns the folder."""
    return _store
