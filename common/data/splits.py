"""Splits of splits: validation images held out, subsets, alternate halves."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from common.data.datasets import Dataset, Split, split_counts
from common.data.files import ImageFiles
from common.errors import UserError, unknown_name

HoldOutMode = Literal["random", "first", "stratified"]
SubsetChoice = Literal["random", "first"]


def hold_out(
    dataset: Dataset,
    count_or_fraction: int | float,
    mode: HoldOutMode = "random",
    generator: torch.Generator | None = None,
    *,
    source: Literal["train", "test"] = "train",
) -> Dataset:
    """Move images to the validation split; both parts keep the stored order.

    Images go behind those of a validation split that is there already (:func:`merge_validation`
    takes that one back first).

    Args:
        dataset: the data set to take from.
        count_or_fraction: an int is a number of images, a float in [0, 1) a fraction of the source.
        mode: ``random``; ``first`` (in stored order, as the ToST code does); ``stratified``: random
            with every class in the same proportion (to one image).
        generator: needed by ``random`` and ``stratified``.
        source: the split to take from; Rare Gems halves the TinyImageNet test images.

    Raises:
        UserError: where the amount leaves no image in the source, or the mode is unknown.
    """
    split = dataset.train if source == "train" else dataset.test
    count = _amount("data.validation", count_or_fraction, len(split))
    if count == 0:
        return dataset
    if count >= len(split):
        raise UserError(
            f"data.validation: {count_or_fraction!r} leaves nothing of the {len(split)} "
            f"{source} images; allowed are 0 to {len(split) - 1}"
        )
    taken = torch.zeros(len(split), dtype=torch.bool)
    taken[_held_out(split, count, mode, generator, dataset.num_classes)] = True
    validation = split.select(taken.nonzero().squeeze(1))
    rest = split.select((~taken).nonzero().squeeze(1))
    if dataset.validation is not None:
        validation = concatenate(dataset.validation, validation)
    if source == "train":
        return dataset.with_splits(train=rest, validation=validation)
    return dataset.with_splits(test=rest, validation=validation)


def merge_validation(dataset: Dataset) -> Dataset:
    """Return the data set with its validation images behind the training images."""
    if dataset.validation is None:
        return dataset
    train = concatenate(dataset.train, dataset.validation)
    fingerprint = dataset.fingerprint | split_counts(train, None, dataset.test)
    return replace(dataset, train=train, validation=None, fingerprint=fingerprint)


def subset(
    split: Split,
    fraction: float | None = None,
    choose: SubsetChoice = "random",
    generator: torch.Generator | None = None,
    *,
    batch_size: int | None = None,
    count: int | None = None,
) -> Split:
    """Return part of a split in stored order.

    Args:
        split: what to take from.
        fraction: the part to take, in (0, 1]; give this or ``count``.
        choose: ``random`` or ``first`` in stored order.
        generator: needed by ``random``.
        batch_size: ``first`` takes whole minibatches of this size only: of 50,000 images half are
            25,000, or 24,960 in minibatches of 64 (the half data set of Su et al.). It has no
            bearing on ``random``.
        count: the number of images to take.
    """
    if (fraction is None) == (count is None):
        raise UserError("data.subset: give either a fraction or a count")
    total = _amount("data.subset", count if fraction is None else float(fraction), len(split))
    if batch_size is not None and choose == "first":
        total -= total % batch_size
    if not 0 < total <= len(split):
        raise UserError(
            f"data.subset: {total} images are not between 1 and the {len(split)} there are"
        )
    if choose == "first":
        return split.select(torch.arange(total))
    if choose != "random":
        raise unknown_name("data.subset.choose", choose, ("random", "first"))
    order = torch.randperm(len(split), generator=_required(generator, "random"))
    return split.select(order[:total].sort().values)


def alternate_halves(split: Split, num_classes: int) -> tuple[Split, Split]:
    """Deal each class out in stored order: 1st image to the first half, 2nd to the second, ..."""
    labels = split.labels.cpu()
    rank = torch.empty_like(labels)
    for label in range(num_classes):
        members = (labels == label).nonzero().squeeze(1)
        rank[members] = torch.arange(len(members))
    first = (rank % 2 == 0).nonzero().squeeze(1)
    second = (rank % 2 == 1).nonzero().squeeze(1)
    return split.select(first), split.select(second)


def balanced_batch(
    split: Split, samples_per_class: int, num_classes: int, generator: torch.Generator
) -> Tensor:
    """Draw the same number of random images of every class (the batch that GraSP scores on).

    Returns:
        int64 indices into the split, (samples_per_class * num_classes,), sorted by class.

    Raises:
        UserError: where a class has fewer images than asked for.
    """
    labels = split.labels.cpu()
    for label, available in enumerate(torch.bincount(labels, minlength=num_classes).tolist()):
        if available < samples_per_class:
            raise UserError(
                f"samples_per_class: {samples_per_class} images of every class asked for, "
                f"class {label} has {available}"
            )
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels[order]
    picks = [order[shuffled == label][:samples_per_class] for label in range(num_classes)]
    return torch.cat(picks)


def stratified_counts(class_counts: list[int], total: int) -> list[int]:
    """Share ``total`` among the classes in proportion (largest remainders, ties to the first)."""
    whole = sum(class_counts)
    shares = [count * total // whole for count in class_counts]
    remainders = [count * total % whole for count in class_counts]
    by_remainder = sorted(range(len(shares)), key=lambda label: (-remainders[label], label))
    for label in by_remainder[: total - sum(shares)]:
        shares[label] += 1
    return shares


def concatenate(first: Split, second: Split) -> Split:
    """Return both splits as one, in order."""
    labels = torch.cat([first.labels, second.labels])
    if isinstance(first.images, Tensor) and isinstance(second.images, Tensor):
        return Split(torch.cat([first.images, second.images]), labels)
    if isinstance(first.images, ImageFiles) and isinstance(second.images, ImageFiles):
        return Split(first.images.joined(second.images), labels)
    raise ValueError("images in memory and images in files cannot be joined")


def _amount(name: str, count_or_fraction: int | float | None, total: int) -> int:
    """Return a number of images from a number or a fraction of them."""
    value = count_or_fraction
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise UserError(f"{name}: {value!r} is neither a number of images nor a fraction in [0, 1]")
    if isinstance(value, int):
        return value
    if value > 1:
        raise UserError(f"{name}: {value!r} is no fraction in [0, 1]; a number of images is an int")
    return round(value * total)


def _required(generator: torch.Generator | None, mode: str) -> torch.Generator:
    """Return the generator, which random choices cannot do without."""
    if generator is None:
        raise ValueError(f"mode {mode!r} draws random numbers and needs a generator")
    return generator


def _held_out(
    split: Split, count: int, mode: str, generator: torch.Generator | None, num_classes: int
) -> Tensor:
    """Return the indices of the images to hold out."""
    if mode == "first":
        return torch.arange(count)
    if mode == "random":
        return torch.randperm(len(split), generator=_required(generator, mode))[:count]
    if mode != "stratified":
        raise unknown_name("data.validation.mode", mode, ("random", "first", "stratified"))
    order = torch.randperm(len(split), generator=_required(generator, mode))
    shuffled = split.labels.cpu()[order]
    shares = stratified_counts(split.class_counts(num_classes), count)
    return torch.cat([order[shuffled == label][:share] for label, share in enumerate(shares)])
