"""The runs of the study's presets, by finder, check, recipe, data set and sparsity."""

import pytest

from common.config import load_configs
from common.launch.discovery import preset_configs
from replications.cross_paper.grid import RECIPES, experiment
from replications.cross_paper.methods import METHODS


@pytest.fixture(scope="session")
def grid():
    """Return a function that reads a preset: (finder, check, recipe, data, sparsity) -> run."""
    recipes = {experiment(recipe): recipe for recipe in RECIPES}
    read = {}

    def load(preset):
        if preset not in read:
            catalog = METHODS.catalog()
            runs = [
                run
                for path in preset_configs("cross_paper", preset)
                for run in load_configs(path, catalog)
            ]
            read[preset] = {
                (r.method, r.variant, recipes[r.experiment], r.data.name, r.find.sparsity): r
                for r in runs
            }
            assert len(read[preset]) == len(runs)
        return read[preset]

    return load
