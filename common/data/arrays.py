"""Decoded files on their way to a data set: what readers return, and the checks they share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from common.data.datasets import Split
from common.errors import UserError


@dataclass(frozen=True)
class Decoded:
    """What a reader found: both splits, where they come from, and the classes' names if known."""

    train: Split
    test: Split
    source: str
    class_names: tuple[str, ...] | None = None


def decode_images(paths: list[Path], shape: tuple[int, int, int]) -> Tensor:
    """Decode PNG or JPEG files.

    Args:
        paths: the files, in the order of the result.
        shape: channels, height and width that every image must have; colours are converted to
            1 or 3 channels.

    Returns:
        uint8, (count, channels, height, width).

    Raises:
        UserError: where a file is no image, is truncated or has another size.
    """
    channels, height, width = shape
    mode = "L" if channels == 1 else "RGB"
    pixels = np.empty((len(paths), height, width, channels), dtype=np.uint8)
    for position, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                size = image.size
                if size == (width, height):
                    pixels[position] = np.asarray(image.convert(mode)).reshape(pixels.shape[1:])
        except (OSError, SyntaxError, ValueError) as error:
            raise UserError(
                f"{path}: no image, or a damaged one; replace it ({one_line(error)})"
            ) from error
        if size != (width, height):
            raise UserError(
                f"{path}: image of {size[0]}x{size[1]} pixels, expected {width}x{height}"
            )
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def check_decoded(
    decoded: Decoded, name: str, num_classes: int, shape: tuple[int, int, int]
) -> None:
    """Raise a UserError unless images have the shape and each split has every class, no other."""
    for part, split in (("training", decoded.train), ("test", decoded.test)):
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
