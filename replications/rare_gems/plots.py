"""The plots of the paper's results, the reported numbers in panels beside ours."""

from __future__ import annotations

from collections.abc import Iterator

from common.results.spec import (
    AccuracyVsSparsity,
    Bars,
    Beside,
    Costs,
    DensityCurves,
    LayerDensities,
    Plot,
    Scatter,
    Selector,
    TrainingCurves,
)
from replications.rare_gems.recipes import FIGURE_3, RESNET18, RESNET20, TINY_MOBILENET
from replications.rare_gems.runs import CHECKS, sparsity_after, sparsity_of
from replications.rare_gems.tables import (
    AT_THE_COST,
    BEFORE,
    COST_EXPERIMENTS,
    FIGURE_7_ROUNDS,
    REDUCED,
    TICKET,
    place,
)
from replications.rare_gems.translations import SCORES, SETTINGS

CURVES = ("gem_miner", "imp_warm", "lrr", "edge_popup", "smart_ratio", "dense")
CURVES_WHERE: Selector = {"method": CURVES, "variant": (*CHECKS, "layerwise", "short")}
NOT_CHECKS: Selector = {
    "variant": (
        *("standard", "layerwise", "global", "global_gradual", "short"),
        *(f"search_lr=1e-{n}" for n in (2, 3, 4, 5)),
    )
}
AS_FOUND: Selector = {
    "method": (*CURVES, "imp_cold"),
    "variant": ("standard", "layerwise", "global", "global_gradual", "short"),
}
BEFORE_TRAINING = (*FIGURE_3, RESNET18, TINY_MOBILENET)
"""The settings of Figure 6 and of the middle row of Figure 8."""

PANELS = ("dataset", "architecture")


def _tradeoffs() -> Iterator[Plot]:
    """Yield Figures 3, 4 and 8, top and bottom row in one; the reduced runs beside ResNet-20's."""
    for setting in SETTINGS:
        here, reduced = (setting.tradeoff,), setting is RESNET20
        yield AccuracyVsSparsity(
            "tradeoff" if reduced else f"tradeoff_{setting.name}",
            f"Accuracy after fine-tuning: {place(setting)}" + (", and reduced runs" * reduced),
            (*here, *REDUCED) if reduced else here,
            panels=PANELS,
            lines=TICKET,
            where=CURVES_WHERE,
            # Figure 1 prints other numbers for two points of a curve: they are in the tables.
            beside=Beside(here, {**CURVES_WHERE, "label": ""}),
        )


def _before() -> Iterator[Plot]:
    """Yield Figures 6 and 8 (middle), and Figure 9: accuracy before any weight is trained."""
    where = {"method": CURVES[:-1], "variant": "standard", "label": ""}
    others = tuple(setting.tradeoff for setting in BEFORE_TRAINING if setting is not RESNET20)
    first = (RESNET20.tradeoff,)
    for name, networks, ours, theirs in (
        ("prefinetune", f"{place(RESNET20)}, and reduced runs", (*first, *REDUCED), first),
        ("prefinetune_others", "the other networks", others, others),
    ):
        yield AccuracyVsSparsity(
            name,
            f"Accuracy before fine-tuning: {networks}",
            ours,
            panels=PANELS,
            lines=TICKET,
            metric=BEFORE,
            baseline=None,
            where={**AS_FOUND, "method": (*CURVES[:-1], "imp_cold")},
            beside=Beside(theirs, where),
        )
    yield Scatter(
        "before_and_after",
        "Accuracy before fine-tuning and after it: VGG-16 on CIFAR-10, and reduced runs",
        ("vgg16_pre_vs_post", *REDUCED),
        where=NOT_CHECKS,
        beside=Beside(("vgg16_pre_vs_post",)),
    )


