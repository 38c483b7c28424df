"""The methods that only this paper has; edge-popup, IMP and the scores are the core's."""

from __future__ import annotations

from common.pipeline import Methods
from replications.rare_gems.checks import CHECKS
from replications.rare_gems.gem_miner import GEM_MINER, HYPERCUBE
from replications.rare_gems.smart_ratio import SMART_RATIO

METHODS = Methods().extended(
    finders={"gem_miner": GEM_MINER, "hypercube": HYPERCUBE, "smart_ratio": SMART_RATIO},
    transforms=CHECKS,
)
