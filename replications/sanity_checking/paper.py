"""The paper's results as data: its tables, its plots, its claims and where its numbers are."""

from __future__ import annotations

from pathlib import Path

from common.results.spec import (
    AccuracyVsSparsity,
    Bars,
    Claim,
    Comparison,
    LayerDensities,
    Paper,
    ReportedAs,
    Selector,
    Table,
)

DATASETS = ("cifar10", "cifar100", "digits")
GRASP = tuple(f"sanity_grasp_{dataset}" for dataset in DATASETS)
SNIP = tuple(f"sanity_snip_{dataset}" for dataset in DATASETS)
SU_PARTIAL = ("su_partially_trained_tickets", "su_partially_trained_checks")
SU_CHECKS = ("su_sanity_snip_cifar10", "su_sanity_grasp_cifar10", "lt_checks")
PARTIAL = ("partially_trained_tickets", "partially_trained_checks")
CELL = ("dataset", "architecture", "sparsity")

TABLES = (
    Table(
        "sanity_checks",
        "Initial tickets under the sanity checks: pruning sees corrupted data, or the mask is "
        "rearranged inside every layer",
        (*GRASP, *SNIP),
        rows=("dataset", "architecture", "method", "sparsity"),
        columns=("variant",),
    ),
    Table(
        "random_tickets",
        "Random tickets: random masks with the smart ratio's layer densities",
        ("random_tickets",),
        rows=("dataset", "architecture"),
        columns=("sparsity",),
    ),
    Table(
        "random_tickets_of_the_paper",
        "Random tickets with the settings of the paper's own code",
        ("su_random_tickets",),
        rows=("dataset", "architecture"),
        columns=("sparsity",),
    ),
    Table(
        "initial_tickets",
        "Tickets found at initialisation beside random tickets",
        (*GRASP, *SNIP, "random_tickets"),
        rows=CELL,
        columns=("method",),
        where={"variant": "original"},
    ),
    Table(
        "partially_trained",
        "Tickets from a trained network: learning-rate rewinding, its sanity checks, weight "
        "rewinding and hybrid tickets",
        PARTIAL,
        rows=CELL,
        columns=("method", "variant"),
    ),
    Table(
        "profile_ablation",
        "Layer-density profiles of random tickets",
        ("random_tickets", "su_random_tickets", "profile_ablation"),
        rows=CELL,
        columns=("variant",),
    ),
    Table("dense", "Dense networks", ("dense_baseline",), rows=("dataset", "architecture")),
    Table(
        "checks_of_the_paper",
        "The sanity checks with the settings of the paper's own code, one-shot magnitude (LT) "
        "included",
        SU_CHECKS,
        rows=("dataset", "architecture", "method", "sparsity"),
        columns=("variant",),
    ),
    Table(
        "partially_trained_of_the_paper",
        "Tickets from a trained network, with the settings of the paper's own code",
        SU_PARTIAL,
        rows=CELL,
        columns=("method", "variant"),
    ),
    Table(
        "short_runs",
        "Random tickets and SNIP after a few epochs on CIFAR-10",
        ("cpu_short_cifar10",),
        rows=CELL,
        columns=("method",),
    ),
)

PLOTS = (
    AccuracyVsSparsity(
        "sanity_checks",
        "Sanity checks of initial tickets",
        (*GRASP, *SNIP, "dense_baseline"),
    ),
    AccuracyVsSparsity(
        "methods",
        "Initial, random and partially-trained tickets",
        (*GRASP, *SNIP, "random_tickets", "partially_trained_tickets", "dense_baseline"),
        panels=("dataset", "architecture"),
        lines="method",
        where={"variant": "original"},
    ),
    Bars(
        "checks",
        "Every sanity check at sparsity 0.98",
        (*GRASP, *SNIP, *PARTIAL),
        groups=("method",),
        bars="variant",
        panels=("dataset", "architecture"),
        where={"sparsity": 0.98},
    ),
    LayerDensities(
        "layer_densities",
        "Which layers keep their weights",
        (*GRASP, *SNIP, "random_tickets", "partially_trained_tickets"),
        sparsity=0.98,
        where={"variant": ("original", "corrupted_data")},
    ),
)


def _checks(variant: str, margin: float) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(
            left={"experiment": experiments, "variant": variant},
            right={"experiment": experiments, "variant": "original"},
            relation="equivalent",
            margin=margin,
            over=("method", *CELL),
        )
        for experiments in (SNIP, GRASP)
    )


def _against(left: Selector, right: Selector, relation: str, margin: float = 0.0) -> Comparison:
    return Comparison(left=left, right=right, relation=relation, margin=margin, over=CELL)


def _scaled(
    number: str, text: str, source: str, full: tuple[Comparison, ...], small: tuple[Comparison, ...]
) -> tuple[Claim, Claim]:
    """Return a claim with the margin of the full protocol and with that of reduced runs."""
    return (
        Claim(number, text, source, full, protocols=("paper",)),
        Claim(f"{number}-reduced", f"{text} (wider margin)", source, small, protocols=("quick",)),
    )


