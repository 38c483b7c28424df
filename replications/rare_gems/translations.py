"""How the reported numbers translate into the names and targets of our runs, and which do not.

The paper plots what came out; our runs have the target that was asked for. Densities that differ by
more than the tolerance of :data:`replications.rare_gems.paper.PAPER` are set here one by one.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.results.spec import ReportedAs, Selector
from replications.rare_gems.recipes import (
    FIGURE_3,
    FIGURE_4,
    FIGURE_8,
    RESNET18,
    RESNET20,
    TINY_MOBILENET,
    TINY_RESNET50,
    VGG16,
)
from replications.rare_gems.runs import sparsity_after, sparsity_of

SETTINGS = (*FIGURE_3, *FIGURE_4, *FIGURE_8)
TRADEOFFS = tuple(setting.tradeoff for setting in SETTINGS)
SCORES = ("snip", "grasp", "synflow")

ENDED_AT: dict[str, dict[float, float]] = {
    TINY_RESNET50.tradeoff: {3.757: 5, 1.048: 1.4, 0.289: 0.5},
    TINY_MOBILENET.tradeoff: {3.594: 5},
    RESNET18.tradeoff: {4.321: 5, 0.275: 0.5},
    "mobilenetv2_sparsity_control": {2.5: 5, 1.16: 1.7},
    "mobilenetv2_convergence": {1.16: 1.7},
    "imagenet_gem_miner": {13.8342: 20},
}
"""Experiment -> density that a search of the paper ended at -> the target of ours, in percent."""

ROUNDED_TO = {1.2: 20, 0.7: 22, 0.5: 24, 0.4: 25}
"""Densities of CIFAR-10's ResNet-18 with one digit -> the round of iterative pruning meant."""

NOT_OURS: tuple[tuple[Selector, str], ...] = (
    (
        {"experiment": "prospr_comparison", "method": "prospr"},
        "ProsPr was run with its authors' code, which is no part of the paper's",
    ),
    (
        {"experiment": VGG16.tradeoff, "variant": "warm_up_dense"},
        "the dense network that warm rounds rewind to: a step of other runs, not one of its own",
    ),
    (
        {"experiment": "imagenet_gem_miner", "variant": "target 50%"},
        "a log beside the paper without its settings; that for 20 % is our one search there",
    ),
)
"""Reported numbers that no run of ours stands for (under the names that they have here), and why.

Besides these, the check marks of Table 1 are no measurements; they are in a table of their own.
"""


def _places() -> Iterator[ReportedAs]:
    """Yield the data sets and networks."""
    yield ReportedAs({"dataset": "tiny_imagenet"}, {"dataset": "tiny_imagenet_half"})
    yield ReportedAs({"architecture": "resnet50_imagenet_pretrained"}, {"architecture": "resnet50"})


def _experiments() -> Iterator[ReportedAs]:
    """Yield the experiments: one run has a point of a curve, of its checks, and before training."""
    for setting in SETTINGS:
        parts = (f"{setting.name}_sanity", f"{setting.name}_prefinetune")
        yield ReportedAs({"experiment": parts}, {"experiment": setting.tradeoff})
    # Figure 1 prints other numbers for the ticket that Figures 3 and 6 have, too.
    concept = {"experiment": "vgg16_concept"}
    pruned = {"sparsity": sparsity_after(24)}
    yield ReportedAs({**concept, "method": "imp_warm", "sparsity": 0.995}, pruned)
    yield ReportedAs(concept, {"experiment": VGG16.tradeoff}, "Figure 1")
    control = {"experiment": "mobilenetv2_sparsity_control"}
    yield ReportedAs({"experiment": "mobilenetv2_density_curve"}, control)


def _costs() -> Iterator[ReportedAs]:
    """Yield what Table 1 and Table 4 count: epochs of runs that are there anyway."""
    cost = {"experiment": "search_cost"}
    yield ReportedAs({**cost, "method": "imp"}, {"method": "imp_warm"})
    yield ReportedAs({**cost, "method": SCORES}, {"experiment": "score_methods"})
    yield ReportedAs(cost, {"experiment": RESNET20.tradeoff})


def _densities() -> Iterator[ReportedAs]:
    """Yield the targets of what ended elsewhere, was printed with one digit, or grew."""
    for experiment, ends in ENDED_AT.items():
        for end, target in ends.items():
            where = {"experiment": experiment, "method": "gem_miner", "sparsity": sparsity_of(end)}
            yield ReportedAs(where, {"sparsity": sparsity_of(target)})
    for density, rounds in ROUNDED_TO.items():
        where = {"experiment": RESNET18.tradeoff, "method": "lrr", "sparsity": sparsity_of(density)}
        yield ReportedAs(where, {"sparsity": sparsity_after(rounds)})
    # Dense first and last layers come on top of the target.
    where = {"experiment": "smart_ratio_variants", "variant": "sr_v3"}
    yield ReportedAs(where, {"sparsity": sparsity_of(1.44)})


REPORTED_AS = (*_places(), *_experiments(), *_costs(), *_densities())
