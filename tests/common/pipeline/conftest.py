"""Fixtures of the tests of transfers, which stand in several files."""

from dataclasses import replace

import pytest

from common.data import DATASETS
from common.pipeline import Methods, plan_run
from tests.common.pipeline.transfers import FIELDS, coloured_digits, five_digits, run


@pytest.fixture
def transfer_datasets(monkeypatch):
    """Register the first five digits, and all of them with three channels."""
    few = replace(DATASETS["digits"], num_classes=5, embedded=five_digits, class_names=None)
    colour = replace(DATASETS["digits"], shape=(3, 16, 16), embedded=coloured_digits)
    monkeypatch.setitem(DATASETS, "five_digits", few)
    monkeypatch.setitem(DATASETS, "coloured_digits", colour)


@pytest.fixture
def plan_transfer(run_config, context):
    """Return a function that plans a run with a transfer."""

    def build(*overrides, transfer, **fields):
        config = run_config(*overrides, **FIELDS | fields | {"transfer": transfer})
        content = [
            None if data is None else context.dataset(data.name).fingerprint["sha256"]
            for data in (config.data, config.transfer and config.transfer.source)
        ]
        return plan_run(config, 0, Methods(), *content)

    return build


@pytest.fixture
def compute_transfer(plan_transfer, context):
    """Return a function that computes a run and its phases of a role."""

    def compute(*overrides, **fields):
        return run(plan_transfer(*overrides, **fields), context)

    return compute
