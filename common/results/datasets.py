"""What the results need to know of a data set by its name: classes and full test-set size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DatasetFacts:
    """The number of classes and of images in the complete test set; None where unknown."""

    classes: int | None = None
    test_images: int | None = None


KNOWN: Mapping[str, DatasetFacts] = {
    "digits": DatasetFacts(10, 600),
    "digits_a": DatasetFacts(10, 600),
    "digits_b": DatasetFacts(10, 600),
    "mnist": DatasetFacts(10, 10_000),
    "fashion_mnist": DatasetFacts(10, 10_000),
    "cifar10": DatasetFacts(10, 10_000),
    "cifar10_a": DatasetFacts(10, 10_000),
    "cifar10_b": DatasetFacts(10, 10_000),
    "cifar100": DatasetFacts(100, 10_000),
    "svhn": DatasetFacts(10, 26_032),
    "tiny_imagenet": DatasetFacts(200, 10_000),
    "tiny_imagenet_half": DatasetFacts(200, 5_000),
    "caltech101": DatasetFacts(101, 1_736),
    "imagenet": DatasetFacts(1_000, 50_000),
}


def chance_percent(name: str, fingerprint: Mapping[str, Any]) -> float:
    """Return the accuracy of guessing in percent; NaN where the number of classes is unknown.

    A fingerprint that holds ``classes`` or ``num_classes`` goes before the known data sets.
    """
    known = KNOWN.get(name, DatasetFacts()).classes
    classes = fingerprint.get("classes") or fingerprint.get("num_classes") or known
    return 100.0 / int(classes) if classes else float("nan")


def dataset_notes(frame: pd.DataFrame) -> list[str]:
    """Return one text a data set of the runs: its sizes, and whether it is complete."""
    names = ("dataset", "test_images", "train_images", "dataset_complete", "dataset_note")
    columns = [frame[name].tolist() for name in names]
    rows = {tuple(map(repr, row)): row for row in zip(*columns, strict=True)}  # NaN equals NaN
    return [_note(*rows[text]) for text in sorted(rows, key=lambda text: _place(rows[text]))]


def _place(row: tuple[str, float, float, bool, str]) -> tuple:
    """Return the key that sorts data sets: unknown sizes come last."""
    unknown = [value != value for value in row]  # noqa: PLR0124 - NaN
    return tuple((no, 0 if no else value) for no, value in zip(unknown, row, strict=True))


def _note(
    dataset: str,
    test_images: float,
    train_images: float,
    dataset_complete: bool,
    dataset_note: str,
) -> str:
    """Return the text of one data set."""
    full = KNOWN.get(dataset, DatasetFacts()).test_images
    parts = ["test set: size unknown"]
    if not math.isnan(test_images):
        part = full is not None and (test_images != full or not dataset_complete)
        parts = [f"test set: {int(test_images):,}{f' of {full:,}' if part else ''} images"]
    if not math.isnan(train_images):
        parts.append(f"training set: {int(train_images):,} images")
    if not dataset_complete:
        parts.append("data set incomplete")
    text = f"{dataset}: {', '.join(parts)}"
    return f"{text} ({dataset_note})" if dataset_note else text
