"""What would run, what is done, what is left: without running anything."""

from __future__ import annotations

import json
from collections import Counter

from common.config import RunConfig, config_hash
from common.pipeline import Context, RunPlan, distinct_phases, is_done

STATES = ("done", "recorded", "failed", "left")


def run_status(config: RunConfig, seed: int, context: Context) -> str:
    """Return how far a run is.

    ``done``: finished here; ``recorded``: its record came from elsewhere, with the repository
    say, and running it here computes it anew; ``failed``: its record says why; ``left``: not
    finished yet.
    """
    key = config_hash(config)
    record = context.workspace.record(config.paper, config.experiment, key, seed)
    try:
        status = json.loads(record.read_text(encoding="utf-8"))["status"]
    except (OSError, ValueError, KeyError):
        return "left"
    if status != "finished":
        return "failed"
    done = context.workspace.run(config.paper, config.name, key, seed).done
    return "done" if done.exists() else "recorded"


def print_list(configs: list[RunConfig], context: Context) -> int:
    """Print a line a run, then the counts."""
    counts: Counter[str] = Counter()
    for config in configs:
        for seed in config.seeds:
            status = run_status(config, seed, context)
            counts[status] += 1
            print(f"{status:8}  {config.experiment:32}  {config.name}  seed {seed}")
    total = sum(counts.values())
    parts = ", ".join(f"{counts[status]} {status}" for status in STATES)
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
