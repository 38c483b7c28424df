"""The grid, declared: finders x checks x recipes x data sets x sparsities, and what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from replications.cross_paper.finders import FINDERS
from replications.cross_paper.scales import QUICK, Config, Scale
from replications.tost.recipes import recipe_of

FOUND = "found"
CHECKS: Mapping[str, tuple[str, ...]] = {
    FOUND: (),
    "mask_shuffled": ("layerwise_rearrange",),
    "reinitialised": ("reinitialise",),
    "weights_shuffled": ("layerwise_weights_shuffling",),
}
"""Transforms of a check.

Rare Gems' shuffled mask and Sanity-Checking's rearranged layers are one operation: the mask is
permuted inside every layer, the weights stay in place. The last check is Sanity-Checking's other
one: the kept weights are permuted among the kept places of their layer, the mask stays.
"""

PLAIN, TOST = "plain", "tost"
RECIPES = (PLAIN, TOST)


@dataclass(frozen=True)
class LeftOut:
    """Cells that a scale does not run, and why; an empty tuple stands for all names.

    Attributes:
        protocol: of the scale.
        reason: in one sentence.
        finders: names.
        checks: names.
        recipes: names.
    """

    protocol: str
    reason: str
    finders: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()

    def holds(self, scale: Scale, finder: str, check: str, recipe: str) -> bool:
        """Tell whether a cell is among these."""
        return (
            scale.protocol == self.protocol
            and (not self.finders or finder in self.finders)
            and (not self.checks or check in self.checks)
            and (not self.recipes or recipe in self.recipes)
        )


LEFT_OUT = (
    LeftOut(
        QUICK.protocol,
        "it removes convolutions only until the network as a whole has the sparsity, but linear "
        "layers hold most weights of the small network: no convolution would be left",
        finders=("lt",),
    ),
    LeftOut(
        QUICK.protocol,
        "the small network has no norm layers, so it finds the tickets of learning-rate rewinding",
        finders=("oneshot_magnitude",),
    ),
    LeftOut(
        QUICK.protocol,
        "on the small network its layers keep as many weights as those of the random ticket, and "
        "both draw the same masks",
        finders=("smart_ratio",),
    ),
    LeftOut(
        QUICK.protocol,
        "time: the ToST recipe takes twice as long, so it trains tickets as found only",
        checks=tuple(name for name in CHECKS if name != FOUND),
        recipes=(TOST,),
    ),
)


def cells(scale: Scale) -> Iterator[tuple[str, str, str]]:
    """Yield finder, check and recipe of every cell that a scale runs."""
    for finder in FINDERS:
        for recipe in RECIPES:
            for check in CHECKS:
                if not any(out.holds(scale, finder, check, recipe) for out in LEFT_OUT):
                    yield finder, check, recipe


def experiment(recipe: str) -> str:
    """Return the experiment of a recipe's runs; tickets of both have the same find phases."""
    return f"{recipe}_recipe"


def tricks(recipe: str, scale: Scale) -> Config:
    """Return what a recipe adds to the plain one: for ToST all four tricks, of which none stays."""
    return {} if recipe == PLAIN else recipe_of("tost") | {"lrsi": scale.lrsi}


def run(scale: Scale, finder: str, check: str, recipe: str) -> Config:
    """Return the config of one cell, which sweeps over data sets and sparsities."""
    declared = FINDERS[finder]
    sweep: dict[str, list[Any]] = {}
    if len(scale.datasets) > 1:
        sweep["data.name"] = list(scale.datasets)
    if not declared.own_sparsity:
        sweep["find.sparsity"] = list(scale.sparsities)
    return {
        "$schema": "../schema.json",
        "paper": "cross_paper",
        "experiment": experiment(recipe),
        "protocol": scale.protocol,
        "name": "-".join((finder, check, recipe)).replace("_", "-"),
        "method": finder,
        "variant": check,
        "data": {"name": scale.datasets[0], **scale.data},
        "model": scale.model | {"init": declared.init},
        "find": declared.find(scale),
        "transform": list(CHECKS[check]),
        "train": scale.train | tricks(recipe, scale),
        "seeds": list(scale.seeds),
        **({"sweep": sweep} if sweep else {}),
    }


def runs(scale: Scale) -> Iterator[Config]:
    """Yield the config of every cell of a scale."""
    for cell in cells(scale):
        yield run(scale, *cell)
