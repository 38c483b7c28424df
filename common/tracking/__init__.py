"""Tracking: run directories, metrics logs, environment, progress, and the mirror to wandb."""

from common.tracking.environment import commit, describe_environment
from common.tracking.metrics import MetricsLog, read_metrics
from common.tracking.paths import PhasePaths, RunPaths, Workspace
from common.tracking.progress import TrainingBar
from common.tracking.wandb_mirror import PhaseLabels, WandbMirror, WandbSettings

__all__ = [
    "MetricsLog",
    "PhaseLabels",
    "PhasePaths",
    "RunPaths",
    "TrainingBar",
    "WandbMirror",
    "WandbSettings",
    "Workspace",
    "commit",
    "describe_environment",
    "read_metrics",
]
