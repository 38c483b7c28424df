"""Records, one JSON file a run: writing, checked reading, and the long-form frame.

``results/records/<paper>/<experiment>/<config-hash>-s<seed>.json`` holds one run.
"""

from __future__ import annotations

import gc
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from common.errors import UserError
from common.results.datasets import chance_percent
from common.results.derived import derived_metrics
from common.results.search import check_search, check_training
from common.results.spec import check_file_name

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
STATUSES = ("finished", "failed")
IDENTITY = ("paper", "experiment", "protocol", "method", "variant", "dataset", "architecture")
_REQUIRED: Mapping[str, type | tuple[type, ...]] = {
    "paper": str,
    "experiment": str,
    "protocol": str,
    "config": dict,
    "config_hash": str,
    "seed": int,
    "status": str,
    "metrics": dict,
    "ticket": dict,
    "timing": dict,
    "environment": dict,
    "dataset_fingerprint": dict,
}
RUN_ID_DIGITS = 16
OBJECT_COLUMNS = ("layer_densities", "search_curves", "selection_probability")
"""Frame columns that hold an object a run, not a value; they are for plots only."""

_MAY_BE_NULL_IF_FAILED = ("metrics", "ticket", "timing", "environment", "dataset_fingerprint")


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record so that a reader sees the old file or the new one, never half of one.

    The text is canonical (sorted keys, indent 1, newline at the end). Numbers that are not finite
    become null, for JSON has none. Where ``ticket`` has ``layer_densities`` but no
    ``layer_order``, the order of the former is kept there, since sorting the keys would lose it.

    Raises:
        UserError: the record misses something a reader needs.
    """
    complete = dict(record)
    ticket = complete.get("ticket")
    if isinstance(ticket, Mapping) and ticket.get("layer_densities"):
        complete["ticket"] = {"layer_order": list(ticket["layer_densities"]), **ticket}
    check_record(complete, str(path))
    text = json.dumps(_finite(complete), indent=1, sort_keys=True, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)  # mkstemp's own mode hides the record from other users
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the search for reference cycles: records have none, and are many small objects."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_no_collection()
def load_records(root: Path) -> list[dict[str, Any]]:
    """Read every record below ``root`` in the order of their paths; none if it is not there.

    Raises:
        UserError: a file is not JSON, misses a key or has another schema version.
    """
    return [read_record(path) for path in record_files(root)]


def record_files(root: Path) -> list[Path]:
    """Return the files of all records below ``root``, in the order of their paths."""
    return sorted((path for path in root.rglob("*.json") if path.name[0] != "."), key=str)


def read_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        UserError: the file is not JSON, misses a key or has another schema version.
    """
    try:
        record: dict[str, Any] = from_json(path.read_bytes(), allow_inf_nan=False)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"record {path}: cannot be read as JSON ({reason})") from error
    check_record(record, str(path))
    return record


def check_record(record: object, where: str) -> None:
    """Raise a UserError that starts with ``where`` unless the record has what readers need."""
    if not isinstance(record, Mapping):
        raise UserError(f"record {where}: must be a JSON object")
    if record.get("schema_version") != SCHEMA_VERSION:
        found = record.get("schema_version")
        raise UserError(
            f"record {where}: schema_version is {found!r}, this code reads {SCHEMA_VERSION}"
        )
    failed = record.get("status") == "failed"
    for key, kind in _REQUIRED.items():
        if key not in record:
            raise UserError(f"record {where}: key {key!r} is missing")
        if record[key] is None and failed and key in _MAY_BE_NULL_IF_FAILED:
            continue
        if not isinstance(record[key], kind) or isinstance(record[key], bool):
            raise UserError(f"record {where}: {key} has the wrong type ({record[key]!r:.60})")
    if record["status"] not in STATUSES:
        allowed = ", ".join(STATUSES)
        raise UserError(f"record {where}: status is {record['status']!r}, allowed: {allowed}")
    for key in ("paper", "experiment", "protocol"):
        check_file_name(f"record {where}: {key}", record[key])
    _check_config(record["config"], where)
    check_search(record.get("search"), where)
    check_training(record.get("training"), where)
    for name, value in (record["metrics"] or {}).items():
        if value is not None and not isinstance(value, (int, float)):
            raise UserError(f"record {where}: metrics.{name} is not a number ({value!r:.60})")
    if not failed and "test_accuracy" not in record["metrics"]:
        raise UserError(f"record {where}: key 'metrics.test_accuracy' is missing")


def _check_config(config: Mapping[str, Any], where: str) -> None:
    """Raise UserError unless the configuration names the run's place in tables."""
    for key in ("name", "method", "variant", "data.name", "model.name"):
        if not isinstance(_lookup(config, key), str):
            raise UserError(f"record {where}: config.{key} is missing or no text")
    target = _lookup(config, "find.sparsity")
    if target is not None and (isinstance(target, bool) or not isinstance(target, (int, float))):
        raise UserError(f"record {where}: config.find.sparsity is not a number ({target!r:.60})")