RANDOM = {"experiment": "random_tickets", "variant": "original"}
REWINDING = {
    "experiment": PARTIAL,
    "method": "learning_rate_rewinding",
    "variant": "original",
}
FULL_MARGIN, REDUCED_MARGIN = 0.5, 3.0

CLAIMS = (
    *_scaled(
        "C1",
        "Initial tickets hardly use the data: found on random labels and random pixels they "
        "train as well",
        "abstract",
        _checks("corrupted_data", FULL_MARGIN),
        _checks("corrupted_data", REDUCED_MARGIN),
    ),
    *_scaled(
        "C2",
        "The wiring of initial tickets does not matter: a mask permuted inside its layers trains "
        "as well",
        "abstract",
        _checks("layerwise_rearrange", FULL_MARGIN),
        _checks("layerwise_rearrange", REDUCED_MARGIN),
    ),
    Claim(
        "C3",
        "Random tickets with the smart ratio match or beat SNIP and GraSP",
        "abstract",
        tuple(
            _against(
                RANDOM, {"experiment": experiments, "variant": "original"}, "not_worse", FULL_MARGIN
            )
            for experiments in (SNIP, GRASP)
        ),
    ),
    Claim(
        "C4",
        "Partially-trained tickets depend on the data and on which weights are kept: half of the "
        "data, or shuffled weights, cost accuracy",
        "abstract",
        (
            _against(REWINDING, {**REWINDING, "variant": "half_dataset"}, "greater"),
            _against(REWINDING, {**REWINDING, "variant": "layerwise_weights_shuffling"}, "greater"),
        ),
    ),
    Claim(
        "C5",
        "At sparsity 0.98 hybrid tickets improve on learning-rate rewinding with one global "
        "threshold",
        "abstract",
        (
            _against(
                {"experiment": PARTIAL, "method": "hybrid_tickets", "sparsity": 0.98},
                {**REWINDING, "sparsity": 0.98},
                "greater",
            ),
        ),
        # What hybrid tickets repair, layers emptied by a global threshold, needs the full-size
        # VGG19 trained to the end (spec 7.2).
        protocols=("paper",),
    ),
    Claim(
        "C6",
        "The decreasing quadratic profile is no worse than the uniform and better than the "
        "ascending one",
        "comparison of profiles in the released code",
        tuple(
            _against(
                {"experiment": experiment, "dataset": datasets, "variant": "original"},
                {"experiment": "profile_ablation", "dataset": datasets, "variant": profile},
                relation,
                margin,
            )
            # The ablation uses the settings of the paper's own code, at full and reduced scale.
            for experiment, datasets in (
                ("su_random_tickets", ("cifar10", "cifar100", "tiny_imagenet")),
                ("random_tickets", ("digits",)),
            )
            for profile, relation, margin in (
                ("uniform", "not_worse", FULL_MARGIN),
                ("ascend", "greater", 0.0),
            )
        ),
    ),
)

PAPER = Paper(
    name="sanity_checking",
    title="Sanity-Checking Pruning Methods: Random Tickets can Win the Jackpot",
    arxiv="2009.11094",
    reported=Path(__file__).resolve().parent / "reported.csv",
    page=Path(__file__).resolve().parent / "README.md",
    tables=TABLES,
    plots=PLOTS,
    claims=CLAIMS,
    notes="Reported numbers are those of the reproducibility-challenge replication (one seed "
    "each) and, for random tickets, of the paper.",
    order={
        "variant": ("original", "corrupted_data", "layerwise_rearrange"),
        "method": (
            "dense",
            "snip",
            "grasp",
            "random_tickets",
            "learning_rate_rewinding",
            "weight_rewinding",
            "hybrid_tickets",
        ),
        "dataset": DATASETS,
    },
    labels={
        "snip": "SNIP",
        "grasp": "GraSP",
        "lt": "LT",
        "dense": "dense",
        "random_tickets": "random tickets",
        "learning_rate_rewinding": "learning-rate rewinding",
        "weight_rewinding": "weight rewinding",
        "hybrid_tickets": "hybrid tickets",
        "corrupted_data": "corrupted data",
        "layerwise_rearrange": "layerwise rearrange",
        "half_dataset": "half data set",
        "layerwise_weights_shuffling": "weights shuffled in layers",
        "cifar10": "CIFAR-10",
        "cifar100": "CIFAR-100",
        "vgg19": "VGG19",
        "resnet32_w32": "ResNet32 (double width)",
        "resnet8": "ResNet-8",
    },
    # In records ``original`` is the variant without a check or an ablation, for every method.
    reported_as=(
        ReportedAs({"item": "original logs"}, source="replication"),
        ReportedAs({"item": "seed README"}, {"variant": "original"}, source="replication"),
        ReportedAs(
            {"item": "paper table, via the seed README"},
            {"experiment": "su_random_tickets", "variant": "original"},
            source="paper",
        ),
        ReportedAs({"variant": "learning-rate rewinding"}, {"variant": "original"}),
        ReportedAs(
            {"variant": "unpruned (SNIP script at pruning ratio 0)"},
            {"variant": "original"},
            source="replication, SNIP script",
        ),
        ReportedAs(
            {"variant": "pretraining of the partially-trained tickets"}, {"variant": "original"}
        ),
    ),
)
