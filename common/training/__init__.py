"""Training: one loop, its optimisers, schedules, precision and exact resume."""

from common.training.checkpoint import Checkpoint, CheckpointStore, write_atomically
from common.training.evaluate import evaluate
from common.training.learner import Learner, Row, TrainData, WeightLearner, require_finite
from common.training.loop import (
    Moment,
    TrainHooks,
    TrainResult,
    cpu_state,
    epoch_draws,
    run_epochs,
    summarise,
    train,
)
from common.training.optimizer import Constraint, MaskKeeper, build_optimizer
from common.training.precision import (
    Precision,
    autocast,
    cpu_has_bfloat16,
    prepare_device,
    resolve_precision,
)
from common.training.schedule import learning_rate, milestones
from common.training.stopping import LAST_LOSS, early_stopped_rate, flagged_after, stops_early

__all__ = [
    "LAST_LOSS",
    "Checkpoint",
    "CheckpointStore",
    "Constraint",
    "Learner",
    "MaskKeeper",
    "Moment",
    "Precision",
    "Row",
    "TrainData",
    "TrainHooks",
    "TrainResult",
    "WeightLearner",
    "autocast",
    "build_optimizer",
    "cpu_has_bfloat16",
    "cpu_state",
    "early_stopped_rate",
    "epoch_draws",
    "evaluate",
    "flagged_after",
    "learning_rate",
    "milestones",
    "prepare_device",
    "require_finite",
    "resolve_precision",
    "run_epochs",
    "stops_early",
    "summarise",
    "train",
    "write_atomically",
]
