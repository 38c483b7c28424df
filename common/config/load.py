"""From a JSON file and dotted overrides to a validated run config."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.config.catalog import Catalog
from common.config.identity import config_hash
from common.config.schema import RunConfig
from common.config.spellings import SECOND_SPELLINGS, spelled_out, without_replaced
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


def _assign(
    config: dict[str, Any], keys: list[str], value: Any, override: str, origin: str = ""
) -> None:
    source = origin or f"--set {override!r}"
    place: Any = config
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(place, list):
            if not key.isdigit() or int(key) >= len(place):
                where = ".".join(keys[:depth])
                raise UserError(
                    f"{source}: {where} is a list of {len(place)} entries, "
                    f"{key!r} is no index of it"
                )
            index: Any = int(key)
        elif isinstance(place, dict):
            index = key
            if not last and place.get(key) is None:
                place[key] = {}
        else:
            where = ".".join(keys[:depth])
            raise UserError(f"{source}: {where} is {place!r} and has no keys")
        if last:
            place[index] = value
        else:
            place = place[index]


def parse_config(raw: dict[str, Any], catalog: Catalog, source: str = "config") -> RunConfig:
    """Validate a raw config, in whichever of the spellings above.

    Args:
        raw: the JSON object; it is left as it is.
        catalog: the finders, transforms, models and data sets it may name.
        source: what to call it in an error, such as its path.

    Raises:
        UserError: one line with the field's path, the value and what is allowed.
    """
    try:
        return RunConfig.model_validate(spelled_out(raw, catalog), context={"catalog": catalog})
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
    """Read, override and validate a config file that holds one run.

    A setting replaces what the file says in either spelling; two settings that contradict each
    other in two spellings are refused.
    """
    runs = load_configs(path, catalog, overrides)
    if len(runs) > 1:
        raise UserError(f"{path}: holds {len(runs)} runs (sweep), where one is expected")
    return runs[0]


def _overridden(
    raw: dict[str, Any], settings: list[str], catalog: Catalog, path: Path
) -> RunConfig:
    if settings:
        spelled = _in_file(raw, catalog, path)
        transfer = raw.get("transfer")
        name = transfer.get("source") if isinstance(transfer, dict) else None
        inside = any(setting.startswith("transfer.source.") for setting in settings)
        if isinstance(name, str) and not inside:
            # A source that is just a name follows what the settings make of the target.
            spelled["transfer"]["source"] = name
        raw = without_replaced(spelled, settings, catalog)
    return parse_config(apply_overrides(raw, settings), catalog, str(path))


def load_configs(path: Path, catalog: Catalog, overrides: Iterable[str] = ()) -> list[RunConfig]:
    """Read, override and validate all runs of a config file.

    A file may hold many runs that differ in few values: ``"sweep": {"find.sparsity": [0, 0.2]}``
    stands for two runs, whose names end in their values. A setting of a swept value takes the place
    of the sweep.
    """
    settings = list(overrides)
    raw = read_json(path)
    sweep = raw.pop("sweep", {})
    axes = _axes(sweep, path)
    given = {setting.partition("=")[0].strip() for setting in settings}
    given |= {first for second, first in SECOND_SPELLINGS.items() if second in given}
    given |= {second for second, first in SECOND_SPELLINGS.items() if first in given}
    settled = {key for key in axes if any(f"{key}.".startswith(f"{name}.") for name in given)}
    axes = {key: values[:1] if key in settled else values for key, values in axes.items()}
    runs = []
    for values in itertools.product(*(axes[key] for key in axes)):
        one = copy.deepcopy(raw)
        for key, value in zip(axes, values, strict=True):
            _assign(one, key.split("."), value, f"{key}={value}", f"{path}: sweep.{key}")
        swept = [
            re.sub(r"[^A-Za-z0-9_.+-]+", "-", str(value)).strip("-") or "none"
            for key, value in zip(axes, values, strict=True)
            if key not in settled
        ]
        if isinstance(one.get("name"), str):
            one["name"] = "_".join([one["name"], *swept])
        runs.append(_overridden(one, settings, catalog, path))
    return list({(run.name, config_hash(run), run.seeds): run for run in runs}.values())


def _axes(sweep: Any, path: Path) -> dict[str, list[Any]]:
    if not isinstance(sweep, dict):
        raise UserError(f"{path}: sweep must be an object, found {type(sweep).__name__}")
    for key, values in sweep.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{path}: sweep.{key} must be a list of one or more values")
    return sweep


def _in_file(raw: dict[str, Any], catalog: Catalog, path: Path) -> dict[str, Any]:
    try:
        return spelled_out(raw, catalog)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
