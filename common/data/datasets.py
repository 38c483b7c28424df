"""What a data set is here: uint8 images and labels in splits, with constants and a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from common.data.files import ImageFiles
from common.errors import UserError, unknown_name


@dataclass(frozen=True)
class Normalization:
    """Per-channel constants for pixels in [0, 1]: a network sees ``(pixel / 255 - mean) / std``."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """Images and labels that belong together.

    Attributes:
        images: uint8, (count, channels, height, width); or the files that such images are decoded
            from, a batch at a time, where all of them would not fit into memory.
        labels: int64, (count,).
    """

    images: Tensor | ImageFiles
    labels: Tensor

    def __post_init__(self) -> None:
        if isinstance(self.images, Tensor) and (
            self.images.dtype != torch.uint8 or self.images.ndim != 4
        ):
            raise ValueError(
                f"images must be uint8 of 4 dimensions, not {self.images.dtype} of "
                f"{self.images.ndim}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != (len(self.images),):
            raise ValueError(
                f"labels must be int64, one an image ({len(self.images)}), not {self.labels.dtype} "
                f"of shape {tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: Tensor) -> Split:
        """Return the images at ``indices`` (int64), in that order."""
        if isinstance(self.images, Tensor):
            images: Tensor | ImageFiles = self.images[indices.to(self.images.device)]
        else:
            images = self.images.select(indices)
        return Split(images, self.labels[indices.to(self.labels.device)])

    def to(self, device: torch.device | str) -> Split:
        """Return the split on ``device``; images in files stay there."""
        images = self.images.to(device) if isinstance(self.images, Tensor) else self.images
        return Split(images, self.labels.to(device))

    def pixels(self, purpose: str) -> Tensor:
        """Return the images as a tensor.

        Args:
            purpose: what they are needed for, such as the field of a config.

        Raises:
            UserError: where they are in files.
        """
        if isinstance(self.images, Tensor):
            return self.images
        raise UserError(
            f"{purpose}: needs all images in memory, but these {len(self):,} are streamed from "
            "their files; use a smaller data set, or one without data.stream"
        )

    def class_counts(self, num_classes: int) -> list[int]:
        """Return the number of images of every class."""
        return torch.bincount(self.labels, minlength=num_classes).tolist()


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set that is ready to be batched.

    Attributes:
        name: the name it was loaded by.
        train, test, validation: its splits; most sets come without a validation split.
        num_classes: how many classes the labels count.
        class_names: the classes' names in the order of their labels, where they are known.
        normalizations: the constants that papers used, by name; always holds ``default``.
        fingerprint: what was loaded (plain values, fit for JSON): ``name``, ``source``, the counts
            ``train``, ``validation`` and ``test``, ``shape`` of an image, ``sha256`` of the pixels
            and labels as loaded (before any image was held out), ``complete`` and, where there
            is something to tell, ``note``. Of images that stay in their files the hash is that of
            names, sizes and labels; ``source`` says so.
    """

    name: str
    train: Split
    test: Split
    validation: Split | None
    num_classes: int
    class_names: tuple[str, ...] | None
    normalizations: Mapping[str, Normalization]
    fingerprint: dict[str, Any] = field(default_factory=dict)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def normalization(self, name: str = "default") -> Normalization:
        """Return the named constants, or raise a UserError that lists the known names."""
        if name not in self.normalizations:
            raise unknown_name(f"data.normalization of {self.name}", name, self.normalizations)
        return self.normalizations[name]

    def with_splits(
        self,
        *,
        train: Split | None = None,
        validation: Split | None = None,
        test: Split | None = None,
    ) -> Dataset:
        """Return the data set with the given splits exchanged, and the counts that go with them."""
        train, test = train or self.train, test or self.test
        validation = validation or self.validation
        fingerprint = self.fingerprint | split_counts(train, validation, test)
        return replace(self, train=train, validation=validation, test=test, fingerprint=fingerprint)


def split_counts(train: Split, validation: Split | None, test: Split) -> dict[str, int]:
    """Return the counts as they stand in a fingerprint."""
    return {
        "train_images": len(train),
        "validation_images": 0 if validation is None else len(validation),
        "test_images": len(test),
    }


def content_hash(*splits: Split | None) -> str:
    """Return the SHA-256 of the shapes, pixels and labels of the splits, in order."""
    digest = hashlib.sha256()
    for split in splits:
        if split is None:
            continue
        images = split.pixels("the hash of the pixels")
        digest.update(repr(tuple(images.shape)).encode())
        digest.update(images.cpu().contiguous().view(-1).numpy().data)
        digest.update(split.labels.cpu().numpy().astype("<i8").data)
    return digest.hexdigest()
