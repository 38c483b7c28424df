"""The claims (spec 1 and 7.1) as comparisons of runs, under the paper's protocol and reduced ones.

The replication's protocol decides none of them: it has one seed, its masks are found on the target,
and its random tickets are trained on and on (spec 2.4, 2.6).
"""

from __future__ import annotations

from collections.abc import Iterable

from common.results.spec import Claim, Comparison, Selector
from replications.generalizing_tickets.recipes import FASHION, PUBLISHED_LEVELS, level
from replications.generalizing_tickets.reduced import COARSE, COARSE_LEVELS, FINE, FINE_LEVELS

MARGIN = 2.0
PAPER, QUICK = ("paper",), ("quick",)
CPU = ("cpu_5_epochs", "cpu_6_epochs")
NETWORKS = ("vgg19", "resnet50")
NATURAL = ("cifar10", "cifar100", "svhn", FASHION)

FULL = tuple(level(number) for number in PUBLISHED_LEVELS)
HALVING = tuple(level(number, FINE) for number in FINE_LEVELS)
QUARTER = tuple(level(number, COARSE) for number in COARSE_LEVELS)

Place = tuple[str, str, tuple[str, ...]]
"""An experiment, its target, and the sources whose tickets travel there."""

HALVES: tuple[Place, ...] = tuple(
    (f"within_distribution_{network}", "cifar10_b", ("cifar10_a",)) for network in NETWORKS
)
DATASETS: tuple[Place, ...] = tuple(
    (
        f"dataset_transfer_{network}_{'fashionmnist' if target == FASHION else target}",
        target,
        tuple(source for source in NATURAL if source != target),
    )
    for network in NETWORKS
    for target in NATURAL
)
DIGITS: tuple[Place, ...] = (("digits_within_distribution", "digits_b", ("digits_a",)),)
REAL: tuple[Place, ...] = (
    ("mnist_to_fashion", FASHION, ("mnist",)),
    ("cifar10a_to_cifar10b", "cifar10_b", ("cifar10_a",)),
)


def _between(levels: Iterable[float], low: float, high: float = 1.0) -> tuple[float, ...]:
    return tuple(sparsity for sparsity in levels if low <= sparsity <= high)


def _runs(experiment: str, target: str, variant: str, sparsity: tuple[float, ...]) -> Selector:
    found = {"experiment": experiment, "dataset": target, "variant": variant}
    return {**found, "sparsity": sparsity}


def _own(places: Iterable[Place], sparsity: tuple[float, ...]) -> tuple[Comparison, ...]:
    """Compare tickets of the target itself with random ones."""
    return tuple(
        Comparison(
            _runs(experiment, target, target, sparsity),
            _runs(experiment, target, "random_global", sparsity),
            "greater",
            MARGIN,
        )
        for experiment, target, _ in places
    )


def _moved(
    places: Iterable[Place],
    sparsity: tuple[float, ...],
    *,
    other: str | None = None,
    relation: str = "greater",
    margin: float = MARGIN,
) -> tuple[Comparison, ...]:
    """Compare every ticket from elsewhere with another kind, or with the target's own."""
    return tuple(
        Comparison(
            _runs(experiment, target, source, sparsity),
            _runs(experiment, target, other or target, sparsity),
            relation,
            margin,
        )
        for experiment, target, sources in places
        for source in sources
    )


def _optimizers(prefix: str, sparsity: tuple[float, ...]) -> tuple[Comparison, ...]:
    """Compare tickets by the other optimizer with those by the one that trains them."""
    return tuple(
        Comparison(
            {
                "experiment": f"{prefix}optimizer_transfer_target_{trained}",
                "variant": f"found_by_{found}",
                "sparsity": sparsity,
            },
            {
                "experiment": f"{prefix}optimizer_transfer_target_{trained}",
                "variant": f"found_by_{trained}",
            },
            "not_worse",
            MARGIN,
        )
        for trained, found in (("sgd", "adam"), ("adam", "sgd"))
    )


def _snip(experiment: str, sparsity: tuple[float, ...]) -> tuple[Comparison, ...]:
    """Compare iterative magnitude pruning with SNIP, one-shot."""
    own = {"experiment": experiment, "method": "imp", "sparsity": sparsity}
    snip = {"experiment": experiment, "method": "snip", "variant": "model"}
    return (Comparison(own, snip, "greater"),)


