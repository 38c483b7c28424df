"""Second spellings of a config, and the first ones that they stand for.

A config may say some things in a second way, for which :func:`spelled_out` puts the first one:
``sparsity`` for ``find.sparsity``; ``data.batch_size`` for ``train.batch_size`` and for the batch
size of every training that the finder itself runs; ``find.name: "load"`` for ``"ticket_file"``;
``model.scale_fan: false`` for nothing; ``find.rate`` for ``find.fraction_per_round``;
``find.rewind_epoch`` of iterative pruning for the section ``find.rewind`` of late resetting;
``transfer.target`` for ``data.name``; ``transfer.source: "cifar100"`` for a section that is
otherwise the target's; in a recipe ``label_smoothing: {"alpha": 0.1, "form": "exclude_target"}``
for two fields, a trick that says ``"enabled": false`` for none, and ``soft_activation: "relu"`` for
none, too. It comes before the validation, so that a run is the same
run, with the same hash, in either spelling.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from common.config.catalog import Catalog
from common.config.recipe import TrainConfig
from common.config.schema import FindOptions
from common.errors import UserError, unknown_name

SECOND_SPELLINGS = {
    "sparsity": "find.sparsity",
    "find.rate": "find.fraction_per_round",
    "find.rewind_epoch": "find.rewind",
    "transfer.target": "data.name",
}
"""The second spellings that stand for one place each."""


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
    for where, section in _recipes_of(result):
        _spell_tricks(where, section)
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


TRICKS = ("soft_activation", "ghost_skip", "lrsi")


def _recipes_of(run: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the path and value of every section that may be a recipe."""
    yield "train", run.get("train")
    find = run.get("find")
    for name, value in find.items() if isinstance(find, dict) else ():
        yield f"find.{name}", value


def _spell_tricks(where: str, recipe: object) -> None:
    """Put a recipe's tricks in their first spelling, in place."""
    if not isinstance(recipe, dict):
        return
    if isinstance(recipe.get("label_smoothing"), dict):
        _spell_smoothing(f"{where}.label_smoothing", recipe, recipe["label_smoothing"])
    soft = recipe.get("soft_activation")
    if isinstance(soft, str):
        recipe["soft_activation"] = {"name": soft}
    for name in TRICKS:
        trick = recipe.get(name)
        if isinstance(trick, dict) and isinstance(trick.get("enabled"), bool):
            on = trick.pop("enabled")
            recipe[name] = trick if on else None
    soft = recipe.get("soft_activation")
    if isinstance(soft, dict) and soft.get("name") == "relu":
        recipe["soft_activation"] = None


def _spell_smoothing(where: str, recipe: dict[str, Any], section: dict[str, Any]) -> None:
    """Put the section ``label_smoothing`` into the recipe's two fields."""
    for key in section:
        if key not in ("alpha", "form", "enabled"):
            raise unknown_name(where, str(key), ("alpha", "form", "enabled"))
    if section.get("enabled") is False:
        recipe["label_smoothing"] = 0.0
        recipe.pop("smoothing_form", None)
        return
    form = section.get("form", "exclude_target")
    recipe["label_smoothing"] = section.get("alpha", 0.1)
    if recipe.setdefault("smoothing_form", form) != form:
        raise UserError(
            f"{where}.form: {form!r}, but smoothing_form is "
            f"{recipe['smoothing_form']!r}; they are one thing, so give one"
        )


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


def _is_0(text: str) -> bool:
    """Tell whether a setting's value is the number 0."""
    try:
        return float(text) == 0
    except ValueError:
        return False


def without_replaced(
    raw: dict[str, Any], settings: Iterable[str], catalog: Catalog
) -> dict[str, Any]:
    """Remove from a file's config what settings in the second spelling replace."""
    given = {setting.partition("=")[0].strip() for setting in settings}
    replaced = [first for second, first in SECOND_SPELLINGS.items() if second in given]
    if "data.batch_size" in given:
        replaced += _batch_sizes(raw, catalog)
    for setting in settings:
        path, _, value = setting.partition("=")
        if path.strip().endswith("label_smoothing") and (value.strip()[:1] == "{" or _is_0(value)):
            replaced.append(path.strip().removesuffix("label_smoothing") + "smoothing_form")
    for path in replaced:
        *sections, key = path.split(".")
        place: Any = raw
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(key, None)
    return raw
