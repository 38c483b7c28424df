"""The configs of the replication whose tests are run, parsed once."""

import functools
import importlib

import pytest

from common.config import RunConfig, parse_config
from common.launch.discovery import load_methods


@functools.cache
def parsed(paper: str) -> dict[str, dict[str, RunConfig]]:
    """Return all runs of every preset of a paper, by the name of the run."""
    catalog = load_methods(paper).catalog()
    found: dict[str, dict[str, RunConfig]] = {}
    for preset, configs in importlib.import_module(
        f"replications.{paper}.experiments"
    ).PRESETS.items():
        runs = [{k: v for k, v in raw.items() if k != "$schema"} for raw in configs()]
        found[preset] = {run["name"]: parse_config(run, catalog, run["name"]) for run in runs}
        assert len(found[preset]) == len(runs), "two runs of a preset have one name"
    return found


@pytest.fixture(scope="module")
def presets(request):
    """All runs of every preset, by the name of the run; the paper is the test's folder."""
    return parsed(request.path.parent.name)


@pytest.fixture(scope="module")
def paper(presets):
    return presets["paper"]


@pytest.fixture(scope="module")
def paper_su(presets):
    return presets["paper_su"]


@pytest.fixture(scope="module")
def ablations(presets):
    return presets["ablations"]
