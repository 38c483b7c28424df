"""The claims (spec 1, C1 to C6) as comparisons of runs, at the paper's scale and at reduced scale.

A gain is what a recipe adds to the dense recipe on one mask: differences are paired by seed, and a
seed's mask is the same file for both. The interval is a two-sided one, stricter than the one-sided
one of spec 7. Where a claim is on mean gains, its sides are means over masks and networks.

All claims but C6 compare plain networks of the same sparsity. In the reduced runs the recipe that
stands for ToST has no ghosts: a few epochs leave nothing of them after their removal (spec 7).
"""

from __future__ import annotations

from collections.abc import Iterable

from common.results.spec import Claim, Comparison, Selector
from replications.tost.reduced import REAL_EPOCHS

PAPER, QUICK, SHORT = ("paper",), ("quick",), (f"cpu_{REAL_EPOCHS}_epochs",)
BOTH = ("paper", "grasp")
"""Table 2 by the released scripts' protocol and by the one its baselines may come from."""

TABLE_2, TINY, TWEAKS = "mask_x_tost_cifar", "mask_x_tost_tinyimagenet", "tweaks_resnet18_cifar100"
CELL = ("dataset", "architecture", "sparsity")
NAMES = {
    "random": "random",
    "snip": "SNIP",
    "grasp": "GraSP",
    "synflow": "SynFlow",
    "imp": "lottery-ticket",
}
TRICKS = {
    "swish": "Ghost soft neurons alone gain",
    "ghosts": "Ghost skip connections alone gain",
    "ls": "Label smoothing alone gains",
    "lrsi": "Layer-wise re-scaled initialisation alone gains",
}


def runs(experiment: str, method: str | tuple[str, ...], variant: str, **more: object) -> Selector:
    """Return the selector of masks of one kind, or several, under one recipe."""
    return {"experiment": experiment, "method": method, "variant": variant, **more}


def _gain(
    experiment: str,
    method: str | tuple[str, ...],
    variant: str = "tost",
    *,
    over: str = "default",
    margin: float = 0.0,
    **more: object,
) -> Comparison:
    """Compare a recipe with another in every cell; what the right side leaves out must agree."""
    return Comparison(
        runs(experiment, method, variant, **more),
        {"experiment": experiment, "variant": over},
        "greater",
        margin,
        ("method", *CELL),
    )


def _gains(
    left: Selector, right: Selector, variant: str, cell: tuple[str, ...]
) -> tuple[Comparison, ...]:
    """Compare the gain of a recipe on some masks with its gain on others."""
    return (
        Comparison(
            {**left, "variant": variant},
            {**right, "variant": variant},
            "greater",
            over=cell,
            left_minus={**left, "variant": "default"},
            right_minus={**right, "variant": "default"},
        ),
    )


def _steepest(dataset: str) -> tuple[Comparison, ...]:
    """Compare the mean gain at 98 % with the one at 90 %."""
    of: Selector = {"experiment": TABLE_2, "method": tuple(NAMES), "dataset": dataset}
    return _gains({**of, "sparsity": 0.98}, {**of, "sparsity": 0.9}, "tost", ("dataset",))


def _weakest(
    experiment: str, others: Iterable[str], variant: str, cell: tuple[str, ...]
) -> tuple[Comparison, ...]:
    """Compare the gain of random masks with the mean gain of all others."""
    of: Selector = {"experiment": experiment}
    return _gains({**of, "method": "random"}, {**of, "method": tuple(others)}, variant, cell)


ANY_MASK = (
    *(
        Claim(
            f"C1-{method}",
            f"ToST trains {name} masks to a higher accuracy than the dense recipe does, whatever "
            "the data set, the network and the sparsity",
            "Table 2",
            (_gain(TABLE_2, method),),
            BOTH,
        )
        for method, name in NAMES.items()
    ),
    Claim(
        "C1-others",
        "ToST gains over the dense recipe on masks by magnitude, by Taylor scores and by gradual "
        "pruning, too",
        "README of the released code, its list of masks",
        (_gain("other_masks_cifar", ("magnitude", "taylor", "gmp")),),
        PAPER,
    ),
    Claim(
        "C1-digits",
        "All tricks but ghosts train a mask to a higher accuracy than the dense recipe does, "
        "whatever found it (digits)",
        "C1, at reduced scale",
        (_gain("digits", ("random", "snip", "synflow", "imp"), "tost_noghost"),),
        QUICK,
    ),
    Claim(
        "C1-digits-ghosts",
        "All four tricks, ghosts removed again after a quarter of the training, gain over the "
        "dense recipe (digits; a pilot found no such gain in so few epochs)",
        "C1, at reduced scale",
        (_gain("digits", ("random", "snip")),),
        QUICK,
    ),
    Claim(
        "C1-short",
        "All tricks but ghosts train random and SNIP masks to a higher accuracy than the dense "
        "recipe does (ResNet-8, few epochs of CIFAR-10)",
        "C1, at reduced scale",
        (_gain("cifar10_short", ("random", "snip"), "tost_noghost"),),
        SHORT,
    ),
    Claim(
        "C1-short-ghosts",
        "All four tricks, ghosts removed again after a quarter of the training, gain over the "
        "dense recipe (few epochs of CIFAR-10; a pilot found no such gain)",
        "C1, at reduced scale",
        (_gain("cifar10_short", ("random", "snip")),),
        SHORT,
    ),
)

