"""Finders make tickets: scores, layer budgets, and the methods built from them."""

from common.finders.base import (
    Finder,
    FindInputs,
    PretrainConfig,
    ScoringData,
    Stage,
    Trained,
    TrainingNeed,
    corrupt,
    one_shot,
    scoring_data,
)
from common.finders.budgets import BUDGETS, layer_budget
from common.finders.registry import FINDERS, find_ticket
from common.finders.scores import SCORES, score

__all__ = [
    "BUDGETS",
    "FINDERS",
    "SCORES",
    "FindInputs",
    "Finder",
    "PretrainConfig",
    "ScoringData",
    "Stage",
    "Trained",
    "TrainingNeed",
    "corrupt",
    "find_ticket",
    "layer_budget",
    "one_shot",
    "score",
    "scoring_data",
]
