"""The tables: accuracies of every mask under every recipe, and sizes of networks with ghosts.

Recipes that keep ghosts or soft neurons to the end stand apart from those whose final network is
the ticket's own: they train other networks, whose sparsity says too little (spec 2.6).
"""

from __future__ import annotations

from collections.abc import Iterator

from common.results.spec import Table
from replications.tost.claims import TABLE_2, TINY, TWEAKS
from replications.tost.recipes import FUNCTIONS
from replications.tost.reduced import REAL, REAL_EPOCHS

PLAIN = (
    *("default", "tost", "tost_noghost", "swish", "ghosts", "ls", "lrsi"),
    *("lrsi_dense", "lrsi_ls", "ghosts_ls"),
)
"""Recipes that end with the plain network of the ticket, on masks that the dense recipe found."""

CHAINS = ("swish_chain", "mish_chain")
"""The same on masks that the recipe itself found."""

KEPT = ("tost_keep", "ghosts_keep", "swish_keep", "ghosts_ls_keep")
"""Recipes that keep ghosts or soft neurons to the end, on masks that the dense recipe found."""

KEPT_CHAINS = tuple(f"{function}_keep_chain" for function in (*FUNCTIONS, "pswish3"))

ROWS = ("dataset", "architecture", "method", "sparsity")
STAYS = "ghosts or soft neurons stay to the end"
SIZES = {
    "ghost_parameters": "parameters of the ghosts",
    "final_parameters": "parameters left at the end, ghosts and all",
}
FEW_IMAGES = f"{REAL['subset']['count']:,} training images of CIFAR-10"
FEW_EPOCHS = f"{REAL_EPOCHS} epochs of {FEW_IMAGES}"

WITH_BOTH = (
    ("table_2", "Masks under several recipes (Table 2)", TABLE_2),
    ("tricks", "Single tricks and their combinations, masks found by the dense recipe", TWEAKS),
    ("digits", "Masks under several recipes, digits", "digits"),
    ("cifar10_short", f"Masks under several recipes, {FEW_EPOCHS}", "cifar10_short"),
)
"""Experiments with both kinds of recipes: names of their tables, titles, experiments."""


def _with_both() -> Iterator[Table]:
    """Yield the tables of experiments with both kinds of recipes, each kind in its own."""
    for name, title, experiment in WITH_BOTH:
        here = (experiment,)
        plain = {"variant": (*PLAIN, "none")}
        yield Table(name, f"{title}: accuracy", here, ROWS, ("variant",), where=plain)
        kept = {"variant": KEPT}
        heading = f"{title}, {STAYS}"
        yield Table(f"{name}_kept", f"{heading}: accuracy", here, ROWS, ("variant",), where=kept)
        for metric, what in SIZES.items():
            yield Table(
                f"{name}_kept_{metric}",
                f"{heading}: {what}",
                *(here, ROWS, ("variant",), metric),
                where=kept,
            )


TABLES = (
    *_with_both(),
    Table(
        "table_3",
        "Masks under two recipes, TinyImageNet (Table 3): accuracy",
        (TINY,),
        *(ROWS, ("variant",)),
    ),
    Table(
        "other_masks",
        "Masks of three more finders under two recipes: accuracy",
        ("other_masks_cifar",),
        *(ROWS, ("variant",)),
    ),
    Table(
        "networks",
        "Lottery-ticket masks of more networks under two recipes: accuracy",
        ("generality_cifar",),
        *(ROWS, ("variant",)),
    ),
    Table(
        "tricks_own_masks",
        "Soft neurons that are removed, on masks found with them: accuracy",
        (TWEAKS,),
        *(ROWS, ("variant",)),
        where={"variant": ("default", *CHAINS)},
    ),
    Table(
        "tricks_own_masks_kept",
        "Soft neurons that stay to the end, on masks found with them: accuracy",
        (TWEAKS,),
        *(ROWS, ("variant",)),
        where={"variant": KEPT_CHAINS},
    ),
    Table(
        "lth_local",
        "Lottery tickets pruned in each tensor: accuracy from initial and from new weights",
        ("lth_local",),
        *(ROWS, ("variant",)),
    ),
)
