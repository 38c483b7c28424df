"""What would run, what is done, what is left: without running anything."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from common.config import RunConfig, config_hash
from common.pipeline import Context, RunPlan, distinct_phases, is_done


def run_status(record: Path) -> str:
    """Return ``done``, ``failed`` or ``left`` by a run's record."""
    try:
        status = json.loads(record.read_text(encoding="utf-8"))["status"]
    except (OSError, ValueError, KeyError):
        return "left"
    return "done" if status == "finished" else "failed"


def print_list(configs: list[RunConfig], context: Context) -> int:
    """Print a line a run, then the counts."""
    counts: Counter[str] = Counter()
    for config in configs:
        for seed in config.seeds:
            record = context.workspace.record(
                config.paper, config.experiment, config_hash(config), seed
            )
            status = run_status(record)
            counts[status] += 1
            print(f"{status:6}  {config.experiment:32}  {config.name}  seed {seed}")
    total = sum(counts.values())
    parts = ", ".join(f"{counts[status]} {status}" for status in ("done", "failed", "left"))
    print(f"{total} runs: {parts}")
    return 0


def print_dry_run(plans: list[RunPlan], context: Context) -> int:
    """Print the distinct phases that would be computed, and how many runs share them."""
    users = Counter(phase.identity for plan in plans for phase in plan.phases)
    phases = distinct_phases(plans)
    left = [phase for phase in phases.values() if not is_done(phase, context)]
    for phase in left:
        shared = users[phase.identity]
        note = f"  shared by {shared} runs" if shared > 1 else ""
        print(f"{phase.kind:9}  {phase.identity[:16]}  {phase.label} s{phase.setting.seed}{note}")
    print(
        f"{len(plans)} runs need {len(phases)} distinct phases; "
        f"{len(phases) - len(left)} are done, {len(left)} would be computed"
    )
    return 0
