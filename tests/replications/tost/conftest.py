"""Every run of the replication's configs, loaded once."""

import pytest

from common.config import load_configs
from replications.tost.methods import METHODS
from replications.tost.paper import PAPER


@pytest.fixture(scope="session")
def loaded():
    """Return the runs of every file, by preset and name of the file."""
    catalog = METHODS.catalog()
    found = {}
    for path in sorted((PAPER.reported.parent / "configs").glob("*/*.json")):
        found.setdefault(path.parent.name, {})[path.stem] = load_configs(path, catalog)
    return found
