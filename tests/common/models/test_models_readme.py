"""The table of models in the package's README says what the models are."""

from pathlib import Path

import torch

import common.models
from common.models import MODELS, build_model, model_names, prunable_parameters

README = Path(common.models.__file__).with_name("README.md")


def table():
    """Return the rows of the first table, as a dict of cells by column name."""
    lines = README.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| name |"))
    columns = [cell.strip() for cell in lines[start].strip("|").split("|")]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        rows.append(dict(zip(columns, cells, strict=True)))
    return rows


def number(text):
    return int(text.replace(",", ""))


def test_the_table_names_every_model_once():
    assert sorted(row["name"] for row in table()) == model_names()


def test_the_table_has_the_right_counts():
    for row in table():
        with torch.device("meta"):
            model = build_model(row["name"], num_classes=10, in_channels=number(row["channels"]))
        parameters = sum(p.numel() for p in model.parameters())
        prunable = sum(p.numel() for p in prunable_parameters(model).values())
        found = (row["name"], parameters, prunable)
        assert found == (row["name"], number(row["parameters"]), number(row["prunable"]))


def test_the_table_has_the_right_options_and_schemes():
    rows = {row["name"]: row for row in table()}
    for name, row in rows.items():
        options = row["options"]
        if options.startswith("as "):
            options = rows[options.removeprefix("as ").strip("`")]["options"]
        listed = [option.strip().strip("`") for option in options.split(",")]
        assert listed == list(MODELS[name].options), name
        assert row["default `init`"] == MODELS[name].init