HIGH_SPARSITY = (
    Claim(
        "C2",
        "On CIFAR-100 the mean gain over all masks and networks is greater at 98 % than at 90 %",
        "Table 2 (4.56 points and 1.11)",
        _steepest("cifar100"),
        BOTH,
    ),
    Claim(
        "C2-cifar10",
        "On CIFAR-10, too, the mean gain is greater at 98 % than at 90 % (not so in the paper's "
        "own table: 1.33 points and 1.55)",
        "Table 2",
        _steepest("cifar10"),
        BOTH,
    ),
    Claim(
        "C2-earlier",
        "On ResNet-18 and CIFAR-100 all tricks together gain more than a point over LTH at every "
        "sparsity from 20 to 97 %",
        "abstract of the earlier version (1.05 to 4.93 points)",
        (_gain(TWEAKS, "imp", margin=1.0),),
        PAPER,
    ),
)

WEAK_MASKS = (
    Claim(
        "C3",
        "Random masks gain more than the mean of all others, on both data sets and networks",
        "Table 2 (4.37 points, others 1.06 to 1.42)",
        _weakest(TABLE_2, (m for m in NAMES if m != "random"), "tost", CELL[:2]),
        BOTH,
    ),
    Claim(
        "C3-digits",
        "Random masks gain more by the tricks without ghosts than SNIP, SynFlow and lottery-ticket "
        "masks do on average (digits)",
        "C3, at reduced scale",
        _weakest("digits", ("snip", "synflow", "imp"), "tost_noghost", CELL),
        QUICK,
    ),
    Claim(
        "C3-short",
        "Random masks gain more by the tricks without ghosts than SNIP masks do (few epochs of "
        "CIFAR-10)",
        "C3, at reduced scale",
        _weakest("cifar10_short", ("snip",), "tost_noghost", CELL),
        SHORT,
    ),
)

ELSEWHERE = (
    Claim(
        "C4",
        "On TinyImageNet ToST gains over the dense recipe on SNIP and lottery-ticket masks at 85, "
        "90 and 95 %",
        "Table 3 as summarised elsewhere",
        (_gain(TINY, ("snip", "imp")),),
        PAPER,
    ),
    Claim(
        "C4-points",
        "On TinyImageNet at 95 % it gains more than 2 points over SNIP and more than 1.5 over LTH",
        "Table 3 as summarised elsewhere",
        (
            _gain(TINY, "snip", margin=2.0, sparsity=0.95),
            _gain(TINY, "imp", margin=1.5, sparsity=0.95),
        ),
        PAPER,
    ),
    Claim(
        "C4-networks",
        "ToST gains over LTH with ResNet-32, ResNet-34, ResNet-104, VGG-16 and MobileNet",
        "abstract",
        (_gain("generality_cifar", "imp"),),
        PAPER,
    ),
)

EACH_TRICK = (
    *(
        Claim(
            f"C5-{variant}",
            f"{statement} over LTH on ResNet-18 and CIFAR-100 at every sparsity",
            "the four tricks as the paper names them; its numbers for each are not at hand",
            (_gain(TWEAKS, "imp", variant),),
            PAPER,
        )
        for variant, statement in TRICKS.items()
    ),
    Claim(
        "C5-stack",
        "All four tricks together gain more than each of them alone (ResNet-18, CIFAR-100)",
        "the four tricks together; the paper's numbers are not at hand",
        tuple(_gain(TWEAKS, "imp", over=variant) for variant in TRICKS),
        PAPER,
    ),
    Claim(
        "C5-digits",
        "Each of the four tricks alone gains over the dense recipe on random masks (digits)",
        "C5, at reduced scale",
        tuple(_gain("digits", "random", variant) for variant in TRICKS),
        QUICK,
    ),
)

_KEPT = (
    "Ghosts and soft neurons kept to the end give more accuracy than removed ones, in another "
    "network: larger and not plain"
)
GHOSTS = (
    Claim(
        "C6",
        _KEPT,
        "abstract, and summaries of the text",
        (
            _gain(TABLE_2, tuple(NAMES), "tost_keep", over="tost"),
            _gain(TWEAKS, "imp", "tost_keep", over="tost"),
        ),
        PAPER,
    ),
    *(
        Claim(
            f"C6-{name}",
            f"{_KEPT} ({where})",
            "C6, at reduced scale",
            (_gain(experiment, ("random", "snip"), "tost_keep", over="tost"),),
            protocols,
        )
        for name, experiment, where, protocols in (
            ("digits", "digits", "digits", QUICK),
            ("short", "cifar10_short", "few epochs of CIFAR-10", SHORT),
        )
    ),
)

CLAIMS = (*ANY_MASK, *HIGH_SPARSITY, *WEAK_MASKS, *ELSEWHERE, *EACH_TRICK, *GHOSTS)