def _scaled(
    name: str,
    text: str,
    source: str,
    full: tuple[Comparison, ...],
    quick: tuple[Comparison, ...] = (),
    real: tuple[Comparison, ...] = (),
) -> tuple[Claim, ...]:
    """Return a claim at the paper's scale and as far as reduced runs can speak of it."""
    claims = [Claim(name, text, source, full, protocols=PAPER)]
    if quick:
        claims.append(Claim(f"{name}-digits", f"{text} (digits)", source, quick, protocols=QUICK))
    if real:
        note = "(narrow VGG, few epochs)"
        claims.append(Claim(f"{name}-short", f"{text} {note}", source, real, protocols=CPU))
    return tuple(claims)


def _cliff() -> tuple[Comparison, ...]:
    runs = {net: {"experiment": f"dataset_transfer_{net}_cifar10"} for net in NETWORKS}
    vgg, resnet = (
        {**runs[net], "variant": "cifar10", "sparsity": _between(FULL, 0.995)} for net in NETWORKS
    )
    return (
        Comparison(
            vgg,
            resnet,
            "greater",
            over=("dataset", "sparsity"),
            left_minus={**vgg, "sparsity": 0.0},
            right_minus={**resnet, "sparsity": 0.0},
        ),
    )


SPARSE, MIDDLE, LOW = (0.9, 1.0), (0.5, 0.97), (0.2, 0.8)
EVERYWHERE = (*HALVES, *DATASETS)
MORE_CLASSES = tuple(place for place in DATASETS if place[1] in ("svhn", FASHION))

CLAIMS = (
    *_scaled(
        "ticket-beats-random",
        "At high sparsity tickets beat random tickets",
        "Figure 2; abstract",
        _own(EVERYWHERE, _between(FULL, *SPARSE)),
        _own(DIGITS, _between(HALVING, *SPARSE)),
        _own(REAL, _between(QUARTER, *SPARSE)),
    ),
    *_scaled(
        "transfer-close-to-own",
        "A ticket from other data comes within 2 points of the target's own",
        "abstract; Figure 2",
        _moved(EVERYWHERE, _between(FULL, *MIDDLE), relation="not_worse"),
        _moved(DIGITS, _between(HALVING, *MIDDLE), relation="not_worse"),
        _moved(REAL, _between(QUARTER, *MIDDLE), relation="not_worse"),
    ),
    *_scaled(
        "transfer-beats-random",
        "At high sparsity a ticket from other data beats random tickets",
        "abstract; Figure 2",
        _moved(EVERYWHERE, _between(FULL, *SPARSE), other="random_global"),
        _moved(DIGITS, _between(HALVING, *SPARSE), other="random_global"),
        _moved(REAL, _between(QUARTER, *SPARSE), other="random_global"),
    ),
    *_scaled(
        "more-classes-better",
        "With as many images, tickets from CIFAR-100 transfer better than those from CIFAR-10",
        "abstract",
        tuple(
            Comparison(
                _runs(experiment, target, "cifar100", _between(FULL, *SPARSE)),
                _runs(experiment, target, "cifar10", _between(FULL, *SPARSE)),
                "greater",
            )
            for experiment, target, _ in MORE_CLASSES
        ),
    ),
    *_scaled(
        "optimizer-independent",
        "A ticket found with the other optimizer comes within 2 points of one's own",
        "abstract",
        _optimizers("", _between(FULL, *MIDDLE)),
        _optimizers("digits_", _between(QUARTER, *MIDDLE)),
    ),
    *_scaled(
        "transfer-beats-own-on-fashion",
        "With an over-parameterised network, VGG19 on Fashion-MNIST, transferred tickets beat the "
        "target's own at low sparsity",
        "text: over-parameterised targets",
        _moved(
            [place for place in DATASETS if place[0] == "dataset_transfer_vgg19_fashionmnist"],
            _between(FULL, *LOW),
            margin=0.0,
        ),
    ),
    *_scaled(
        "random-first-on-resnet50",
        "With ResNet50 random tickets beat tickets at low sparsity",
        "Figure 2",
        tuple(
            Comparison(
                _runs("within_distribution_resnet50", "cifar10_b", "random_global", low),
                _runs("within_distribution_resnet50", "cifar10_b", "cifar10_b", low),
                "greater",
            )
            for low in (_between(FULL, 0.2, 0.5),)
        ),
    ),
    *_scaled(
        "vgg-flat-resnet-cliff",
        "At extreme sparsity ResNet50 loses more of its accuracy than VGG19",
        "text: the shape of the decline",
        _cliff(),
    ),
    *_scaled(
        "snip-below-imp",
        "At high sparsity SNIP stays below iterative magnitude pruning",
        "none of the paper: a question of this replication",
        _snip("snip_vs_imp", _between(FULL, 0.95)),
        _snip("digits_snip_vs_imp", _between(QUARTER, 0.95)),
    ),
)
