"""Finders make tickets: scores, layer budgets, and the methods built from them."""

from common.finders.base import (
    Finder,
    FindInputs,
    Found,
    PretrainConfig,
    ScoringData,
    Stage,
    Trained,
    TrainingNeed,
    Workshop,
    corrupt,
    one_shot,
    scoring_data,
)
from common.finders.budgets import BUDGETS, layer_budget
from common.finders.learned import MaskSearch, search_masks
from common.finders.registry import FINDERS, find_ticket
from common.finders.scores import SCORES, score

__all__ = [
    "BUDGETS",
    "FINDERS",
    "SCORES",
    "FindInputs",
    "Finder",
    "Found",
    "MaskSearch",
    "PretrainConfig",
    "ScoringData",
    "Stage",
    "Trained",
    "TrainingNeed",
    "Workshop",
    "corrupt",
    "find_ticket",
    "layer_budget",
    "one_shot",
    "score",
    "scoring_data",
    "search_masks",
]
