"""A raw config with every section filled in, and the core's catalog."""

import copy

import pytest

from common.config import apply_overrides, parse_config
from common.pipeline import Methods

FULL = {
    "schema_version": 1,
    "paper": "some_paper",
    "experiment": "table_1",
    "protocol": "quick",
    "name": "full",
    "method": "hybrid_tickets",
    "variant": "original",
    "data": {
        "name": "digits",
        "normalization": "pixel",
        "augment": {"crop_padding": 2, "crop_size": 16, "horizontal_flip": False},
        "validation": 100,
        "validation_choice": "first",
        "channels": 3,
        "test_padding": 0,
        "subset": {"fraction": 0.5, "choose": "first"},
        "corruption": {"random_labels": True, "random_pixels": "pixels"},
    },
    "model": {"name": "resnet8", "width": 8},
    "find": {
        "name": "hybrid",
        "sparsity": 0.9,
        "pretrain": {
            "epochs": 12,
            "milestones": [4, 8],
            "label_smoothing": 0.1,
            "subset": {"fraction": 0.5},
            "corruption": {"random_labels": True},
        },
        "rewinding": "weights",
        "rewind_epoch": 3,
    },
    "transform": ["layerwise_rearrange", {"name": "layerwise_weights_shuffling", "scope": "all"}],
    "train": {
        "epochs": 12,
        "batch_size": 32,
        "milestones": [4, 8],
        "schedule_epochs": 12,
        "label_smoothing": 0.1,
    },
    "precision": "float32",
    "seeds": [0, 1],
}


@pytest.fixture(scope="session")
def catalog():
    return Methods().catalog()


@pytest.fixture
def full():
    return copy.deepcopy(FULL)


@pytest.fixture
def parse(catalog, full):
    def parse(*overrides, raw=None, source="run.json"):
        return parse_config(
            apply_overrides(full if raw is None else raw, overrides), catalog, source
        )

    return parse
