"""Learned masks: parametrizations on any plain model, and the learner that trains them."""

from common.masks.base import (
    LearnedMask,
    MakeMask,
    Rescale,
    View,
    attach,
    detach,
    unmasked_state,
    viewed,
)
from common.masks.edge_popup import (
    EdgePopupMask,
    GlobalEdgePopupMask,
    GlobalEdgePopupRule,
    edge_popup_removed,
    gradual_fraction,
    kth_smallest,
)
from common.masks.learner import MaskLearner, RescaleTraining, best_epoch
from common.masks.noise import Noise
from common.masks.observe import EDGES, observe
from common.masks.options import LearnedMaskOptions, SearchConfig
from common.masks.rule import SearchRule
from common.masks.sampled import SampledMask

__all__ = [
    "EDGES",
    "EdgePopupMask",
    "GlobalEdgePopupMask",
    "GlobalEdgePopupRule",
    "LearnedMask",
    "LearnedMaskOptions",
    "MakeMask",
    "MaskLearner",
    "Noise",
    "Rescale",
    "RescaleTraining",
    "SampledMask",
    "SearchConfig",
    "SearchRule",
    "View",
    "attach",
    "best_epoch",
    "detach",
    "edge_popup_removed",
    "gradual_fraction",
    "kth_smallest",
    "observe",
    "unmasked_state",
    "viewed",
]
