"""What the claims' comparisons share: their margins, and which runs they speak of.

Margins: half a point at the paper's scale, for numbers of the paper that show one run differ by so
much (spec 8, 19). Where the paper says how many points, that number less the half point. On the
digits one point is six of the 600 test images.
"""

from __future__ import annotations

from common.results.spec import Selector
from replications.rare_gems.recipes import Setting
from replications.rare_gems.runs import sparsity_of

BAND = 0.5
REDUCED_MARGIN = 1.0
SPARSE, SPARSEST = 5.5, 1.5
"""Densities in percent up to which the claims speak of few weights."""

CHANCE = 10.0
FAR, REDUCED_FAR = 30.0, 10.0
"""Points above guessing that are far: three times, or as much again as, what guessing gives."""

PLACE = ("dataset", "architecture")
CELL = (*PLACE, "sparsity")
CHECK_NAMES = ("shuffle_mask", "reinit_weights", "invert_scores")
BEFORE = "prefinetune_test_accuracy"
PAPER, QUICK = ("paper",), ("quick",)
DIGITS = (sparsity_of(5), sparsity_of(2))


def runs(experiment: str, method: str, variant: str = "standard", **more: object) -> Selector:
    """Return the selector of one kind of runs."""
    return {"experiment": experiment, "method": method, "variant": variant, **more}


def digits(method: str, variant: str = "standard", density: float = 2) -> Selector:
    """Return the selector of reduced runs at a density in percent."""
    return runs("digits", method, variant, sparsity=sparsity_of(density))


def sparse(setting: Setting, most: float) -> tuple[float, ...]:
    """Return the targets of a setting's gems that keep at most so many percent."""
    return tuple(sparsity_of(row.density) for row in setting.gems if row.density <= most)
