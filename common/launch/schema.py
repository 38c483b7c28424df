"""The JSON schema of a config, with the options of every finder and transform filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.config import Catalog, FindOptions, RunConfig, TransformOptions


def config_schema(catalog: Catalog) -> dict[str, Any]:
    """Return a schema that lets an editor complete and check the keys of a config."""
    schema = RunConfig.model_json_schema()
    definitions = schema["$defs"]
    schema["properties"]["find"] = _one_of(catalog.finders, definitions)
    entry = _one_of(catalog.transforms, definitions)
    entry["oneOf"].append({"type": "string", "enum": sorted(catalog.transforms)})
    schema["properties"]["transform"] = {"type": "array", "items": entry, "default": []}
    schema["properties"]["sweep"] = {
        "type": "object",
        "description": "values by dotted key: the file stands for a run of each",
        "additionalProperties": {"type": "array", "minItems": 1},
    }
    schema["properties"]["$schema"] = {"type": "string"}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "A run of the lottery-ticket workbench"
    return schema


def _one_of(
    classes: Mapping[str, type[FindOptions]] | Mapping[str, type[TransformOptions]],
    definitions: dict[str, Any],
) -> dict[str, Any]:
    choices = []
    for name, options in sorted(classes.items()):
        own = options.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(own.pop("$defs", {}))
        own["properties"]["name"] = {"const": name}
        # A sweep may give the sparsity.
        own["required"] = sorted({*own.get("required", []), "name"} - {"sparsity"})
        definitions[options.__name__] = own
        choices.append({"$ref": f"#/$defs/{options.__name__}"})
    return {"oneOf": choices}
