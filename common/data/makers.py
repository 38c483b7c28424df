"""What makes the images of batches: the interface, and that for images on the device.

The images lie on the device as zero-padded uint8 in channels-last order, with their mirror images
behind them where the augmentation flips. A crop is then a window that starts at one pixel of that
buffer, and a batch is one ``index_select`` of windows: no loop, no host synchronisation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import override

from common.data.augment import Augment, Size
from common.errors import UserError


class Plan(NamedTuple):
    """How to make images: all random numbers are drawn.

    Attributes:
        rows: int64, one row an image; what it says is the maker's own.
        size: height and width of the images.
        augmented: whether they are augmented.
    """

    rows: Tensor
    size: Size
    augmented: bool


class ImageMaker(ABC):
    """Makes images as uint8, (batch, height, width, channels), on the device.

    Attributes:
        plain_size: height and width of an image that is not augmented.
        crop_size: those of one that is.
    """

    plain_size: Size
    crop_size: Size

    @abstractmethod
    def plan(self, order: Tensor, generator: torch.Generator | None) -> Plan:
        """Draw how to make the images at ``order`` (int64, on the CPU); None: not augmented."""

    @abstractmethod
    def make(self, plan: Plan, parts: Iterable[slice]) -> Iterator[Tensor]:
        """Yield the images of each part of a plan."""

    @abstractmethod
    def stored(self, parts: Iterable[slice]) -> Iterator[Tensor]:
        """Yield each part of the images in stored order, not augmented."""


class ResidentImages(ImageMaker):
    """Images that lie on the device.

    Args:
        images: uint8, (count, channels, height, width).
        augment: what can be done to them.
        device: where they are copied to (twice where they are flipped).
        channels: 3 turns grey images into three equal channels.
        test_padding: zero pixels on every side of an image that is not augmented.
    """

    def __init__(
        self,
        images: Tensor,
        augment: Augment | None,
        device: torch.device,
        channels: int,
        test_padding: int,
    ) -> None:
        self._count, _, height, width = images.shape
        if augment is not None and augment.resized_crop is not None:
            raise UserError(
                "data.augment.crop: 'resized' cuts boxes out of the original files, but the images "
                "are in memory; stream them (data.stream, where the data set allows it) or use "
                "'padded'"
            )
        self.augment, self._device, self._channels = augment, device, channels
        self._image_size, self._test_padding = (height, width), test_padding
        self.plain_size = (height + 2 * test_padding, width + 2 * test_padding)
        self.crop_size = augment.output_size(height, width) if augment else (height, width)
        self._padding = max(test_padding, augment.crop_padding if augment else 0)
        self._height, self._width = height + 2 * self._padding, width + 2 * self._padding
        self._buffer = self._pad(images, flip=augment is not None and augment.horizontal_flip)

    def _pad(self, images: Tensor, flip: bool) -> Tensor:
        """Return the padded images, (count or twice that, height, width, channels) uint8."""
        shape = (self._count * (2 if flip else 1), self._height, self._width, self._channels)
        buffer = torch.zeros(shape, dtype=torch.uint8, device=self._device)
        inside = slice(self._padding, self._height - self._padding)
        across = slice(self._padding, self._width - self._padding)
        moved = images.to(self._device).permute(0, 2, 3, 1)
        buffer[: self._count, inside, across] = moved
        if flip:
            buffer[self._count :, inside, across] = moved.flip(2)
        return buffer

    @override
    def plan(self, order: Tensor, generator: torch.Generator | None) -> Plan:
        if self.augment is None or generator is None:
            edge = self._padding - self._test_padding
            starts = (order * self._height + edge) * self._width + edge
            return Plan(self._moved(starts), self.plain_size, False)
        edge = self._padding - self.augment.crop_padding
        top, left, flipped = self.augment.draw_crops(len(order), *self._image_size, generator)
        top, left = top + edge, left + edge
        # The window that shows a crop mirrored lies in the mirror image, as far from its right
        # edge as the crop is from the left one.
        left = torch.where(flipped == 1, self._width - self.crop_size[1] - left, left)
        order = order + self._count * flipped
        starts = (order * self._height + top) * self._width + left
        return Plan(self._moved(starts), self.crop_size, True)

    def _moved(self, starts: Tensor) -> Tensor:
        return starts.to(self._device, non_blocking=True)

    @override
    def make(self, plan: Plan, parts: Iterable[slice]) -> Iterator[Tensor]:
        height, width = plan.size
        pixels = self._buffer.numel() // self._channels
        windows = self._buffer.as_strided(
            (pixels - (height - 1) * self._width - width + 1, height, width * self._channels),
            (self._channels, self._width * self._channels, 1),
        )
        for part in parts:
            gathered = windows.index_select(0, plan.rows[part])
            yield gathered.view(-1, height, width, self._channels)

    @override
    def stored(self, parts: Iterable[slice]) -> Iterator[Tensor]:
        height, width = self.plain_size
        edge = self._padding - self._test_padding
        rows, columns = slice(edge, edge + height), slice(edge, edge + width)
        for part in parts:
            yield self._buffer[part, rows, columns]
