"""The sentences on data sets follow from the runs alone, not from their order."""

import math

import pandas as pd
import pytest

from common.results.datasets import dataset_notes

NAMES = ("dataset", "test_images", "train_images", "dataset_complete", "dataset_note")
ROWS = [
    ("digits", math.nan, 1000.0, False, ""),
    ("digits", math.nan, 1000.0, True, ""),
    ("digits", 600.0, math.nan, True, "a note"),
    ("digits", 600.0, 1000.0, True, ""),
    ("cifar10", 1000.0, 50000.0, False, ""),
]


@pytest.mark.parametrize("order", [ROWS, ROWS[::-1], ROWS[2:] + ROWS[:2], ROWS * 2])
def test_the_order_of_the_runs_does_not_matter(order):
    notes = dataset_notes(pd.DataFrame(order, columns=list(NAMES)))
    assert notes == [
        "cifar10: test set: 1,000 of 10,000 images, training set: 50,000 images, "
        "data set incomplete",
        "digits: test set: 600 images, training set: 1,000 images",
        "digits: test set: 600 images (a note)",
        "digits: test set: size unknown, training set: 1,000 images, data set incomplete",
        "digits: test set: size unknown, training set: 1,000 images",
    ]
