"""What half a data set is evaluated on beside all test images."""

from __future__ import annotations

from collections.abc import Callable

from common.data.datasets import Dataset, Split
from common.data.registry import DATASETS
from common.data.splits import alternate_halves
from common.errors import UserError


def check_is_half(name: str, test_split: str) -> None:
    """Raise a UserError unless the data set, a known one, is half of another."""
    if DATASETS[name].half is None:
        halves = sorted(known for known, spec in DATASETS.items() if spec.half is not None)
        raise UserError(
            f"data.test_split: {test_split!r} is only there for half a data set "
            f"({', '.join(halves)}), but data.name is {name!r}"
        )


def evaluated_split(dataset: Dataset, test_split: str, load: Callable[[str], Dataset]) -> Split:
    """Return what of half a data set is evaluated.

    The replication of Generalizing Tickets deals test images out to its halves of CIFAR-10 as it
    does the training images, and its numbers come from 25,000 images, most likely the training
    images of the other half.

    Args:
        dataset: one half, as it was loaded.
        test_split: ``test``: all test images; ``test_half``: every class dealt out in stored order,
            the part of this half; ``other_half_train``: the training images of the other half.
        load: loads the whole data set by its name.

    Raises:
        UserError: the data set is no half.
    """
    if test_split == "test":
        return dataset.test
    check_is_half(dataset.name, test_split)
    half = DATASETS[dataset.name].half
    assert half is not None
    whole, which = half
    if test_split == "test_half":
        return alternate_halves(dataset.test, dataset.num_classes)[which]
    return alternate_halves(load(whole).train, dataset.num_classes)[1 - which]
