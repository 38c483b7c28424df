"""A run as a chain of content-addressed phases: planned, computed once, recorded."""

from common.pipeline.compute import compute_phase, is_done, phase_paths
from common.pipeline.context import Context
from common.pipeline.phase import Phase, RunPlan, distinct_phases, plan_run
from common.pipeline.record import begin_run, fail_run, finish_run, record_path, run_paths
from common.pipeline.registry import Methods

__all__ = [
    "Context",
    "Methods",
    "Phase",
    "RunPlan",
    "begin_run",
    "compute_phase",
    "distinct_phases",
    "fail_run",
    "finish_run",
    "is_done",
    "phase_paths",
    "plan_run",
    "record_path",
    "run_paths",
]
