"""The tables of the paper's results: one a figure or table of its own, and those of reduced runs.

Every table is made once a protocol, from the runs of that protocol alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.results.spec import ReportedTable, Selector, Table
from replications.rare_gems.recipes import RESNET20, Setting
from replications.rare_gems.runs import CHECKS, sparsity_after, sparsity_of
from replications.rare_gems.translations import SCORES, SETTINGS, TRADEOFFS

REDUCED = ("digits", "cpu-short")
TICKET = ("method", "variant")
BEFORE = "prefinetune_test_accuracy"
ROUNDS = ("imp_warm", "lrr")
TARGETS = ("dense", "gem_miner", "edge_popup", "smart_ratio")

NETWORKS = {
    "resnet20": "ResNet-20",
    "mobilenetv2": "MobileNet-V2",
    "vgg16": "VGG-16",
    "wideresnet282": "WideResNet-28-2",
    "resnet32": "ResNet-32 of twice the width",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
}
DATASETS = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "tinyimagenet": "TinyImageNet",
    "caltech101": "Caltech-101",
}

AT_THE_COST: Selector = {
    "variant": ("standard", "layerwise", "short"),
    "sparsity": (sparsity_of(1.44), sparsity_after(19), sparsity_of(2)),
}
"""One ticket a method: at 1.44 % of ResNet-20, at 2 % of the digits."""

COST_EXPERIMENTS = (RESNET20.tradeoff, "score_methods", *REDUCED)
FIGURE_7_ROUNDS = (3, 15, 19, 23)
"""Rounds of pruning that come near 50, 3.72, 1.44 and 0.59 %."""

LONG_EPOCHS = "epochs to find the ticket and to train it"


def place(setting: Setting) -> str:
    """Return the network and the data set of a setting as a reader knows them."""
    dataset, network = setting.name.split("_", 1)
    return f"{NETWORKS[network]} on {DATASETS[dataset]}"


def _settings() -> Iterator[Table]:
    """Yield Figures 3, 4, 6 and 8: the tickets at their targets, and the rounds of pruning."""
    for setting in SETTINGS:
        where, rounds = {"method": TARGETS}, {"method": ROUNDS}
        tickets: tuple[tuple[str, ...], tuple[str, ...]] = (TICKET, ("sparsity",))
        chains: tuple[tuple[str, ...], tuple[str, ...]] = (("sparsity",), TICKET)
        here = (setting.tradeoff,)
        for name, what, metric in (
            ("accuracy", "after", "test_accuracy"),
            ("prefinetune", "before", BEFORE),
        ):
            yield Table(
                f"{name}_{setting.name}",
                f"{place(setting)}: accuracy {what} fine-tuning, by target",
                *(here, *tickets, metric),
                where=where,
            )
            yield Table(
                f"{name}_by_round_{setting.name}",
                f"{place(setting)}: accuracy {what} the training of a round of iterative pruning",
                *(here, *chains, metric),
                where=rounds,
            )


def _reduced() -> Iterator[Table]:
    """Yield all runs of the reduced protocols."""
    yield Table(
        "accuracy", "Accuracy after fine-tuning, reduced runs", REDUCED, TICKET, ("sparsity",)
    )
    yield Table(
        "prefinetune",
        "Accuracy before fine-tuning, reduced runs",
        *(REDUCED, TICKET, ("sparsity",), BEFORE),
    )
    yield Table(
        "start",
        "Accuracy of the ticket itself, what was not frozen restored, before fine-tuning",
        *(REDUCED, TICKET, ("sparsity",), "start_test_accuracy"),
    )


def _layers() -> Iterator[Table]:
    """Yield what the outermost layers keep (Figure 7)."""
    found = ("standard", "layerwise", "global", "global_gradual", "short")
    methods = ("gem_miner", "edge_popup", "smart_ratio")
    rounds = tuple(map(sparsity_after, FIGURE_7_ROUNDS))
    for layer in ("first", "last"):
        title = f"Fraction of its weights that the {layer} layer keeps"
        for end, experiments, where in (
            ("", REDUCED, {"variant": found}),
            ("_resnet20", (RESNET20.tradeoff,), {"variant": "standard", "method": methods}),
            ("_resnet20_by_round", (RESNET20.tradeoff,), {"method": ROUNDS, "sparsity": rounds}),
        ):
            yield Table(
                f"{layer}_layer{end}",
                title,
                *(experiments, TICKET, ("sparsity",), f"{layer}_layer_density"),
                where=where,
            )


def _checks() -> Iterator[Table]:
    """Yield all sanity checks side by side (Figures 3, 4 and 8 bottom, Table 2)."""
    rows = ("dataset", "architecture", "method", "sparsity")
    where = {"method": ("gem_miner", *SCORES), "variant": tuple(CHECKS)}
    yield Table(
        "sanity_checks",
        "Sanity checks: the ticket as found, shuffled, with new weights, with inverted scores",
        *((*TRADEOFFS, "score_methods", *REDUCED), rows, ("variant",)),
        where=where,
    )
    yield Table(
        "prospr_comparison",
        "Gem-Miner's side of the comparison with ProsPr (Table 2)",
        *(("prospr_comparison",), ("method",), ("variant",)),
    )


def _studies() -> Iterator[Table]:
    """Yield Tables 1, 3, 4 and 16 and the numbers of Figures 2, 9 and 10."""
    ablation: Selector = {
        "method": ("edge_popup", "gem_miner"),
        "variant": ("layerwise", "global", "global_gradual", "global_gradual_l2", "standard"),
        "sparsity": (sparsity_of(0.59), sparsity_of(2)),
    }
    for name, what, metric in (("", "after", "test_accuracy"), ("_prefinetune", "before", BEFORE)):
        yield Table(
            f"edge_popup_ablation{name}",
            f"What repairs edge-popup: accuracy {what} fine-tuning (Table 3)",
            *(("ep_ablation", "digits"), TICKET, ("sparsity",), metric),
            where=ablation,
        )
        yield Table(
            f"imp_variants{name}",
            f"Iterative pruning in long and short rounds, {what} the training (Figure 10)",
            *(("resnet20_imp_variants",), ("sparsity",), TICKET, metric),
        )
        yield Table(
            f"sparsity_control{name}",
            f"The penalty alone decides the density: accuracy {what} fine-tuning (Figure 2)",
            *(("mobilenetv2_sparsity_control",), (*TICKET, "sparsity"), (), metric),
        )
        yield Table(
            f"search_rates{name}",
            f"Search at several learning rates: accuracy {what} fine-tuning (Figure 9)",
            *(("vgg16_pre_vs_post",), TICKET, ("sparsity",), metric),
        )
    yield Table(
        "long_gem_miner",
        "A search as long as the iterative methods' (Table 4)",
        *(("long_gem_miner",), TICKET),
    )
    yield Table(
        "long_gem_miner_epochs",
        f"Table 4: {LONG_EPOCHS}",
        *(("long_gem_miner",), TICKET, (), "total_epochs"),
    )
    yield Table(
        "smart_ratio_variants",
        "Random tickets with better and better layer densities (Table 16)",
        *(("smart_ratio_variants",), TICKET),
    )
    yield Table(
        "convergence",
        "What the accuracy during a search is set beside (Figure 5)",
        *(("mobilenetv2_convergence",), TICKET),
    )
    yield Table(
        "imagenet",
        "ImageNet: accuracy of the searched network (logs beside the paper)",
        *(("imagenet_gem_miner",), TICKET, (), BEFORE),
    )


def _costs() -> Iterator[Table]:
    """Yield Table 1's epochs, and the time that they took here."""
    for metric, what in (("search_epochs", "Epochs"), ("search_seconds", "Seconds")):
        yield Table(
            metric,
            f"{what} that finding one ticket takes (Table 1)",
            *(COST_EXPERIMENTS, ("method",), (), metric),
            where=AT_THE_COST,
        )


TABLES = (*_reduced(), *_settings(), *_checks(), *_studies(), *_layers(), *_costs())

REPORTED_TABLES = (
    ReportedTable(
        "method_properties",
        "What the paper says of the methods (Table 1)",
        ("method_properties",),
        ("prunes_at_init", "finetunable", "passes_sanity_checks"),
        marks=("prunes_at_init", "finetunable", "passes_sanity_checks"),
    ),
)
