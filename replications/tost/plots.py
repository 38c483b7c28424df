"""The plots: accuracies beside the reported ones, recipe by recipe, and what masks keep.

As in the tables, recipes that keep ghosts or soft neurons to the end have plots of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.results.spec import AccuracyVsSparsity, Bars, Beside, LayerDensities, Matrix, Plot
from replications.tost.claims import TABLE_2, TINY, TWEAKS
from replications.tost.tables import CHAINS, FEW_IMAGES, KEPT, KEPT_CHAINS, PLAIN, STAYS

PANELS = ("dataset", "architecture")
REDUCED = ("digits", "cifar10_short")
SPARSEST = 0.98
SMALL = f"reduced runs (digits, or {FEW_IMAGES})"
APART = f"{STAYS}: not the ticket's plain network"


def _table_2() -> Iterator[Plot]:
    """Yield Table 2 as curves and as a matrix, and its networks that keep their ghosts."""
    beside = Beside((TABLE_2,))
    yield AccuracyVsSparsity(
        "table_2",
        "Masks under the dense recipe and under ToST (Table 2)",
        (TABLE_2,),
        panels=PANELS,
        lines=("method", "variant"),
        where={"variant": ("default", "tost")},
        beside=beside,
    )
    yield Matrix(
        "table_2_recipes",
        "Every mask under all recipes that end with its plain network, at 98 % (Table 2)",
        (TABLE_2,),
        sparsity=SPARSEST,
        rows="variant",
        columns="method",
        panels=PANELS,
        reference="best",
        where={"variant": PLAIN},
        beside=beside,
    )
    yield AccuracyVsSparsity(
        "table_2_kept",
        f"Masks under ToST, {APART}",
        (TABLE_2,),
        panels=PANELS,
        lines=("method", "variant"),
        where={"variant": KEPT},
    )


def _reduced() -> Iterator[Plot]:
    """Yield the reduced runs, a group of bars a mask."""
    for name, title, variants in (
        ("recipes", f"Masks under recipes that end with their plain network, {SMALL}", PLAIN),
        ("recipes_kept", f"Masks in {SMALL}, {APART}", KEPT),
    ):
        yield Bars(
            name,
            title,
            REDUCED,
            groups=("method",),
            panels=(*PANELS, "sparsity"),
            where={"variant": variants},
        )


def _tricks() -> Iterator[Plot]:
    """Yield the studies of single tricks, round by round of a lottery ticket."""
    for name, title, variants in (
        ("tricks", "Single tricks and their combinations", PLAIN),
        ("tricks_kept", f"Single tricks, {APART}", KEPT),
        (
            "tricks_own_masks",
            "Soft neurons that are removed, on masks found with them",
            ("default", *CHAINS),
        ),
        (
            "tricks_own_masks_kept",
            "Soft neurons that stay to the end (not the ticket's plain network), on masks found "
            "with them",
            KEPT_CHAINS,
        ),
    ):
        yield AccuracyVsSparsity(
            name,
            title,
            (TWEAKS,),
            panels=PANELS,
            where={"variant": variants},
            axis="pruned",
        )


PLOTS: tuple[Plot, ...] = (
    *_table_2(),
    *_reduced(),
    *_tricks(),
    AccuracyVsSparsity(
        "table_3",
        "ResNet-32 (width 32) on TinyImageNet (Table 3)",
        (TINY,),
        panels=("method",),
    ),
    AccuracyVsSparsity(
        "other_masks",
        "Masks of three more finders under two recipes, ResNet-32 (width 32) on CIFAR-10",
        ("other_masks_cifar",),
        panels=("method",),
    ),
    AccuracyVsSparsity(
        "networks",
        "Lottery-ticket masks of more networks under two recipes",
        ("generality_cifar",),
        panels=PANELS,
    ),
    AccuracyVsSparsity(
        "lth_local",
        "Lottery tickets pruned in each tensor, from initial and from new weights",
        ("lth_local",),
        panels=PANELS,
        axis="pruned",
    ),
    LayerDensities(
        "layer_densities",
        "What every layer keeps, by mask",
        (TABLE_2, *REDUCED),
        panels=PANELS,
        lines=("method",),
        where={"variant": "default"},
    ),
)
