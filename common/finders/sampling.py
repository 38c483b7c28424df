"""Which training images a score sees: a balanced batch, a minibatch, or a pass over them all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

import torch
from torch import Tensor

from common.data import Batches
from common.errors import UserError
from common.finders.base import Batch, ScoringData

Sampling = Literal["balanced", "minibatch", "loader"]


@dataclass(frozen=True)
class LoaderPass(Sequence[Batch]):
    """Batches that are not augmented, made when they are asked for, the same ones every time.

    Attributes:
        batches: makes them.
        order: int64, the images in the order of the pass.
        size: images in a batch; the last one may be smaller.
    """

    batches: Batches
    order: Tensor
    size: int

    def __len__(self) -> int:
        """How many batches there are."""
        return math.ceil(len(self.order) / self.size)

    @overload
    def __getitem__(self, index: int) -> Batch: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Batch]: ...

    def __getitem__(self, index: int | slice) -> Batch | Sequence[Batch]:
        """Return one batch, or several."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        start = (index % len(self)) * self.size
        return self.batches.at(self.order[start : start + self.size])


def loader_pass(
    data: ScoringData, size: int, most: int | None, generator: torch.Generator
) -> LoaderPass:
    """Return one shuffled pass over the training images, not augmented.

    Args:
        data: the training images.
        size: images in a batch.
        most: how many batches of the pass; None: all, the last one perhaps smaller.
        generator: decides the order.

    Raises:
        UserError: the pass has fewer batches than are asked for.
    """
    order = torch.randperm(len(data.split), generator=generator)
    whole = LoaderPass(data.batches(data.split), order, size)
    if most is None:
        return whole
    if most > len(whole):
        raise UserError(
            f"find.score_batches: {most} is more than the {len(whole)} batches of {size} that "
            f"{len(order)} training images make"
        )
    return LoaderPass(whole.batches, order[: most * size], size)


def score_batches(
    data: ScoringData,
    sampling: Sampling,
    generator: torch.Generator,
    *,
    count: int | None,
    samples_per_class: int,
    batch_size: int,
) -> Sequence[Batch]:
    """Return the batches whose gradients a score sums.

    Args:
        data: the training images.
        sampling: ``balanced``, ``samples_per_class`` random images of every class; ``minibatch``,
            ``batch_size`` random images: both augmented as in training, drawn anew for every
            batch. ``loader``: see ``loader_pass``.
        generator: decides everything random.
        count: how many batches; None: all of a pass.
        samples_per_class: of a balanced batch.
        batch_size: of the others.
    """
    if sampling == "loader":
        return loader_pass(data, batch_size, count, generator)
    assert count is not None, "only a pass has an end"
    if sampling == "balanced":
        return [data.balanced(samples_per_class, generator) for _ in range(count)]
    return [data.minibatch(batch_size, generator) for _ in range(count)]
