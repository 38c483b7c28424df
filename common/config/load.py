"""From a JSON file and dotted overrides to a validated run config."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.config.catalog import Catalog
from common.config.schema import RunConfig
from common.errors import UserError


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; ``UserError`` names the file and the place of a mistake."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"config {path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"config {path}: cannot be read ({error})") from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"config {path}: not valid JSON at line {error.lineno}, column {error.colno}: "
            f"{error.msg}"
        ) from None
    if not isinstance(value, dict):
        raise UserError(f"config {path}: must be a JSON object, found {type(value).__name__}")
    value.pop("$schema", None)
    return value


def apply_overrides(config: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of a raw config with ``a.b=value`` settings applied.

    A value is read as JSON where it is valid JSON and as a plain string otherwise. Numbers in the
    path index lists: ``transform.0.name=reinitialise``.

    Raises:
        UserError: the setting has no ``=``, or its path runs through a plain value.
    """
    result = copy.deepcopy(config)
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path.strip():
            raise UserError(f"--set {override!r}: expected the form section.key=value")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        _assign(result, path.strip().split("."), value, override)
    return result


def _assign(config: dict[str, Any], keys: list[str], value: Any, override: str) -> None:
    place: Any = config
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(place, list):
            if not key.isdigit() or int(key) >= len(place):
                where = ".".join(keys[:depth])
                raise UserError(
                    f"--set {override!r}: {where} is a list of {len(place)} entries, "
                    f"{key!r} is no index of it"
                )
            index: Any = int(key)
        elif isinstance(place, dict):
            index = key
            if not last and place.get(key) is None:
                place[key] = {}
        else:
            where = ".".join(keys[:depth])
            raise UserError(f"--set {override!r}: {where} is {place!r} and has no keys")
        if last:
            place[index] = value
        else:
            place = place[index]


def parse_config(raw: dict[str, Any], catalog: Catalog, source: str = "config") -> RunConfig:
    """Validate a raw config.

    Args:
        raw: the JSON object.
        catalog: the finders, transforms, models and data sets it may name.
        source: what to call it in an error, such as its path.

    Raises:
        UserError: one line with the field's path, the value and what is allowed.
    """
    try:
        return RunConfig.model_validate(raw, context={"catalog": catalog})
    except ValidationError as error:
        raise UserError(f"{source}: {describe(error)}") from None
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def describe(error: ValidationError) -> str:
    """Put the first mistake that pydantic found into one line, and count the others."""
    mistakes = error.errors(include_url=False)
    first = mistakes[0]
    path = ".".join(str(part) for part in first["loc"] if not _is_branch(part))
    message = first["msg"]
    message = message[0].lower() + message[1:]
    if first["type"] == "missing":
        text = f"{path}: key is missing"
    elif first["type"] == "refused":
        text = f"{path}: {message}" if path else message
    else:
        text = f"{path}: {message}, found {first['input']!r}"
    more = len(mistakes) - 1
    return text + (f" (and {more} more mistake{'s' if more > 1 else ''})" if more else "")


def _is_branch(part: int | str) -> bool:
    """Tell whether a location is pydantic's name for a branch of a union, not a key."""
    return isinstance(part, str) and ("[" in part or "-" in part or part in {"int", "float"})


def load_config(path: Path, catalog: Catalog, overrides: Iterable[str] = ()) -> RunConfig:
    """Read, override and validate a config file."""
    return parse_config(apply_overrides(read_json(path), overrides), catalog, str(path))
