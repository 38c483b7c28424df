"""Claims 1 to 3 of the paper: how accurate gems are, under checks and before training."""

from __future__ import annotations

from common.results.spec import Claim, Comparison, Selector
from replications.rare_gems.claim_parts import (
    BAND,
    BEFORE,
    CELL,
    CHANCE,
    CHECK_NAMES,
    FAR,
    PAPER,
    QUICK,
    REDUCED_FAR,
    REDUCED_MARGIN,
    SPARSE,
    SPARSEST,
    digits,
    runs,
    sparse,
)
from replications.rare_gems.recipes import (
    CALTECH,
    FIGURE_3,
    MOBILENET,
    RESNET20,
    VGG16,
    Setting,
)
from replications.rare_gems.runs import sparsity_after, sparsity_of
from replications.rare_gems.translations import SCORES, SETTINGS

NEAR_CHANCE = 4.0
"""Untrained tickets scatter by that much around guessing in Figures 6 and 10."""

SCORES_MARGIN, REDUCED_SCORES_MARGIN = 1.0, 5.0


def _checks(setting: Setting, most: float, margin: float) -> tuple[Comparison, ...]:
    """Compare a setting's gems with each of their checks."""
    gem = runs(setting.tradeoff, "gem_miner", sparsity=sparse(setting, most))
    return tuple(
        Comparison(gem, runs(setting.tradeoff, "gem_miner", check), "greater", margin, CELL)
        for check in CHECK_NAMES
    )


def _iterative(
    setting: Setting, density: float, rounds: int, relation: str, margin: float
) -> Comparison:
    """Compare a gem with the round of warm IMP whose density is nearest."""
    gem = runs(setting.tradeoff, "gem_miner", sparsity=sparsity_of(density))
    other = runs(setting.tradeoff, "imp_warm", sparsity=sparsity_after(rounds))
    return Comparison(gem, other, relation, margin, CELL)


ACCURACY = (
    Claim(
        "C1",
        "Where few weights are left, gems are more accurate than IMP's tickets with warm-up "
        "(ResNet-20 and MobileNet-V2 at 1.4 % and below), and elsewhere no worse (VGG-16)",
        "Figures 3, 4 and 8, top",
        (
            _iterative(RESNET20, 1.44, 19, "greater", BAND),
            _iterative(RESNET20, 0.59, 23, "greater", BAND),
            _iterative(MOBILENET, 1.4, 19, "greater", BAND),
            _iterative(VGG16, 1.4, 19, "not_worse", BAND),
        ),
        PAPER,
    ),
    Claim(
        "C1-reduced",
        "Gems are more accurate than IMP's tickets from short rounds (on the digits at 2 %)",
        "C1, at reduced scale",
        tuple(
            Comparison(digits("gem_miner"), digits(method, "short"), "greater", REDUCED_MARGIN)
            for method in ("imp_warm", "imp_cold")
        ),
        QUICK,
    ),
)


