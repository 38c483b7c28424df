"""Claims 4 to 6 of the paper: what a search costs, what makes it work, what chance cannot do."""

from __future__ import annotations

from itertools import pairwise

from common.results.spec import Claim, Comparison, Selector
from replications.rare_gems.claim_parts import (
    BAND,
    BEFORE,
    CELL,
    CHANCE,
    DIGITS,
    PAPER,
    PLACE,
    QUICK,
    REDUCED_MARGIN,
    SPARSEST,
    digits,
    runs,
    sparse,
)
from replications.rare_gems.claims_tickets import NEAR_CHANCE
from replications.rare_gems.recipes import RESNET20
from replications.rare_gems.runs import sparsity_after, sparsity_of
from replications.rare_gems.translations import SETTINGS


def _epochs(left: Selector, right: Selector | float, relation: str, margin: float) -> Comparison:
    return Comparison(left, right, relation, margin, PLACE, "search_epochs")


GEM_144 = runs(RESNET20.tradeoff, "gem_miner", sparsity=sparsity_of(1.44))
LONG = runs("long_gem_miner", "gem_miner", "long")
COST = (
    Claim(
        "C4",
        "Finding a gem of ResNet-20 at 1.44 % takes the epochs of one training (150), where IMP "
        "takes ten times as many and more",
        "Table 1",
        (
            _epochs(GEM_144, 150.0, "equivalent", 0.5),
            _epochs(
                runs(RESNET20.tradeoff, "imp_warm", sparsity=sparsity_after(19)),
                GEM_144,
                "greater",
                9 * 150.0,
            ),
        ),
        PAPER,
    ),
    Claim(
        "C4-long",
        "With 3,000 epochs Gem-Miner gains more than a point and comes within a point of "
        "learning-rate rewinding",
        "Table 4",
        (
            Comparison(LONG, runs("long_gem_miner", "gem_miner"), "greater", 1.0, PLACE),
            Comparison(LONG, runs("long_gem_miner", "lrr"), "not_worse", 1.0, PLACE),
        ),
        PAPER,
    ),
)


def _steps(
    experiment: str, sparsity: float, margin: float, *variants: str
) -> tuple[Comparison, ...]:
    """Compare every variant of edge-popup with the one before, and Gem-Miner with the last."""
    names = [runs(experiment, "edge_popup", name, sparsity=sparsity) for name in variants]
    names.append(runs(experiment, "gem_miner", sparsity=sparsity))
    return tuple(
        Comparison(better, worse, "greater", margin, PLACE) for worse, better in pairwise(names)
    )


POPUP = (
    Claim(
        "C5",
        "What repairs edge-popup on ResNet-20 at 0.59 %: a global choice, then a gradual one, then "
        "Gem-Miner's freezing; the penalty does no harm",
        "Table 3",
        (
            *_steps(
                "ep_ablation", sparsity_of(0.59), BAND, "layerwise", "global", "global_gradual"
            ),
            Comparison(
                runs("ep_ablation", "edge_popup", "global_gradual_l2"),
                runs("ep_ablation", "edge_popup", "global_gradual"),
                "not_worse",
                BAND,
                CELL,
            ),
        ),
        PAPER,
    ),
    Claim(
        "C5-reduced",
        "What repairs edge-popup: a global choice, then a gradual one, then Gem-Miner's freezing "
        "(on the digits at 2 %)",
        "C5, at reduced scale",
        _steps("digits", DIGITS[1], REDUCED_MARGIN, "layerwise", "global", "global_gradual"),
        QUICK,
    ),
)


def _dense_ends(gem: Selector, density: float) -> tuple[Comparison, ...]:
    """Compare the first and the last layer with the network: they keep 10 points more of theirs."""
    return tuple(
        Comparison(gem, density / 100, "greater", 0.1, PLACE, f"{layer}_layer_density")
        for layer in ("first", "last")
    )


VARIANTS = "smart_ratio_variants"
SHORT = "resnet20_imp_variants"
RANDOM = (
    Claim(
        "C6",
        "A gem of ResNet-20 at 1.44 % beats smart ratio and its five strengthened variants by more "
        "than 7 points",
        "Table 16",
        tuple(
            Comparison(
                runs(VARIANTS, "gem_miner"),
                runs(VARIANTS, "smart_ratio", f"sr_v{number}"),
                "greater",
                7.0,
                PLACE,
            )
            for number in range(1, 7)
        ),
        PAPER,
    ),
    Claim(
        "C6-curves",
        "Gems beat smart ratio at equal density, 1.5 % and below",
        "Figures 3, 4 and 8",
        tuple(
            Comparison(
                runs(setting.tradeoff, "gem_miner", sparsity=equal),
                runs(setting.tradeoff, "smart_ratio"),
                "greater",
                BAND,
                CELL,
            )
            for setting in SETTINGS
            if (
                equal := tuple(
                    at
                    for at in sparse(setting, SPARSEST)
                    if at in map(sparsity_of, setting.smart_ratio)
                )
            )
        ),
        PAPER,
    ),
    Claim(
        "C6-layers",
        "Gems and IMP's tickets keep the first and the last layer of ResNet-20 dense at 1.44 %, "
        "and gems the first one denser than smart ratio does (by 10 points of the layer's weights)",
        "Figure 7",
        (
            *_dense_ends(GEM_144, 1.44),
            *_dense_ends(runs(RESNET20.tradeoff, "imp_warm", sparsity=sparsity_after(19)), 1.44),
            Comparison(
                GEM_144,
                runs(RESNET20.tradeoff, "smart_ratio"),
                *("greater", 0.1, CELL, "first_layer_density"),
            ),
        ),
        PAPER,
    ),
    Claim(
        "C6-short",
        "IMP in rounds of 8 epochs, rewound to the first weights, is no worse than in long rounds "
        "with warm-up at 2.8 % and below, and at chance before training",
        "Figure 10",
        (
            Comparison(
                runs(SHORT, "imp_cold", "short", sparsity=tuple(map(sparsity_after, (16, 20, 24)))),
                runs(SHORT, "imp_warm", "long"),
                *("not_worse", BAND, CELL),
            ),
            Comparison(
                runs(SHORT, "imp_cold", "short"),
                CHANCE,
                *("equivalent", NEAR_CHANCE, CELL, BEFORE),
            ),
        ),
        PAPER,
    ),
    Claim(
        "C6-reduced",
        "Gems beat smart ratio at equal density (on the digits at 5 and 2 %)",
        "C6, at reduced scale",
        (
            Comparison(
                runs("digits", "gem_miner", sparsity=DIGITS),
                runs("digits", "smart_ratio"),
                *("greater", REDUCED_MARGIN),
            ),
        ),
        QUICK,
    ),
    Claim(
        "C6-layers-reduced",
        "Gems keep the first and the last layer dense (on the digits at 2 %: 10 points more of the "
        "layer's weights than of all)",
        "C6, at reduced scale",
        _dense_ends(digits("gem_miner"), 2),
        QUICK,
    ),
)


SEARCHES = (*COST, *POPUP, *RANDOM)
