"""Decoded files on their way to a data set: what readers return, and the checks they share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.data.datasets import Split
from common.data.files import Frame, open_image
from common.errors import UserError


@dataclass(frozen=True)
class Decoded:
    """What a reader found: the splits, where they come from, and the classes' names if known."""

    train: Split
    test: Split
    source: str
    class_names: tuple[str, ...] | None = None
    validation: Split | None = None


def decode_images(paths: list[Path], frame: Frame) -> Tensor:
    """Decode PNG or JPEG files.

    Args:
        paths: the files, in the order of the result.
        frame: how an image becomes one of the shape that all have.

    Returns:
        uint8, (count, channels, height, width).

    Raises:
        UserError: where a file is no image, is truncated or has another size than it must have.
    """
    channels, height, width = frame.shape
    pixels = np.empty((len(paths), height, width, channels), dtype=np.uint8)
    for position, path in enumerate(paths):
        image = frame.apply(open_image(path, frame))
        pixels[position] = np.asarray(image).reshape(pixels.shape[1:])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def check_decoded(
    decoded: Decoded, name: str, num_classes: int, shape: tuple[int, int, int]
) -> None:
    """Raise a UserError unless images have the shape and each split has every class, no other."""
    parts = {"training": decoded.train, "validation": decoded.validation, "test": decoded.test}
    for part, split in parts.items():
        if split is None:
            continue
        if tuple(split.images.shape[1:]) != shape:
            found_shape = tuple(split.images.shape[1:])
            raise UserError(f"{name}: {part} images of shape {found_shape}, expected {shape}")
        found = split.labels.unique().tolist()
        if found and not 0 <= found[0] <= found[-1] < num_classes:
            raise UserError(
                f"{name}: {part} labels from {found[0]} to {found[-1]}, "
                f"expected 0 to {num_classes - 1}"
            )
        if len(found) != num_classes:
            raise UserError(
                f"{name}: found {len(found)} classes in the {part} images, expected {num_classes}"
            )
