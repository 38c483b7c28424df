"""From a JSON file and dotted overrides to a validated run config.

A config may say some things in a second way, for which :func:`spelled_out` puts the first one:
``sparsity`` for ``find.sparsity``; ``data.batch_size`` for ``train.batch_size`` and for the batch
size of every training that the finder itself runs; ``find.name: "load"`` for ``"ticket_file"``;
``model.scale_fan: false`` for nothing; ``find.rate`` for ``find.fraction_per_round``;
``find.rewind_epoch`` of iterative pruning for the section ``find.rewind`` of late resetting;
``transfer.target`` for ``data.name``; ``transfer.source: "cifar100"`` for a section that is
otherwise the target's. It comes before the validation, so that a run is the same
run, with the same hash, in either spelling.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from common.config.catalog import Catalog
from common.config.identity import config_hash
from common.config.schema import FindOptions, RunConfig, TrainConfig
from common.errors import UserError

SECOND_SPELLINGS = {
    "sparsity": "find.sparsity",
    "find.rate": "find.fraction_per_round",
    "find.rewind_epoch": "find.rewind",
    "transfer.target": "data.name",
}
"""The second spellings that stand for one place each."""


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


def spelled_out(raw: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return a raw config in which every second spelling is replaced by the first one.

    Raises:
        UserError: both spellings are there and differ, or ``model.scale_fan`` is not false.
    """
    result = copy.deepcopy(raw)
    find, model, data, transfer = (result.get(n) for n in ("find", "model", "data", "transfer"))
    if isinstance(find, dict) and find.get("name") == "load" and "load" not in catalog.finders:
        find["name"] = "ticket_file"
    if isinstance(model, dict) and model.pop("scale_fan", False) is not False:
        raise UserError(
            "model.scale_fan: only false is known here; a factor on the fans of the initial "
            'weights is model.init_options.fan_scale, such as {"fan_scale": 0.5}'
        )
    if isinstance(find, dict) and "rate" in find:
        _put(result, "find.rate", find.pop("rate"), ["find.fraction_per_round"])
    if isinstance(find, dict) and "rewind_epoch" in find and find.get("name") == "imp":
        _put(result, "find.rewind_epoch", _late(find.pop("rewind_epoch")), ["find.rewind"])
    if isinstance(transfer, dict) and "target" in transfer:
        _put(result, "transfer.target", transfer.pop("target"), ["data.name"])
    if isinstance(transfer, dict) and isinstance(transfer.get("source"), str):
        here = result["data"] if isinstance(result.get("data"), dict) else {}
        same = {key: value for key, value in here.items() if key != "batch_size"}
        transfer["source"] = {**same, "name": transfer["source"]}
    if "sparsity" in result:
        _put(result, "sparsity", result.pop("sparsity"), ["find.sparsity"])
    if isinstance(data, dict) and "batch_size" in data:
        _put(result, "data.batch_size", data.pop("batch_size"), _batch_sizes(result, catalog))
    return result


def _late(epoch: object) -> object:
    """Return the section ``find.rewind`` of late resetting to the end of an epoch, from 1.

    Epoch 0 are the weights before any training; what is no count is left to the validation.
    """
    if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
        return {"to": "epoch", "epoch": epoch}
    if epoch == 0:
        return {"to": "init", "scope": "all"}
    return {"to": "epoch", "epoch": epoch - 1, "scope": "all", "restart": True}


def _put(config: dict[str, Any], spelling: str, value: Any, paths: Iterable[str]) -> None:
    """Put a value where it belongs; a section that is not there is left to the validation."""
    for path in paths:
        *sections, key = path.split(".")
        place: Any = config
        for section in sections:
            place = place.setdefault(section, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            continue
        found = place.setdefault(key, value)
        if found != value or isinstance(found, bool) != isinstance(value, bool):
            raise UserError(
                f"{spelling}: {value!r}, but {path} is {found!r}; they are one thing, so give one"
            )


def _batch_sizes(config: dict[str, Any], catalog: Catalog) -> list[str]:
    """Return the paths that ``data.batch_size`` stands for: of all trainings of the run."""
    paths = ["train.batch_size"] if isinstance(config.get("train"), dict) else []
    find = config.get("find")
    if not isinstance(find, dict):
        return paths
    name = str(find.get("name"))
    plain = name.lower().replace("-", "_")
    options = catalog.finders.get(name, catalog.finders.get(plain))
    for section, always in _recipes(options):
        # A mask search takes the keys of its recipe beside the finder's own, too.
        if section == "search" and "batch_size" in find:
            paths.append("find.batch_size")
        elif find.get(section) is not None or (always and section not in find):
            paths.append(f"find.{section}.batch_size")
    return paths


def _recipes(options: type[FindOptions] | None) -> Iterator[tuple[str, bool]]:
    """Yield the sections of a finder that are recipes, and whether each is there by default."""
    for name, field in {} if options is None else options.model_fields.items():
        kinds = get_args(field.annotation) or (field.annotation,)
        if any(isinstance(kind, type) and issubclass(kind, TrainConfig) for kind in kinds):
            yield name, isinstance(field.default, TrainConfig)


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
        raw = _without_replaced(spelled, settings, catalog)
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


def _without_replaced(
    raw: dict[str, Any], settings: Iterable[str], catalog: Catalog
) -> dict[str, Any]:
    """Remove from a file's config what settings in the second spelling replace."""
    given = {setting.partition("=")[0].strip() for setting in settings}
    replaced = [first for second, first in SECOND_SPELLINGS.items() if second in given]
    if "data.batch_size" in given:
        replaced += _batch_sizes(raw, catalog)
    for path in replaced:
        *sections, key = path.split(".")
        place: Any = raw
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(key, None)
    return raw
