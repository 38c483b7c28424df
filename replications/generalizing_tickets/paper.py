"""What this replication shows: its tables, plots and claims, and how reported numbers are named."""

from __future__ import annotations

from pathlib import Path

from common.results.spec import AccuracyVsSparsity, Beside, Matrix, Paper, Plot, ReportedAs, Table
from replications.generalizing_tickets.claims import CLAIMS
from replications.generalizing_tickets.recipes import level
from replications.generalizing_tickets.runs import SPELLED

NETWORKS = ("vgg19", "resnet50")
TARGETS = ("cifar10", "cifar100", "svhn", "fashionmnist")
OPTIMIZERS = ("sgd", "adam")

REPORTED_HALVES = tuple(f"exp1_within_distribution_{network}" for network in NETWORKS)
REPORTED_DATASETS = tuple(
    f"exp2_dataset_transfer_{network}_{target}"
    for network in NETWORKS
    for target in TARGETS
    if (network, target) != ("vgg19", "fashionmnist")
)
REPORTED_OPTIMIZERS = tuple(f"exp3_optimizer_transfer_target_{name}" for name in OPTIMIZERS)

HALVES = (
    *REPORTED_HALVES,
    *(f"within_distribution_{network}" for network in NETWORKS),
    "digits_within_distribution",
    "cifar10a_to_cifar10b",
)
DATASETS = (
    *REPORTED_DATASETS,
    *(f"dataset_transfer_{network}_{target}" for network in NETWORKS for target in TARGETS),
    "mnist_to_fashion",
)
OPTIMIZED = (
    *REPORTED_OPTIMIZERS,
    *(f"optimizer_transfer_target_{name}" for name in OPTIMIZERS),
    *(f"digits_optimizer_transfer_target_{name}" for name in OPTIMIZERS),
)
SNIP = ("snip_vs_imp", "digits_snip_vs_imp")
FORK = tuple(f"fork_{network}" for network in (*NETWORKS, "alexnet"))

GROUPS = (
    ("within_distribution", "Tickets of one half of a data set trained on the other", HALVES),
    ("dataset_transfer", "Tickets of one data set trained on another", DATASETS),
    ("optimizer_transfer", "Tickets found by one optimizer trained by another", OPTIMIZED),
    ("snip_vs_imp", "SNIP, iterative SNIP and iterative magnitude pruning", SNIP),
    ("fork", "The fork's recipes", FORK),
)
REPORTED_OF = {
    "within_distribution": REPORTED_HALVES,
    "dataset_transfer": REPORTED_DATASETS,
    "optimizer_transfer": REPORTED_OPTIMIZERS,
}
PANELS = {"optimizer_transfer": ("experiment", "dataset", "architecture")}
"""Columns that make the panels where they are not the data set and the network."""

TABLES = tuple(
    Table(
        name,
        title,
        experiments,
        rows=(*PANELS.get(name, ("dataset", "architecture")), "sparsity"),
        columns=("method", "variant"),
    )
    for name, title, experiments in GROUPS
)

PLOTS: tuple[Plot, ...] = (
    *(
        AccuracyVsSparsity(
            name,
            title,
            experiments,
            panels=PANELS.get(name, ("dataset", "architecture")),
            lines=("variant", "method"),
            baseline=None,
            beside=Beside(REPORTED_OF[name]) if name in REPORTED_OF else None,
            axis="pruned",
        )
        for name, title, experiments in GROUPS
    ),
    Matrix(
        "sources_and_targets",
        "Tickets by their source, at 94 % pruned (reported: 93 %)",
        (*HALVES, *DATASETS),
        sparsity=(0.9375, level(12)),
        rows="variant",
        columns="dataset",
        where={"method": "imp"},
        beside=Beside((*REPORTED_HALVES, *REPORTED_DATASETS), where={"method": "imp"}),
    ),
)

REPORTED_AS = (
    *(
        ReportedAs(where={"variant": f"source={spelled}"}, becomes={"variant": name})
        for name, spelled in (
            *SPELLED.items(),
            *((name, name) for name in ("cifar10", "cifar100", "svhn")),
        )
    ),
    ReportedAs(where={"method": "random_ticket"}, becomes={"variant": "random_replication"}),
    *(
        ReportedAs(
            where={
                "variant": f"source=cifar10;source_optimizer={found};target_optimizer={trained}"
            },
            becomes={"variant": f"found_by_{found}"},
        )
        for found in OPTIMIZERS
        for trained in OPTIMIZERS
    ),
)

PAPER = Paper(
    name="generalizing_tickets",
    title="One ticket to win them all: generalizing lottery ticket initializations",
    arxiv="1906.02773",
    reported=Path(__file__).with_name("reported.csv"),
    page=Path(__file__).with_name("README.md"),
    reported_protocol="replication",
    tables=TABLES,
    plots=PLOTS,
    claims=CLAIMS,
    notes=(
        "Reported numbers are the logs behind the replication's plots (ReScience C 6(2) #4), one "
        "value a point; the paper prints its results as curves only. Sparsities of reported random "
        "tickets are nominal: their weights that are zero are many more."
    ),
    order={
        "method": ("imp", "snip", "iterative_snip", "oneshot_magnitude", "random_ticket"),
        "variant": (
            *("cifar10", "cifar10_a", "cifar10_b", "cifar100", "svhn", "fashion_mnist", "mnist"),
            *("digits_a", "digits_b", "own", "found_by_sgd", "found_by_adam"),
            *("model", "xavier_redraw", "nested", "fork", "carried_weights", "reinit", "one_shot"),
            *("random_layerwise", "random_global", "random_replication"),
        ),
        "dataset": (
            *("cifar10", "cifar10_a", "cifar10_b", "cifar100", "svhn", "fashion_mnist"),
            *("digits_a", "digits_b"),
        ),
        "architecture": ("vgg19", "resnet50", "alexnet", "small_cnn"),
        "experiment": (*HALVES, *DATASETS, *OPTIMIZED, *SNIP, *FORK),
    },
    labels={
        "variant": "ticket",
        "dataset": "target",
        "imp": "IMP",
        "snip": "SNIP",
        "iterative_snip": "iterative SNIP",
        "oneshot_magnitude": "one-shot magnitude",
        "random_ticket": "",
        "own": "the target's own",
        "cifar10": "CIFAR-10",
        "cifar10_a": "CIFAR-10a",
        "cifar10_b": "CIFAR-10b",
        "cifar100": "CIFAR-100",
        "svhn": "SVHN",
        "mnist": "MNIST",
        "fashion_mnist": "Fashion-MNIST",
        "digits_a": "digits a",
        "digits_b": "digits b",
        "vgg19": "VGG19",
        "vgg19_x0.125": "VGG19, width 1/8",
        "resnet50": "ResNet50",
        "alexnet": "AlexNet",
        "small_cnn": "small CNN",
        "found_by_sgd": "found by SGD",
        "found_by_adam": "found by Adam",
        "model": "own weights scored",
        "xavier_redraw": "redrawn weights scored",
        "nested": "nested masks",
        "fork": "as in the fork",
        "carried_weights": "trained weights kept",
        "reinit": "weights drawn anew",
        "one_shot": "",
        "random_global": "random in the network",
        "random_layerwise": "random in layers",
        "random_replication": "random as replicated",
        **{
            f"{prefix}optimizer_transfer_target_{name}": f"trained with {label}"
            for prefix in ("exp3_", "", "digits_")
            for name, label in (("sgd", "SGD"), ("adam", "Adam"))
        },
    },
    reported_as=REPORTED_AS,
)
