"""From the finished phases of a run to its record and its run directory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from common.config import config_hash
from common.pipeline.compute import is_done, phase_paths, read_result
from common.pipeline.context import Context
from common.pipeline.phase import Phase, RunPlan
from common.results.records import write_record
from common.tickets import Ticket
from common.tickets.files import WEIGHTS_FILES, link_file
from common.tickets.ticket import link_ticket
from common.tracking import RunPaths, commit, describe_environment, read_metrics
from common.training import write_atomically

RECORD_VERSION = 1
CURVE_DECIMALS = 6
SEARCH_ROLES = ("pretrain", "find")


def record_path(plan: RunPlan, context: Context) -> Path:
    """Return the file of a run's record."""
    config = plan.config
    return context.workspace.record(config.paper, config.experiment, config_hash(config), plan.seed)


def run_paths(plan: RunPlan, context: Context) -> RunPaths:
    """Return the files of a run."""
    config = plan.config
    return context.workspace.run(config.paper, config.name, config_hash(config), plan.seed)


def begin_run(plan: RunPlan, context: Context) -> None:
    """Write down what a run is going to be: its config and its phases."""
    paths = run_paths(plan, context)
    _write_json(paths.config, plan.config.model_dump(mode="json"))
    phases = [
        {
            "kind": phase.kind,
            "identity": phase.identity,
            "folder": os.path.relpath(phase_paths(phase, context).root, paths.root),
        }
        for phase in plan.phases
    ]
    _write_json(paths.phases, {"phases": phases})


def finish_run(plan: RunPlan, context: Context) -> dict[str, Any]:
    """Gather a finished run's files, write its record and return it."""
    paths = run_paths(plan, context)
    rows = [
        {"phase": phase.kind, "label": phase.label, **row}
        for phase in plan.phases
        for row in read_metrics(phase_paths(phase, context).metrics)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    write_atomically(paths.metrics, text.encode())
    if plan.ticket is not None:
        for old in paths.root.glob(WEIGHTS_FILES):  # of a ticket that was here before
            old.unlink()
        link_ticket(phase_paths(plan.ticket, context).ticket, paths.ticket)
    link_file(phase_paths(plan.train, context).final, paths.checkpoint)
    record = _record(plan, context, status="finished", error=None)
    _write_json(paths.environment, record["environment"])
    write_record(record_path(plan, context), record)
    write_atomically(paths.done, b"")
    return record


def fail_run(plan: RunPlan, context: Context, error: str) -> None:
    """Write the record of a run that cannot be finished, with the reason."""
    write_record(record_path(plan, context), _record(plan, context, status="failed", error=error))


def _record(plan: RunPlan, context: Context, *, status: str, error: str | None) -> dict[str, Any]:
    results = {
        phase.identity: read_result(phase, context)
        for phase in plan.phases
        if is_done(phase, context)
    }
    precision = context.precision(plan.config.precision)
    environment = describe_environment(context.torch_device, precision)
    train = results.get(plan.train.identity)
    if train is not None:
        environment = train["environment"]
    ticket = None if plan.ticket is None else results.get(plan.ticket.identity)
    dataset = context.dataset(plan.config.data.name, stream=plan.config.data.stream)
    metrics: dict[str, Any] = {}
    search = None
    for phase in plan.phases:
        result = results.get(phase.identity, {})
        if phase.kind == "find":
            metrics |= result["metrics"] if result else {}
            search = result.get("search") or search
    if train is not None:
        metrics |= train["metrics"]
        metrics |= _before_training(plan, results, metrics)
    record = {
        "schema_version": RECORD_VERSION,
        "paper": plan.config.paper,
        "experiment": plan.config.experiment,
        "protocol": plan.config.protocol,
        "config": plan.config.model_dump(mode="json", exclude={"seeds"}),
        "config_hash": config_hash(plan.config),
        "seed": plan.seed,
        "status": status,
        "error": error,
        "metrics": metrics,
        "ticket": Ticket({}, {}).report() if ticket is None else ticket["ticket"],
        "timing": _timing(plan, results),
        "environment": environment,
        "dataset_fingerprint": dict(dataset.fingerprint),
        "commit": commit(),
    }
    source = None if plan.config.transfer is None else plan.config.transfer.source
    if source is not None:
        there = context.dataset(source.name, stream=source.stream)
        record["source_fingerprint"] = dict(there.fingerprint)
    if train is not None and train["history"]:
        record["training"] = training_curves(train["history"])
    return record if search is None else record | {"search": search}


def training_curves(history: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the rows of a training's epochs as one list a metric (see ``common.results.search``).

    Seconds are left out: equal runs have equal curves.
    """
    names = sorted({name for row in history for name in row} - {"epoch", "seconds"})
    curves: dict[str, list[Any]] = {"epoch": [row["epoch"] + 1 for row in history]}
    for name in names:
        curves[name] = [_rounded(row.get(name)) for row in history]
    return curves


def _rounded(value: Any) -> Any:
    return round(value, CURVE_DECIMALS) if isinstance(value, float) else value


def _before_training(
    plan: RunPlan, results: dict[str, dict[str, Any]], metrics: dict[str, Any]
) -> dict[str, Any]:
    """Return how many epochs a ticket took, and how accurate it was before it was trained.

    The accuracy is that of the network of the search where the ticket is as a search left it, else
    that of the ticket itself.
    """
    if plan.ticket is None:
        return {}
    found: dict[str, Any] = {}
    as_searched = None if plan.config.transform else metrics.get("searched_test_accuracy")
    accuracy = metrics.get("start_test_accuracy") if as_searched is None else as_searched
    if accuracy is not None:
        found["prefinetune_test_accuracy"] = accuracy
    before = [phase for phase in plan.phases if phase.role in SEARCH_ROLES]
    trained = sum(len(results[phase.identity].get("history", [])) for phase in before)
    # A search that selected an earlier epoch says itself how many epochs it ran.
    found["search_epochs"] = trained + metrics.get("search_epochs", 0)
    return found


def _timing(plan: RunPlan, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the measured seconds of every phase, of all, and of those that made the ticket."""
    done = {phase: results[phase.identity] for phase in plan.phases if phase.identity in results}
    timing = {
        "total_seconds": sum(result["seconds"] for result in done.values()),
        "phases": {_phase_name(plan, phase): result["seconds"] for phase, result in done.items()},
    }
    if plan.ticket is not None:
        search = [r["seconds"] for phase, r in done.items() if phase.role in SEARCH_ROLES]
        timing["search_seconds"] = sum(search)
    return timing


def _phase_name(plan: RunPlan, phase: Phase) -> str:
    return f"{plan.phases.index(phase)}_{phase.kind}"


def _write_json(path: Path, value: Any) -> None:
    write_atomically(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())