def _layers() -> Iterator[Plot]:
    """Yield Figure 7: what every layer keeps."""
    reported = Beside(("resnet20_layer_density",), becomes={"variant": "standard"})
    for density, rounds in zip((50, 3.72, 1.44, 0.59), FIGURE_7_ROUNDS, strict=True):
        more = (2,) if density == 1.44 else ()
        targets = (sparsity_of(density), sparsity_after(rounds), *map(sparsity_of, more))
        yield LayerDensities(
            f"layer_densities_{density:g}",
            f"What every layer keeps: ResNet-20 at {density:g} %"
            + (", and reduced runs" if more else ""),
            (RESNET20.tradeoff, *(REDUCED if more else ())),
            targets,
            panels=PANELS,
            where={**AS_FOUND, "variant": ("standard", "layerwise", "short")},
            beside=reported,
        )


def _searches() -> Iterator[Plot]:
    """Yield Figures 2 and 5: density and accuracy epoch by epoch."""
    control = "mobilenetv2_sparsity_control"
    lines = ("variant", "sparsity")
    yield DensityCurves(
        "density_during_search",
        "Density during the search: the penalty decides it (MobileNet-V2 on CIFAR-10)",
        (control,),
        lines=("variant",),
        where={"method": "gem_miner"},
        beside=Beside((control,), {"method": "gem_miner"}),
    )
    yield DensityCurves(
        "density_during_search_reduced",
        "Density during the search, reduced runs: what the penalty and the freezing leave",
        REDUCED,
        lines=lines,
        where={"method": "gem_miner", "variant": ("standard", "invert_scores")},
    )
    convergence = "mobilenetv2_convergence"
    yield TrainingCurves(
        "accuracy_during_search",
        "Test accuracy during the search (MobileNet-V2 on CIFAR-10: 300 epochs of search, then as "
        "many of fine-tuning), and reduced runs",
        (convergence, *REDUCED),
        "test_accuracy",
        lines=("method", "sparsity"),
        where={"method": ("gem_miner", "dense", "imp_warm"), "variant": "standard"},
        reported_metric="test_accuracy_pct_at_epoch",
        beside=Beside((convergence,)),
    )


def _bars() -> Iterator[Plot]:
    """Yield the checks of every method at one density, and Tables 3 and 16."""
    yield Bars(
        "sanity_checks",
        "Sanity checks of several methods at one density",
        (RESNET20.tradeoff, "score_methods", *REDUCED),
        groups=("method",),
        panels=PANELS,
        where={
            "method": ("gem_miner", *SCORES),
            "variant": tuple(CHECKS),
            "sparsity": AT_THE_COST["sparsity"],
        },
    )
    yield Bars(
        "edge_popup_ablation",
        "What repairs edge-popup: accuracy after fine-tuning",
        ("ep_ablation", "digits"),
        groups=("method",),
        panels=PANELS,
        where={
            "method": ("edge_popup", "gem_miner"),
            "variant": ("layerwise", "global", "global_gradual", "global_gradual_l2", "standard"),
            "sparsity": (sparsity_of(0.59), sparsity_of(2)),
        },
    )
    yield Bars(
        "smart_ratio_variants",
        "Random tickets with better and better layer densities",
        ("smart_ratio_variants",),
        groups=("method",),
        panels=PANELS,
    )


def _others() -> Iterator[Plot]:
    """Yield Figure 10 and Table 1."""
    variants = "resnet20_imp_variants"
    for name, what, metric in (
        ("imp_variants", "after", "test_accuracy"),
        ("imp_variants_prefinetune", "before", BEFORE),
    ):
        yield AccuracyVsSparsity(
            name,
            f"Iterative pruning in long and short rounds: accuracy {what} the training",
            (variants,),
            panels=PANELS,
            lines=TICKET,
            metric=metric,
            baseline=None,
            beside=Beside((variants,)),
        )
    yield Costs(
        "cost",
        "What finding one ticket costs",
        COST_EXPERIMENTS,
        bars=TICKET,
        where=AT_THE_COST,
        beside=Beside((RESNET20.tradeoff, "score_methods")),
    )


PLOTS: tuple[Plot, ...] = (
    *_tradeoffs(),
    *_before(),
    *_layers(),
    *_searches(),
    *_bars(),
    *_others(),
)
