"""Partitions that are fixed for good: the same for every run, whatever its seed.

They are drawn with NumPy's legacy generator, whose numbers never change.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from common.data.splits import stratified_counts

SEED = 42


def fixed_order(count: int, seed: int) -> Tensor:
    """Return a permutation of ``count`` indices (int64) that follows from the seed alone."""
    return torch.from_numpy(np.random.RandomState(seed).permutation(count)).long()


def deal(order: Tensor, labels: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Take ``count`` of the indices, every class in proportion; return them and the rest.

    Args:
        order: indices into ``labels``; of every class the first ones are taken.
        labels: of all images.
        count: how many to take.
    """
    shuffled = labels[order]
    taken = torch.zeros(len(order), dtype=torch.bool)
    shares = stratified_counts(torch.bincount(shuffled).tolist(), count)
    for label, share in enumerate(shares):
        taken[(shuffled == label).nonzero().squeeze(1)[:share]] = True
    return order[taken], order[~taken]


def three_parts(labels: Tensor) -> dict[str, Tensor]:
    """Split 60/20/20: a stratified fifth to test on, a quarter of the rest to validate on.

    The counts are those of scikit-learn's ``train_test_split``, which rounds up; which images go
    where is this project's own choice, drawn with seed 42.

    Returns:
        Indices in stored order for each of ``train``, ``validation`` and ``test``.
    """
    order = fixed_order(len(labels), SEED)
    test, order = deal(order, labels, -(-len(order) // 5))
    validation, train = deal(order, labels, -(-len(order) // 4))
    parts = {"train": train, "validation": validation, "test": test}
    return {part: indices.sort().values for part, indices in parts.items()}


def halves(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Split in two stratified halves drawn with seed 42; return the indices in stored order."""
    first, second = deal(fixed_order(len(labels), SEED), labels, len(labels) // 2)
    return first.sort().values, second.sort().values
