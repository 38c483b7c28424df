"""The zero pattern of a network: which weights of which layers pruning has removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from common.errors import UserError, nearest
from common.tickets.transfer import is_classifier
from replications.tost.analysis.sources import Source

Scope = Literal["conv", "all"]
CONV_DIMENSIONS = 3
"""A weight of at least so many dimensions is a convolution's."""


@dataclass(frozen=True)
class Level:
    """One network of a search, layer by layer.

    Attributes:
        label: what to call it.
        file: where it comes from.
        removed: for every weight tensor, in the order of layers, a bool tensor of its shape.
        weights: the same tensors; of a ticket the ones to start from.
        masked: names of the tensors that have a mask.
    """

    label: str
    file: str
    removed: dict[str, Tensor]
    weights: dict[str, Tensor]
    masked: frozenset[str]

    def names(self, scope: Scope) -> list[str]:
        """Return the layers of a scope.

        ``conv``: convolutions, but no classifier that is one; ``all``: linear layers, too, and
        whatever else has a mask.
        """
        return [name for name in self.removed if self._in_scope(name, scope)]

    def _in_scope(self, name: str, scope: Scope) -> bool:
        dimensions = self.weights[name].dim()
        if scope == "conv":
            return dimensions >= CONV_DIMENSIONS and not is_classifier(name)
        return dimensions > 1 or name in self.masked

    def sparsity(self, names: Sequence[str]) -> float:
        """Return the fraction of some layers' weights that is removed."""
        total = sum(self.removed[name].numel() for name in names)
        return sum(int(self.removed[name].sum()) for name in names) / total


def level_of(source: Source, zero: float) -> Level:
    """Return the zero pattern of a file.

    Args:
        source: of a ticket the masks count, and what has none is dense; of a checkpoint the values.
        zero: a weight of a checkpoint is removed where it is 0 or its magnitude is below this.
    """
    names = source.weight_names()
    if source.is_ticket:
        weights = {name: source.start.weights[name] for name in names}
        masks = source.start.masks
        removed = {
            name: ~masks[name] if name in masks else torch.zeros_like(weight, dtype=torch.bool)
            for name, weight in weights.items()
        }
    else:
        state = source.state()
        weights = {name: state[name] for name in names}
        removed = {name: (w == 0) | (w.abs() < zero) for name, w in weights.items()}
    masked = frozenset(source.start.masks)
    return Level(source.label, str(source.path), removed, weights, masked)


def convolutions(level: Level) -> list[str]:
    """Return the names of a network's convolutions.

    Raises:
        UserError: it has none.
    """
    names = level.names("conv")
    if not names:
        raise UserError(f"{level.file}: has no convolutions")
    return names


def common_names(levels: Sequence[Level], scope: Scope) -> list[str]:
    """Return the layers of a scope that networks share.

    Raises:
        UserError: they have other layers, or layers of other shapes; or there is none in the scope.
    """
    first = levels[0]
    found = list(dict.fromkeys(name for level in levels for name in level.names(scope)))
    for name in found:
        for level in levels:
            if name not in level.removed:
                guess = nearest(name, level.removed)
                hint = f" (nearest: {guess!r})" if guess else ""
                raise UserError(f"{level.file}: has no {name!r}, which others have{hint}")
            shape, other = level.removed[name].shape, first.removed[name].shape
            if shape != other:
                raise UserError(
                    f"{level.file}: {name} has shape {list(shape)}, but {list(other)} in "
                    f"{first.file}"
                )
    if not found:
        raise UserError(f"--scope {scope}: {first.file} has no such layer")
    return found
