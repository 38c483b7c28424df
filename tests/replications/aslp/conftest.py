"""The configs of this replication, parsed once."""

import pytest

from common.config import parse_config
from replications.aslp.experiments import PRESETS
from replications.aslp.methods import METHODS


def parse(raw):
    fields = {key: value for key, value in raw.items() if key != "$schema"}
    return parse_config(fields, METHODS.catalog(), raw["name"])


@pytest.fixture(scope="session")
def presets():
    """All runs of every preset, by the name of the run."""
    parsed = {}
    for preset, configs in PRESETS.items():
        found = [parse(raw) for raw in configs()]
        parsed[preset] = {config.name: config for config in found}
        assert len(parsed[preset]) == len(found)
    return parsed


@pytest.fixture(scope="session")
def paper(presets):
    return presets["paper"]


@pytest.fixture(scope="session")
def ablations(presets):
    return presets["ablations"]
