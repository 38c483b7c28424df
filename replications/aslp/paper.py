"""The paper's results as data: its tables, its plots, its claims and where its numbers are."""

from __future__ import annotations

from pathlib import Path

from common.results.spec import (
    Bars,
    LayerDensities,
    Paper,
    Plot,
    SelectionProbabilities,
    Selector,
    Table,
    TrainingCurves,
)
from replications.aslp.claims import CLAIMS

REPORTED = "test_accuracy_pct"
FOUND = "found_test_accuracy"
PLAIN = ("cifar10-noda", "cpu-short", "digits")
SEARCHES = ("cifar10-noda", "cifar10-da", "cifar100", "cpu-short", "digits")
PLACE = ("experiment", "dataset", "architecture")
RATES = "Edge-popup at several rates beside ASLP, which finds its own"
RATE_RUNS = {
    "edge_popup_rates": (("cifar10-da", "edge-popup-rates"), "SC"),
    "edge_popup_rates_digits": (("digits", "digits-rates"), "none"),
}
ASLP_ABLATIONS = ("cifar10-noda", "signed-constant-scope", "one-pass", "parametrization")
SAMPLED = {"method": ("aslp", "supermask")}
LEARNED = {"method": ("aslp", "supermask", "edge_popup")}


def _accuracy(
    name: str,
    title: str,
    experiments: tuple[str, ...],
    rows: tuple[str, ...] = ("dataset", "architecture"),
    columns: tuple[str, ...] = ("method", "variant"),
    where: Selector | None = None,
) -> Table:
    """Return a table of the accuracy of each method's own final rule."""
    return Table(name, title, experiments, rows, columns, FOUND, REPORTED, where or {})


def _beside(name: str, title: str, metric: str) -> Table:
    """Return a table of another metric of all searches."""
    return Table(name, title, SEARCHES, PLACE, ("method", "variant"), metric, where=LEARNED)


TABLES = (
    _accuracy("accuracy", "Learned masks over untrained weights, without augmentation", PLAIN),
    _accuracy(
        "accuracy_augmented",
        "Learned masks over untrained weights, with augmentation",
        ("cifar10-da",),
    ),
    _accuracy("cifar100", "Learned masks over untrained weights on CIFAR-100", ("cifar100",)),
    Table(
        "random_mask",
        "The found network as an ordinary one, beside a random mask over untrained weights",
        (*PLAIN, "random-mask"),
        ("dataset", "architecture"),
        ("method",),
        where={"method": ("aslp", "random"), "variant": "none"},
    ),
    *(
        _accuracy(
            name,
            RATES,
            experiments,
            rows=("dataset", "architecture", "method", "variant"),
            columns=("sparsity",),
            where={"method": ("aslp", "edge_popup"), "variant": variant},
        )
        for name, (experiments, variant) in RATE_RUNS.items()
    ),
    _beside("pruned_accuracy", "Accuracy of the pruned network", "pruned_test_accuracy"),
    _beside("sampled_accuracy", "Mean accuracy of sampled networks", "sampled_test_accuracy"),
    _beside("sparsity", "Sparsity that came out (edge-popup: as asked)", "ticket_sparsity"),
    _beside("exact_zeros", "Fraction of the latents that are exactly 0", "exact_zeros"),
    _beside("epochs", "Epochs of the search", "search_epochs"),
    _beside("best_epochs", "Epoch with the best validation accuracy", "search_best_epoch"),
    _beside("train_loss", "Training loss of the last epoch of the search", "search_train_loss"),
    _beside("seconds", "Seconds an epoch of the search", "search_seconds_per_epoch"),
    _accuracy(
        "aslp_ablations",
        "ASLP: constants in the convolutions only, rescale in one pass, other parametrisations",
        ASLP_ABLATIONS,
        columns=("variant",),
        where={"method": "aslp"},
    ),
    Table(
        "aslp_ablations_seconds",
        "ASLP: seconds an epoch of the search, by rescale and parametrisation",
        ASLP_ABLATIONS,
        ("dataset", "architecture"),
        ("variant",),
        "search_seconds_per_epoch",
        where={"method": "aslp"},
    ),
    _accuracy(
        "supermask_weights",
        "Supermask over Kaiming weights and random biases, and over Glorot weights and zero biases",
        ("cifar10-noda", "supermask-glorot"),
        rows=PLACE,
        columns=("variant",),
        where={"method": "supermask"},
    ),
    _accuracy(
        "edge_popup_recipes",
        "Edge-popup with the recipe of ASLP's code, with learning rate 0.1, and with its own",
        ("cifar10-da", "edge-popup-lr", "edge-popup-ramanujan"),
        rows=PLACE,
        columns=("variant",),
        where={"method": "edge_popup"},
    ),
)


