"""Images in their files: how one is read, and many that stay where they are until a batch asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image
from torch import Tensor

from common.errors import UserError

Shape = tuple[int, int, int]
Fit = Literal["exact", "stretch", "centre"]


@dataclass(frozen=True)
class Frame:
    """How the image of a file becomes one of a fixed shape.

    Resizing is bilinear and antialiased: Pillow's, and so torchvision's on Pillow images, pixel for
    pixel.

    Attributes:
        shape: channels, height and width; colours are converted to 1 or 3 channels.
        fit: ``exact``: the image must have the size; ``stretch``: it is resized to the size,
            whatever its proportions; ``centre``: its shorter side is resized to ``short_side``,
            then the centre is cut out.
        short_side: of ``centre``, in pixels; at least the height and the width.
    """

    shape: Shape
    fit: Fit = "exact"
    short_side: int = 0

    @property
    def mode(self) -> str:
        """Pillow's name of the colours."""
        return "L" if self.shape[0] == 1 else "RGB"

    def apply(self, image: Image.Image) -> Image.Image:
        """Return an image of the frame's size."""
        _, height, width = self.shape
        if self.fit == "stretch":
            return image.resize((width, height), Image.Resampling.BILINEAR)
        if self.fit == "centre":
            short, scale = min(image.size), self.short_side
            across, down = (scale * side // short for side in image.size)
            resized = image.resize((across, down), Image.Resampling.BILINEAR)
            left, top = round((across - width) / 2), round((down - height) / 2)
            return resized.crop((left, top, left + width, top + height))
        return image


def open_image(path: str | Path, frame: Frame) -> Image.Image:
    """Decode a PNG or JPEG file into an image of the frame's colours, in the file's own size.

    Raises:
        UserError: where the file is no image, is truncated or has not the size it must have.
    """
    _, height, width = frame.shape
    try:
        with Image.open(path) as image:
            size = image.size
            if frame.fit != "exact" or size == (width, height):
                image.load()
                return image if image.mode == frame.mode else image.convert(frame.mode)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path}: no image, or a damaged one; replace it ({one_line(error)})"
        ) from error
    raise UserError(f"{path}: image of {size[0]}x{size[1]} pixels, expected {width}x{height}")


def one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images that stay in their files.

    It stands where a tensor of images does: it has a length and a shape, and parts of it can be
    selected; the pixels are read only for a batch.

    Attributes:
        root: the folder that the names are relative to.
        names: the files.
        frame: how each becomes an image.
    """

    root: Path
    names: Sequence[str]
    frame: Frame

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Count, channels, height and width, as of the tensor that all images would make."""
        return len(self.names), *self.frame.shape

    def select(self, indices: Tensor) -> ImageFiles:
        """Return the images at ``indices`` (int64), in that order."""
        return replace(self, names=[self.names[index] for index in indices.tolist()])

    def joined(self, other: ImageFiles) -> ImageFiles:
        """Return these images and others of the same data set behind them."""
        if (self.root, self.frame) != (other.root, other.frame):
            raise ValueError("images of different data sets cannot be joined")
        return replace(self, names=[*self.names, *other.names])

    def open(self, index: int) -> Image.Image:
        """Decode one file, in its own size; ``UserError`` that names it where it is damaged."""
        return open_image(f"{self.root}/{self.names[index]}", self.frame)
