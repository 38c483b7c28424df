"""What this study shows: its tables, plots and claims. It reports no numbers of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common.results.spec import Matrix, Paper, Plot, Selector, Table
from replications.cross_paper.claims import CLAIMS
from replications.cross_paper.finders import FINDERS
from replications.cross_paper.grid import CHECKS, FOUND, PLAIN, RECIPES, TOST, experiment
from replications.cross_paper.scales import QUICK, STUDY

BOTH = tuple(experiment(recipe) for recipe in RECIPES)
PLACE = ("dataset", "architecture")
TARGETS = tuple(sorted({*QUICK.sparsities, *STUDY.sparsities}))
OWN = tuple(name for name, finder in FINDERS.items() if finder.own_sparsity)
AS_FOUND: Selector = {"variant": FOUND}

TABLES = (
    *(
        Table(
            f"checks_{recipe}",
            f"Test accuracy by finder and check, {recipe.replace('tost', 'ToST')} recipe",
            (experiment(recipe),),
            rows=(*PLACE, "sparsity", "method"),
            columns=("variant",),
        )
        for recipe in RECIPES
    ),
    Table(
        "recipes",
        "Test accuracy by finder and recipe, tickets as found",
        BOTH,
        rows=(*PLACE, "sparsity", "method"),
        columns=("experiment",),
        where=AS_FOUND,
    ),
    Table(
        "recipes_checked",
        "Test accuracy by finder, check and recipe",
        BOTH,
        rows=(*PLACE, "sparsity", "method"),
        columns=("variant", "experiment"),
    ),
    Table(
        "own_sparsities",
        "Fraction of weights removed by finders that cannot be given a sparsity",
        (experiment(PLAIN),),
        rows=(*PLACE, "method"),
        metric="ticket_sparsity",
        where={**AS_FOUND, "method": OWN},
    ),
)


def _plots() -> Iterator[Plot]:
    """Yield finder x check for each recipe, and finder x sparsity for the gain by recipe."""
    for recipe, text in ((PLAIN, "plain recipe"), (TOST, "ToST recipe")):
        yield Matrix(
            f"lost_by_check_{recipe}",
            f"What a check costs the tickets of each finder ({text})",
            (experiment(recipe),),
            sparsity=TARGETS,
            rows="method",
            columns="variant",
            panels=PLACE,
            minus=AS_FOUND,
            own_sparsity=True,
        )
    yield Matrix(
        "gained_by_recipe",
        "What the ToST recipe gives the tickets of each finder",
        BOTH,
        sparsity=TARGETS,
        rows="method",
        columns="sparsity",
        panels=(*PLACE, "variant"),
        minus={"experiment": experiment(PLAIN)},
        own_sparsity=True,
    )


LABELS = {
    **{
        name: finder.label + (" (own sparsity)" if finder.own_sparsity else "")
        for name, finder in FINDERS.items()
    },
    "method": "finder",
    "variant": "check",
    "experiment": "recipe",
    "dataset": "data set",
    "architecture": "network",
    FOUND: "as found",
    "mask_shuffled": "mask shuffled",
    "reinitialised": "new weights",
    "weights_shuffled": "weights shuffled",
    experiment(PLAIN): "plain recipe",
    experiment(TOST): "ToST recipe",
    "digits": "digits",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "fashion_mnist": "Fashion-MNIST",
    "resnet20": "ResNet-20",
    "conv2_x0.125": "Conv2/8",
    "ticket_sparsity": "sparsity that came out",
}

PAPER = Paper(
    name="cross_paper",
    page=Path(__file__).with_name("README.md"),
    title="Across the papers: every finder's tickets under every check and recipe",
    tables=TABLES,
    plots=tuple(_plots()),
    claims=CLAIMS,
    notes=(
        "Not a replication: no paper reports these numbers. Shuffling the mask (Rare Gems) and "
        "rearranging layers (Sanity-Checking) are one operation and one column. Hypercube, ASLP "
        "and supermask find their own sparsity, which may be far below the targets: then their "
        "accuracies do not compare with those of the others, only their changes do."
    ),
    order={
        "method": tuple(FINDERS),
        "variant": tuple(CHECKS),
        "experiment": BOTH,
        "dataset": (*STUDY.datasets, *QUICK.datasets),
    },
    labels=LABELS,
    reported_protocol=STUDY.protocol,
)
