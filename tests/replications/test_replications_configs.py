"""What holds for the config files of every replication."""

import json

import jsonschema
import pytest

from common.config import load_configs
from common.launch.config_files import paper_config_files
from common.launch.discovery import REPLICATIONS, load_methods, paper_names

PAPERS = pytest.mark.parametrize("paper", paper_names())


@PAPERS
def test_the_files_on_disk_are_those_the_experiments_make(paper):
    made = paper_config_files(paper)
    assert {*(REPLICATIONS / paper / "configs").rglob("*.json")} == set(made)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, path.name


@PAPERS
def test_every_file_is_valid_for_the_program_and_for_an_editor_and_called_as_its_runs(paper):
    folder = REPLICATIONS / paper / "configs"
    validator = jsonschema.Draft202012Validator(json.loads((folder / "schema.json").read_text()))
    catalog = load_methods(paper).catalog()
    for path in sorted(folder.glob("*/*.json")):
        text = json.loads(path.read_text(encoding="utf-8"))
        assert text["$schema"] == "../schema.json"
        validator.validate(text)
        assert text["name"].replace("-", "_") == path.stem
        for config in load_configs(path, catalog):
            assert config.paper == paper
            assert config.name.startswith(text["name"])
