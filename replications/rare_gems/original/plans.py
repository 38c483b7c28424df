"""What an algorithm makes of the values, and what the algorithms have in common."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from common.errors import UserError
from replications.rare_gems.original.given import Given
from replications.rare_gems.original.sections import Section, network, recipe
from replications.rare_gems.original.text import Value


@dataclass(frozen=True)
class Plan:
    """What one algorithm makes of the values.

    Attributes:
        method: as in the tables.
        find: the finder's section.
        train: the ticket's recipe.
        variant: as in the tables.
        checks: whether the original goes on to the sanity checks behind it.
        amp: whether the original always uses mixed precision for it.
    """

    method: str
    find: Section
    train: Section
    variant: str = "standard"
    checks: bool = False
    amp: bool = False


def search_recipe(given: Given) -> Section:
    """Return the recipe of a mask search; as in the original its last epoch is the result."""
    if not given["freeze_weights"]:
        raise UserError("freeze_weights: false is refused: weights are frozen in every search")
    section = recipe(given, given["epochs"], fine_tune=False)
    return section | {"select": "last", "patience": None, "watch_test": True}


def fine_tuning(given: Given) -> Section:
    """Return the recipe that a ticket is trained with."""
    return recipe(given, 0 if given["skip_fine_tune"] else given["epochs"], fine_tune=True)


def complement(fraction: Value, whole: int = 1) -> float:
    """Return the other part of a whole, as a fraction: 1 - 0.0059 is 0.9941 and nothing else."""
    return float(1 - Decimal(str(fraction)) / whole)


def target_sparsity(given: Given) -> float:
    """Return the sparsity that ``target_sparsity``, a density in percent, asks for."""
    percent = given["target_sparsity"]
    sparsity = complement(percent, 100)
    given.notes.append(
        f"target_sparsity: {percent:g} % of the weights stay, so the sparsity is {sparsity:g}"
    )
    return sparsity


def prune_rate(given: Given, what: str) -> float:
    """Return a ``prune_rate`` that must be a fraction strictly between 0 and 1."""
    rate = given["prune_rate"]
    if not 0 < rate < 1:
        raise UserError(f"prune_rate: must be {what}, between 0 and 1, found {rate!r}")
    return float(rate)


def shortcut_option(given: Given) -> Section:
    """Return what leaves the shortcuts of the large ResNets alone (spec 2.9)."""
    return {"prune_shortcuts": False} if network(given).large else {}