@_no_collection()
def records_frame(records: Sequence[Mapping[str, Any]], fields: Iterable[str] = ()) -> pd.DataFrame:
    """Return the runs in long form, one row a run, in an order that depends on them alone.

    Columns: paper, experiment, protocol, method, variant, dataset, architecture (``vgg19_x0.125``
    has an eighth of the widths of ``vgg19``), sparsity (the target; 0 for dense, NaN where the
    method finds its own), ticket_sparsity (what came out), seed, status, error, the metrics
    (percent for accuracies; a metric named as another column gets ``metric_`` in front) with those
    of :func:`common.results.derived.derived_metrics`, chance (percent), train_images, test_images,
    dataset_complete, dataset_note, collapsed (emptied layers), seconds, device, precision, commit,
    config_hash, run_id (the stem of the record's file), run (its name), finder, layer_densities
    (dict in network order), search_curves and selection_probability (the parts of the field
    ``search``, empty dicts where a record has none; see :mod:`common.results.search`), and the
    ``fields``.

    Args:
        records: as read by :func:`load_records`.
        fields: further columns of the form ``config.<dotted path>``.
    """
    import pandas as pd  # noqa: PLC0415 - writing a record must not cost its import

    fields = tuple(fields)
    rows = [_row(record, fields) for record in records]
    numbers = [derived_metrics(record) | (record["metrics"] or {}) for record in records]
    names = {name for values in numbers for name in values}
    base = [*_row(_EMPTY, fields)]
    metrics = {name: f"metric_{name}" if name in base else name for name in sorted(names)}
    for row, values in zip(rows, numbers, strict=True):
        for name, column in metrics.items():
            value = values.get(name)
            row[column] = math.nan if value is None else float(value)
    at = base.index("error") + 1
    frame = pd.DataFrame(rows, columns=[*base[:at], *metrics.values(), *base[at:]])
    numeric = ("sparsity", "ticket_sparsity", "chance", "train_images", "test_images", "seconds")
    kinds = {"seed": "int64", "collapsed": "int64", "dataset_complete": "bool"}
    frame = frame.astype(dict.fromkeys(numeric, "float64") | kinds)
    order = [*IDENTITY, "sparsity", "config_hash", "seed"]
    return frame.sort_values(order, ignore_index=True, kind="stable")


def run_id(config_hash: str, seed: int) -> str:
    """Return what names a run wherever files or pages are named after one."""
    return f"{config_hash[:RUN_ID_DIGITS]}-s{seed}"


def without_others_metrics(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of one paper's runs without metrics that only other papers' runs have."""
    columns = list(frame.columns)
    metrics = columns[columns.index("error") + 1 : columns.index("chance")]
    return frame.drop(columns=[name for name in metrics if bool(frame[name].isna().all())])


def _row(record: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """Return everything of a row but the metrics."""
    config, data = record["config"], record["dataset_fingerprint"] or {}
    ticket, environment = record["ticket"] or {}, record["environment"] or {}
    target = _lookup(config, "find.sparsity")
    if target is None and config["method"] == "dense":
        target = 0.0
    densities = ticket.get("layer_densities") or {}
    order = [name for name in ticket.get("layer_order") or densities if name in densities]
    dataset, search = config["data"]["name"], record.get("search") or {}
    return {
        "paper": record["paper"],
        "experiment": record["experiment"],
        "protocol": record["protocol"],
        "method": config["method"],
        "variant": config["variant"],
        "dataset": dataset,
        "architecture": _architecture(config["model"]),
        "sparsity": math.nan if target is None else round(float(target), 6),
        "ticket_sparsity": _number(ticket.get("sparsity")),
        "seed": record["seed"],
        "status": record["status"],
        "error": " ".join(str(record.get("error") or "").split()),
        "chance": chance_percent(dataset, data),
        "train_images": _number(data.get("train_images")),
        "test_images": _number(data.get("test_images")),
        "dataset_complete": data.get("complete") is not False,
        "dataset_note": str(data.get("note") or ""),
        "collapsed": len(ticket.get("collapsed_layers") or ()),
        "seconds": _number((record["timing"] or {}).get("total_seconds")),
        "device": str(environment.get("gpu") or environment.get("device") or ""),
        "precision": str(environment.get("precision") or ""),
        "commit": str(record.get("commit") or ""),
        "config_hash": record["config_hash"],
        "run_id": run_id(record["config_hash"], record["seed"]),
        "run": config["name"],
        "finder": str(_lookup(config, "find.name") or ""),
        "layer_densities": {name: densities[name] for name in order},
        "search_curves": search.get("curves") or {},
        "selection_probability": search.get("selection_probability") or {},
        **{name: _plain(_lookup(config, name.removeprefix("config."))) for name in fields},
    }


_EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(_REQUIRED, ""),
    "config": {
        "name": "",
        "method": "",
        "variant": "",
        "data": {"name": ""},
        "model": {"name": ""},
    },
}


def _lookup(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None."""
    value: Any = config
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _architecture(model: Mapping[str, Any]) -> str:
    """Return a network's name; one of other widths is not the network of that name."""
    factor = model.get("width_mult", 1)
    return str(model["name"]) if factor == 1 else f"{model['name']}_x{factor:g}"


def _number(value: Any) -> float:
    """Return a float, NaN for null."""
    return math.nan if value is None else float(value)


def _plain(value: Any) -> Any:
    """Return something a frame can group by."""
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else value


def _finite(value: Any) -> Any:
    """Return the value with every number that is not finite replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
