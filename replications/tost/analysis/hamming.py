"""The Hamming distance of masks, and what it would be if they had nothing to do with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replications.tost.analysis.levels import Level, Scope, common_names


@dataclass(frozen=True)
class Distance:
    """How two masks differ.

    Attributes:
        positions: weights that are compared.
        only_first: those removed in the first network and kept in the second.
        only_second: the reverse.
        kept_by_both: those that neither removes.
        by_chance: expected distance of independent random masks with the same layer densities.
    """

    positions: int
    only_first: int
    only_second: int
    kept_by_both: int
    by_chance: float

    @property
    def differing(self) -> int:
        """Return the Hamming distance."""
        return self.only_first + self.only_second

    @property
    def fraction(self) -> float:
        """Return the distance as a fraction of the positions."""
        return self.differing / self.positions

    @property
    def overlap(self) -> float:
        """Return the weights that both keep as a fraction of those that either keeps; 1 if none."""
        either = self.kept_by_both + self.differing
        return self.kept_by_both / either if either else 1.0


def hamming_distance(first: Level, second: Level, names: Sequence[str]) -> Distance:
    """Compare two zero patterns over some layers, which both have in the same shapes."""
    positions = only_first = only_second = both = 0
    by_chance = 0.0
    for name in names:
        a, b = first.removed[name], second.removed[name]
        size, removed_a, removed_b = a.numel(), int(a.sum()), int(b.sum())
        shared = int((a & b).sum())
        positions += size
        only_first += removed_a - shared
        only_second += removed_b - shared
        both += size - removed_a - removed_b + shared
        by_chance += (removed_a * (size - removed_b) + removed_b * (size - removed_a)) / size
    return Distance(positions, only_first, only_second, both, by_chance)


def distances(
    first: Sequence[Level], second: Sequence[Level], scope: Scope
) -> tuple[list[list[Distance]], list[str]]:
    """Compare each of some networks with each of others.

    Returns:
        A row for each of ``first`` with an entry for each of ``second``, and the names of the
        layers that were compared.

    Raises:
        UserError: the networks have different layers.
    """
    names = common_names([*first, *second], scope)
    return [[hamming_distance(one, other, names) for other in second] for one in first], names
