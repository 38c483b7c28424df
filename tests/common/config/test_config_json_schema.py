"""The JSON schema that editors read agrees with what the parser accepts."""

import copy

import jsonschema
import pytest

from common.launch.schema import config_schema


@pytest.fixture(scope="module")
def validator(catalog):
    schema = config_schema(catalog)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_a_full_config_is_valid_also_with_all_defaults_written_out(validator, full, parse):
    validator.validate({"$schema": "../schema.json", **full})
    validator.validate(parse().model_dump(mode="json"))


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), "experimnt", "x"),
        (("data",), "augmnet", None),
        (("data", "augment"), "horizontl_flip", True),
        (("find",), "sparsty", 0.5),
        (("find", "pretrain"), "epoch", 1),
        (("transform", 1), "scop", "all"),
        (("train",), "learning_rate", 0.1),
        ((), "precision", "float16"),
        (("data", "augment"), "horizontal_flip", "yes"),
        (("find",), "sparsity", 1.5),
        (("find",), "name", "hybird"),
        (("transform", 1), "name", "layerwise_rearange"),
        (("train",), "batch_size", 0),
        (("train",), "lr", "0.1"),
    ],
)
def test_what_the_parser_refuses_the_editor_marks(validator, full, path, key, value):
    raw = copy.deepcopy(full)
    place = raw
    for step in path:
        place = place[step]
    place[key] = value
    assert not validator.is_valid(raw)


@pytest.mark.parametrize("key", ["paper", "name", "data", "model", "find", "train"])
def test_missing_keys_are_marked(validator, full, key):
    del full[key]
    assert not validator.is_valid(full)


def test_every_finder_and_transform_is_offered(validator, catalog):
    definitions = validator.schema["$defs"]

    def names(section):
        references = [entry["$ref"] for entry in section["oneOf"] if "$ref" in entry]
        found = (definitions[reference.rpartition("/")[2]] for reference in references)
        return {entry["properties"]["name"]["const"] for entry in found}

    properties = validator.schema["properties"]
    assert names(properties["find"]) == set(catalog.finders)
    assert names(properties["transform"]["items"]) == set(catalog.transforms)