CHECKED = (
    Claim(
        "C2",
        "Shuffling the mask, new weights and inverted scores each cost a gem accuracy, in every "
        "network at 5.5 % and below",
        "Figures 3, 4 and 8, bottom; Table 2",
        tuple(part for setting in SETTINGS for part in _checks(setting, SPARSE, BAND)),
        PAPER,
    ),
    Claim(
        "C2-points",
        "They cost 3 points and more on CIFAR-10 at 1.44 % and below, and more than 20 on "
        "Caltech-101 at 5 % and below",
        "text; Figures 3, 4 and 8, bottom",
        (
            *(part for setting in FIGURE_3 for part in _checks(setting, SPARSEST, 3 - BAND)),
            *_checks(CALTECH, SPARSE, 20 - BAND),
        ),
        PAPER,
    ),
    Claim(
        "C2-prospr",
        "A gem of ResNet-20 at 3.72 % loses more than the point that ProsPr's tickets lose at most",
        "Table 2",
        tuple(
            Comparison(
                runs("prospr_comparison", "gem_miner"),
                runs("prospr_comparison", "gem_miner", check),
                "greater",
                1 + BAND,
                CELL,
            )
            for check in ("shuffle_mask", "reinit_weights")
        ),
        PAPER,
    ),
    Claim(
        "C2-scores",
        "SNIP, GraSP and SynFlow fail: their tickets are no worse shuffled or with new weights "
        "(margin of a point: two runs of 10,000 test images differ by half a point by chance)",
        "text; Table 1",
        tuple(
            Comparison(
                {"experiment": "score_methods", "method": SCORES, "variant": check},
                {"experiment": "score_methods", "variant": "standard"},
                "not_worse",
                SCORES_MARGIN,
                ("method", *CELL),
            )
            for check in ("shuffle_mask", "reinit_weights")
        ),
        PAPER,
    ),
    Claim(
        "C2-reduced",
        "Each check costs a gem accuracy (on the digits: shuffling and new weights at 5 and 2 %, "
        "inverted scores at 2 %)",
        "C2, at reduced scale",
        tuple(
            Comparison(
                digits("gem_miner", density=density),
                digits("gem_miner", check, density),
                *("greater", REDUCED_MARGIN, CELL),
            )
            for check, density in (
                ("shuffle_mask", 5),
                ("reinit_weights", 5),
                *((check, 2) for check in CHECK_NAMES),
            )
        ),
        QUICK,
    ),
    Claim(
        "C2-scores-reduced",
        "Shuffled tickets of SNIP, GraSP and SynFlow are no worse (on the digits at 2 %; margin of "
        "5 points, for seeds differ by several there)",
        "C2-scores, at reduced scale",
        (
            Comparison(
                {"experiment": "digits", "method": SCORES, "variant": "shuffle_mask"},
                {"experiment": "digits", "variant": "standard"},
                "not_worse",
                REDUCED_SCORES_MARGIN,
                ("method", *CELL),
            ),
        ),
        QUICK,
    ),
)


def _before(left: Selector, right: Selector | float, relation: str, margin: float) -> Comparison:
    return Comparison(left, right, relation, margin, CELL, BEFORE)


UNTRAINED = (
    Claim(
        "C3",
        "Gems are accurate before any weight is trained: 90 % (VGG-16) and 84.5 % (MobileNet-V2) "
        "at 1.4 %, and 30 points above guessing on CIFAR-10 at 5.5 % and below",
        "Figures 2, 6 and 8",
        (
            _before(
                runs(VGG16.tradeoff, "gem_miner", sparsity=sparsity_of(1.4)), 90, "greater", BAND
            ),
            _before(
                runs(MOBILENET.tradeoff, "gem_miner", sparsity=sparsity_of(1.4)),
                84.5,
                "not_worse",
                BAND,
            ),
            *(
                _before(
                    runs(setting.tradeoff, "gem_miner", sparsity=sparse(setting, SPARSE)),
                    CHANCE,
                    "greater",
                    FAR,
                )
                for setting in FIGURE_3
            ),
        ),
        PAPER,
    ),
    Claim(
        "C3-others",
        "Before training, IMP's and smart ratio's tickets are at chance, and edge-popup collapses "
        "below 5 % (ResNet-20)",
        "Figure 6",
        (
            *(
                _before(runs(RESNET20.tradeoff, method, sparsity=at), CHANCE, "equivalent", near)
                for method, at, near in (
                    ("imp_warm", tuple(map(sparsity_after, (14, 19, 23))), NEAR_CHANCE),
                    ("smart_ratio", tuple(map(sparsity_of, (3.72, 1.44, 0.59))), NEAR_CHANCE),
                )
            ),
            _before(
                runs(RESNET20.tradeoff, "gem_miner", sparsity=sparse(RESNET20, SPARSE)),
                runs(RESNET20.tradeoff, "edge_popup"),
                "greater",
                FAR - BAND,
            ),
        ),
        PAPER,
    ),
    Claim(
        "C3-reduced",
        "Before training, gems are far above guessing at 5 %, and above IMP's and smart ratio's "
        "tickets at 2 % (on the digits; 10 points are as much again as guessing gives)",
        "C3, at reduced scale",
        (
            _before(digits("gem_miner", density=5), CHANCE, "greater", REDUCED_FAR),
            *(
                _before(digits("gem_miner"), digits(*other), "greater", REDUCED_FAR)
                for other in (("imp_warm", "short"), ("imp_cold", "short"), ("smart_ratio",))
            ),
        ),
        QUICK,
    ),
)


TICKETS = (*ACCURACY, *CHECKED, *UNTRAINED)
