"""What a recipe changes about a network while it trains, from outside (ToST, arXiv:2206.12755)."""

from common.tricks.activations import SOFT_ACTIVATIONS, SoftActivation, swap_relus
from common.tricks.dressing import Dressing
from common.tricks.ghosts import GhostPath, GhostSkips, ghost_paths
from common.tricks.gradinit import InitScales, learn_scales, read_scales, scale_weights

__all__ = [
    "SOFT_ACTIVATIONS",
    "Dressing",
    "GhostPath",
    "GhostSkips",
    "InitScales",
    "SoftActivation",
    "ghost_paths",
    "learn_scales",
    "read_scales",
    "scale_weights",
    "swap_relus",
]
