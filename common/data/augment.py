"""What is done to training images, and the random numbers that say how."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor

from common.errors import UserError

Box = tuple[int, int, int, int]
Size = tuple[int, int]


@dataclass(frozen=True)
class ResizedCrop:
    """A box of random area and proportions, resized to the image's size.

    The boxes are distributed as those of torchvision's ``RandomResizedCrop``: up to ten tries to
    find one that fits, else the largest allowed box in the middle.

    Attributes:
        min_area, max_area: the box's part of the image's area.
        min_ratio, max_ratio: its width divided by its height.
    """

    min_area: float = 0.08
    max_area: float = 1.0
    min_ratio: float = 3 / 4
    max_ratio: float = 4 / 3

    def box(self, width: int, height: int, seed: int) -> Box:
        """Return left, top, right and bottom of the box that the seed draws in an image."""
        draw = random.Random(seed).random
        low, high = math.log(self.min_ratio), math.log(self.max_ratio)
        for _ in range(10):
            area = width * height * (self.min_area + (self.max_area - self.min_area) * draw())
            ratio = math.exp(low + (high - low) * draw())
            across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < across <= width and 0 < down <= height:
                left, top = int(draw() * (width - across + 1)), int(draw() * (height - down + 1))
                return left, top, left + across, top + down
        across = min(width, max(1, round(height * self.max_ratio)))
        down = min(height, max(1, round(width / self.min_ratio)))
        left, top = (width - across) // 2, (height - down) // 2
        return left, top, left + across, top + down


@dataclass(frozen=True)
class Augment:
    """Random crops of the zero-padded image, and horizontal flips with probability 1/2.

    Attributes:
        crop_padding: zero pixels on every side before the crop (0: the image itself is cropped).
        crop_size: height and width of the crop; None keeps the image's.
        horizontal_flip: whether to flip.
        resized_crop: cut this out of the file's image in place of a crop of the padded one; only
            for images that are streamed from their files. ``crop_padding`` has then no bearing,
            and ``crop_size`` is the size that the box is resized to.
    """

    crop_padding: int = 4
    crop_size: int | None = None
    horizontal_flip: bool = True
    resized_crop: ResizedCrop | None = None

    def output_size(self, height: int, width: int) -> Size:
        """Return the size of a training image, which has to fit into the padded image."""
        if self.crop_size is None:
            return height, width
        room = min(height, width) + 2 * self.crop_padding
        if self.resized_crop is None and not 0 < self.crop_size <= room:
            raise UserError(
                f"data.augment.crop_size: {self.crop_size} does not fit images of {height}x{width} "
                f"padded by {self.crop_padding}; allowed are 1 to {room}"
            )
        return self.crop_size, self.crop_size

    def draw_crops(
        self, count: int, height: int, width: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw the crops of ``count`` images of a size.

        Returns:
            Top and left of every crop in the padded image, and 1 where it is mirrored, else 0;
            each int64, (count,).
        """
        down, across = self.output_size(height, width)
        padding = 2 * self.crop_padding
        top = torch.randint(height + padding - down + 1, (count,), generator=generator)
        left = torch.randint(width + padding - across + 1, (count,), generator=generator)
        return top, left, self.draw_flips(count, generator)

    def draw_flips(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw which of ``count`` images are mirrored: 1 or 0, int64, (count,)."""
        if not self.horizontal_flip:
            return torch.zeros(count, dtype=torch.int64)
        return torch.randint(2, (count,), generator=generator)