def _bars(
    name: str,
    title: str,
    experiments: tuple[str, ...],
    groups: tuple[str, ...] = ("variant",),
    panels: tuple[str, ...] = ("dataset", "architecture"),
    where: Selector | None = None,
) -> Bars:
    """Return bars of the methods, the reported ones beside ours."""
    return Bars(
        name, title, experiments, groups, "method", panels, FOUND, REPORTED, where or {}, "bars"
    )


PLOTS: tuple[Plot, ...] = (
    _bars("accuracy", "Learned masks over untrained weights, without augmentation", PLAIN),
    _bars("accuracy_augmented", "ASLP and edge-popup, with augmentation", ("cifar10-da",)),
    _bars(
        "cifar100",
        "ASLP and edge-popup on CIFAR-100",
        ("cifar100",),
        groups=("architecture",),
        panels=("dataset", "variant"),
    ),
    *(
        _bars(
            name,
            RATES,
            experiments,
            groups=("sparsity",),
            panels=("dataset", "architecture", "variant"),
            where={"method": ("aslp", "edge_popup"), "variant": variant},
        )
        for name, (experiments, variant) in RATE_RUNS.items()
    ),
    LayerDensities(
        "pruning_rates",
        "How much of every layer the search removes, without augmentation",
        PLAIN,
        panels=("dataset", "architecture", "method"),
        lines=("variant",),
        where=SAMPLED,
        show="pruning_rate",
    ),
    LayerDensities(
        "pruning_rates_augmented",
        "How much of every layer the search removes, with augmentation",
        ("cifar10-da", "cifar100"),
        panels=("dataset", "architecture", "method"),
        lines=("variant",),
        where=SAMPLED,
        show="pruning_rate",
    ),
    TrainingCurves("validation_accuracy", "The searches, without augmentation", PLAIN),
    TrainingCurves(
        "validation_accuracy_augmented",
        "The searches, with augmentation",
        ("cifar10-da", "cifar100"),
    ),
    TrainingCurves(
        "train_loss", "Training loss of the searches, without augmentation", PLAIN, "train_loss"
    ),
    TrainingCurves(
        "sparsity",
        "Sparsity during the searches, without augmentation",
        PLAIN,
        "sparsity",
        where=SAMPLED,
    ),
    SelectionProbabilities(
        "selection_probabilities",
        "Probabilities of the weights to be selected, without augmentation",
        PLAIN,
        where={"variant": ("none", "WR", "WR+SC"), **SAMPLED},
    ),
)

PAPER = Paper(
    name="aslp",
    title="Extracting Effective Subnetworks with Gumbel-Softmax",
    arxiv="2202.12986",
    reported=Path(__file__).resolve().parent / "reported.csv",
    page=Path(__file__).resolve().parent / "README.md",
    tables=TABLES,
    plots=PLOTS,
    claims=CLAIMS,
    notes="Reported numbers are the bars and the table of the authors' poster and slides; numbers "
    "of seeds and the pruning rates behind them are not stated. Supermask's were probably quoted "
    "from its own paper. Edge-popup's rate is 0.5 here, the default of the released code.",
    order={
        "method": ("random", "supermask", "edge_popup", "aslp"),
        "variant": (
            *("none", "WR", "WR-one-pass", "WR-glorot"),
            *("SC", "SC-conv"),
            *("WR+SC", "WR+SC-conv", "WR+SC-one-pass", "logsigmoid", "naive"),
        ),
        "dataset": ("cifar10", "cifar100", "digits"),
        "experiment": SEARCHES,
    },
    labels={
        "aslp": "ASLP",
        "random": "random mask",
        "edge_popup": "edge-popup",
        "cifar10": "CIFAR-10",
        "cifar100": "CIFAR-100",
        "conv2": "Conv2",
        "conv2_x0.25": "Conv2, width 1/4",
        "conv4": "Conv4",
        "conv6": "Conv6",
        "cifar10-noda": "no augmentation",
        "cifar10-da": "augmentation",
        "cpu-short": "no augmentation, short",
        "edge-popup-lr": "augmentation, learning rate 0.1",
        "edge-popup-ramanujan": "edge-popup's own recipe",
        "supermask-glorot": "Glorot weights, zero biases",
        "WR-glorot": "WR, Glorot weights",
        "WR-one-pass": "WR, one pass",
        "WR+SC-one-pass": "WR+SC, one pass",
        "SC-conv": "SC in convolutions",
        "WR+SC-conv": "WR+SC in convolutions",
        "ticket_sparsity": "sparsity",
    },
    compared_metrics={REPORTED: FOUND},
)
