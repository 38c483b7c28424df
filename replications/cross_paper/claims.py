"""Findings of single papers, asked of the tickets of all of them.

A finding stands twice: once for the finders it was published for, once for all others. The cells of
a claim are finders (and data sets and sparsities), so its table says finder by finder whether the
finding holds there. Differences are paired by seed: a seed's ticket is the same file on both sides.

A claim on a loss and one on its absence are not opposites: with wide intervals neither holds.

Margins: at full length half a point, as in the replications of the single papers, for single runs
of a network on 10,000 test images differ by so much. On the digits 3 points: the standard error of
one run's 600 test images is 1.2 points at 90 %, and Sanity-Checking's reduced runs have 3, too.
Findings that speak of a loss or a gain have no margin: any loss counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from common.results.spec import Claim, Comparison, Selector
from replications.cross_paper.finders import FINDERS
from replications.cross_paper.grid import FOUND, PLAIN, TOST, experiment
from replications.cross_paper.scales import QUICK, STUDY

PLACE = ("dataset", "architecture", "sparsity")
CELL = ("method", *PLACE)
MARGINS = {STUDY.protocol: 0.5, QUICK.protocol: 3.0}
LEARNED = tuple(name for name, finder in FINDERS.items() if finder.family == "learned")
TRAINED = tuple(name for name, finder in FINDERS.items() if finder.family == "trained")
TARGETED = tuple(name for name, finder in FINDERS.items() if not finder.own_sparsity)


def of(method: str | Iterable[str], check: str = FOUND, recipe: str = PLAIN) -> Selector:
    """Return the selector of some finders' tickets under a check and a recipe."""
    methods = method if isinstance(method, str) else tuple(method)
    return {"experiment": experiment(recipe), "method": methods, "variant": check}


def any_of(check: str = FOUND, recipe: str = PLAIN) -> Selector:
    """Return the selector of the tickets of the finder on the other side."""
    return {"experiment": experiment(recipe), "variant": check}


@dataclass(frozen=True)
class Finding:
    """A finding of one paper.

    Attributes:
        id: of its claims.
        text: what is said of a ticket, as the end of a sentence.
        source: which paper says so, and where.
        published: the finders that the paper says it of.
        asked: all finders that it can be asked of.
        kind: ``harmless`` (a check costs nothing), ``harmful`` (a check costs accuracy), ``gain``
            (the ToST recipe adds accuracy) or ``no_better`` (a rival's tickets are as good).
        by: the check, or the rival finder.
    """

    id: str
    text: str
    source: str
    published: tuple[str, ...]
    asked: tuple[str, ...]
    kind: str
    by: str = ""

    def comparisons(self, methods: tuple[str, ...], margin: float) -> tuple[Comparison, ...]:
        """Return what decides the finding for some finders."""
        if self.kind == "harmless":
            return (Comparison(of(methods, self.by), any_of(), "not_worse", margin, over=CELL),)
        if self.kind == "harmful":
            return (Comparison(of(methods), any_of(self.by), "greater", over=CELL),)
        if self.kind == "gain":
            return (Comparison(of(methods, recipe=TOST), any_of(), "greater", over=CELL),)
        return tuple(
            Comparison(of(self.by), of(method), "not_worse", margin, over=PLACE)
            for method in methods
        )


RANDOM_TICKET, GEM = "random_ticket", "gem_miner"
FINDINGS = (
    Finding(
        "shuffle-harmless",
        "nothing is lost when the mask is shuffled inside its layers",
        "Sanity-Checking, C2",
        ("snip", "grasp"),
        tuple(FINDERS),
        "harmless",
        "mask_shuffled",
    ),
    Finding(
        "shuffle-harmful",
        "accuracy is lost when the mask is shuffled inside its layers",
        "Rare Gems, C2",
        (GEM,),
        tuple(FINDERS),
        "harmful",
        "mask_shuffled",
    ),
    Finding(
        "reinit-harmful",
        "accuracy is lost when the weights under the mask are drawn anew",
        "Rare Gems, C2",
        (GEM,),
        tuple(FINDERS),
        "harmful",
        "reinitialised",
    ),
    Finding(
        "reinit-harmless",
        "nothing is lost when the weights under the mask are drawn anew",
        "Rare Gems, C2-scores",
        ("snip", "grasp", "synflow"),
        tuple(FINDERS),
        "harmless",
        "reinitialised",
    ),
    Finding(
        "weights-harmful",
        "accuracy is lost when the kept weights change places inside their layers",
        "Sanity-Checking, C4",
        ("learning_rate_rewinding",),
        tuple(FINDERS),
        "harmful",
        "weights_shuffled",
    ),
    Finding(
        "tost-gains",
        "the ToST recipe trains the ticket to a higher accuracy than the plain recipe does",
        "ToST, C1",
        (
            *("random", "snip", "grasp", "synflow", "magnitude", "taylor", "gmp", "imp"),
            "lth_local",
        ),
        tuple(FINDERS),
        "gain",
    ),
    Finding(
        "random-ticket-suffices",
        "random tickets with the smart ratio are as good or better",
        "Sanity-Checking, C3",
        ("snip", "grasp"),
        tuple(name for name in TARGETED if name != RANDOM_TICKET),
        "no_better",
        RANDOM_TICKET,
    ),
    Finding(
        "gem-suffices",
        "Gem-Miner's tickets are as good or better",
        "Rare Gems, C1 and C6",
        ("imp_late", "smart_ratio", "edge_popup"),
        tuple(name for name in TARGETED if name != GEM),
        "no_better",
        GEM,
    ),
)


def _claims(finding: Finding, protocol: str) -> Iterable[Claim]:
    """Yield the claim for the finders that it was published for, and that for all others."""
    ending = "" if protocol == STUDY.protocol else f"-{protocol}"
    others = tuple(name for name in finding.asked if name not in finding.published)
    for name, methods, whose in (
        ("published", finding.published, "the finders it was published for"),
        ("others", others, "all other finders"),
    ):
        text = f"{finding.text[0].upper()}{finding.text[1:]}: {whose}"
        parts = finding.comparisons(methods, MARGINS[protocol])
        yield Claim(
            f"{finding.id}-{name}{ending}", text, finding.source, parts, protocols=(protocol,)
        )


def _gains_of_random(protocol: str) -> Claim:
    """Return ToST's claim that random masks gain most, against the mean of all other finders."""
    others = tuple(name for name in TARGETED if name != "random")
    return Claim(
        "random-gains-most" + ("" if protocol == STUDY.protocol else f"-{protocol}"),
        "Random masks gain more by the ToST recipe than those of all other finders do on average",
        "ToST, C3",
        (
            Comparison(
                of("random", recipe=TOST),
                of(others, recipe=TOST),
                "greater",
                over=PLACE,
                left_minus=of("random"),
                right_minus=of(others),
            ),
        ),
        protocols=(protocol,),
    )


CLAIMS = tuple(
    claim
    for protocol in MARGINS
    for claims in (
        *(_claims(finding, protocol) for finding in FINDINGS),
        (_gains_of_random(protocol),),
    )
    for claim in claims
)
