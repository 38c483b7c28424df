"""Compute the distinct phases of many runs, in this process or in several."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from filelock import FileLock

from common.launch.listing import run_status
from common.launch.workers import Outcome, WorkerPool, attempt
from common.pipeline import (
    Context,
    Phase,
    RunPlan,
    begin_run,
    compute_phase,
    distinct_phases,
    fail_run,
    finish_run,
    is_done,
    phase_paths,
    record_path,
    run_paths,
)


@dataclass
class Progress:
    """Which runs still wait for which phases."""

    plans: list[RunPlan]
    context: Context
    started: float = field(default_factory=time.monotonic)
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    failures: int = 0

    def phase_done(self, phase: Phase) -> None:
        """Note a finished phase and finish the runs that it completes."""
        self.done.add(phase.identity)
        self.close_runs()

    def phase_failed(self, phase: Phase, reason: str) -> None:
        """Note a failed phase and fail the runs that need it."""
        self.failed[phase.identity] = reason
        self.close_runs()

    def close_runs(self) -> None:
        """Write the records of all runs that are complete or lost."""
        for index, plan in enumerate(self.plans):
            if index in self.closed:
                continue
            identities = [phase.identity for phase in plan.phases]
            broken = next((self.failed[key] for key in identities if key in self.failed), None)
            if broken is not None:
                fail_run(plan, self.context, broken)
                self.failures += 1
                self._close(index, f"FAILED: {broken}")
            elif all(key in self.done for key in identities):
                self._close(index, _finish(plan, self.context))

    def _close(self, index: int, text: str) -> None:
        self.closed.add(index)
        plan = self.plans[index]
        seconds = time.monotonic() - self.started
        print(
            f"[{len(self.closed)}/{len(self.plans)}] {plan.config.name} seed {plan.seed}: {text} "
            f"({seconds:.0f} s)",
            flush=True,
        )


def _finish(plan: RunPlan, context: Context) -> str:
    paths = run_paths(plan, context)
    paths.root.mkdir(parents=True, exist_ok=True)
    with FileLock(paths.root / ".lock"):
        record = finish_run(plan, context)
    accuracy = record["metrics"].get("test_accuracy")
    ticket = record["ticket"]
    parts = [] if accuracy is None else [f"test accuracy {accuracy:.2f} %"]
    if ticket is not None:
        parts.append(f"sparsity {ticket['sparsity']:.4f}")
        if ticket["collapsed_layers"]:
            parts.append(f"{len(ticket['collapsed_layers'])} layers emptied")
    return ", ".join(parts)


def execute(plans: list[RunPlan], context: Context, *, jobs: int, force: bool) -> int:
    """Compute what is missing and write every run's record; return the exit status.

    Args:
        plans: the runs.
        context: where they run.
        jobs: worker processes; 1 computes in this process.
        force: compute again what is finished.
    """
    phases = distinct_phases(plans)
    if force:
        _forget(plans, phases.values(), context)
    complete = [plan for plan in plans if _is_complete(plan, phases, context)]
    left = [plan for plan in plans if plan not in complete]
    if complete:
        print(f"{len(complete)} of {len(plans)} runs were finished before", flush=True)
    if not left:
        return 0
    for plan in left:
        begin_run(plan, context)
    progress = Progress(left, context)
    todo = list(distinct_phases(left).values())
    print(f"{len(left)} runs need {len(todo)} distinct phases", flush=True)
    if jobs == 1:
        _run_here(todo, progress, context)
    else:
        _run_in_workers(todo, progress, context, jobs)
    return 1 if progress.failures else 0


def _is_complete(plan: RunPlan, phases: dict[str, Phase], context: Context) -> bool:
    if run_status(plan.config, plan.seed, context) != "done":
        return False
    return all(is_done(phases[phase.identity], context) for phase in plan.phases)


def _forget(plans: list[RunPlan], phases: Iterable[Phase], context: Context) -> None:
    for plan in plans:
        record_path(plan, context).unlink(missing_ok=True)
        run_paths(plan, context).done.unlink(missing_ok=True)
    for phase in phases:
        shutil.rmtree(phase_paths(phase, context).root, ignore_errors=True)


def _blocked(phase: Phase, progress: Progress) -> str | None:
    for earlier in phase.inputs:
        if earlier.identity in progress.failed:
            return progress.failed[earlier.identity]
    return None


def _run_here(todo: list[Phase], progress: Progress, context: Context) -> None:
    for phase in todo:
        reason = _blocked(phase, progress)
        if reason is None:
            reason = attempt(lambda phase=phase: compute_phase(phase, context))  # type: ignore[misc]
        if reason is None:
            progress.phase_done(phase)
        else:
            progress.phase_failed(phase, reason)


def _run_in_workers(todo: list[Phase], progress: Progress, context: Context, jobs: int) -> None:
    waiting = []
    for phase in todo:
        if is_done(phase, context):
            progress.phase_done(phase)
        else:
            waiting.append(phase)
    if not waiting:
        return
    with WorkerPool(context, min(jobs, len(waiting))) as pool:
        while waiting or pool.busy:
            for phase in list(waiting):
                reason = _blocked(phase, progress)
                if reason is not None:
                    waiting.remove(phase)
                    progress.phase_failed(phase, reason)
                elif pool.idle and all(e.identity in progress.done for e in phase.inputs):
                    waiting.remove(phase)
                    pool.submit(phase)
            for outcome in pool.wait():
                _note(outcome, progress)


def _note(outcome: Outcome, progress: Progress) -> None:
    if outcome.error is None:
        progress.phase_done(outcome.phase)
    else:
        progress.phase_failed(outcome.phase, outcome.error)
