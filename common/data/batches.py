"""Minibatches made on the device: gathered, cropped, flipped and normalised in a few operations.

The images lie on the device as zero-padded uint8 in channels-last order, with their mirror images
behind them where the augmentation flips. A crop is then a window that starts at one pixel of that
buffer, and a batch is one ``index_select`` of windows: no loop, no host synchronisation. Permuting
its axes gives the network's NCHW shape, in channels_last memory format, without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from common.data.datasets import Normalization, Split
from common.errors import UserError

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Augment:
    """Random crops of the zero-padded image, and horizontal flips with probability 1/2.

    Attributes:
        crop_padding: zero pixels on every side before the crop (0: the image itself is cropped).
        crop_size: height and width of the crop; None keeps the image's.
        horizontal_flip: whether to flip.
    """

    crop_padding: int = 4
    crop_size: int | None = None
    horizontal_flip: bool = True


class Batches:
    """A split as minibatches on a device.

    Each batch is (images, labels): images of ``dtype``, (batch, channels, height, width), in
    channels_last memory format if asked; labels int64, (batch,). Padding comes before the
    normalisation, so that a padded pixel is ``-mean / std``.

    Args:
        split: the images; they are copied to the device once (twice where they are flipped).
        batch_size: images in a batch.
        normalization: per-channel constants; constants of one channel serve all channels.
        augment: what to do to the training images; None: nothing.
        device: where the batches are made.
        dtype: of the batch's images; they are computed in float32.
        channels_last: memory format of the batch's images.
        channels: 3 turns grey images into three equal channels; None keeps the images' own.
        test_padding: zero pixels on every side of an image that is not augmented (2 turns 28x28
            into 32x32).
        drop_last: leave out the last batch of an epoch where it is smaller than the others.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        normalization: Normalization,
        *,
        augment: Augment | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        channels_last: bool = True,
        channels: int | None = None,
        test_padding: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.batch_size, self.drop_last = batch_size, drop_last
        self.augment, self.device, self.dtype = augment, torch.device(device), dtype
        self.channels_last, self.test_padding = channels_last, test_padding
        self._count, own_channels, height, width = split.images.shape
        self.channels = own_channels if channels is None else channels
        if own_channels not in (1, self.channels):
            raise UserError(
                f"data.channels: images of {own_channels} channels cannot become {channels}"
            )
        if batch_size < 1 or self._count == 0 or (drop_last and batch_size > self._count):
            raise UserError(f"batch_size: {batch_size} gives no batch of {self._count} images")
        padding = max(test_padding, augment.crop_padding if augment else 0)
        self._padding = padding
        self._height, self._width = height + 2 * padding, width + 2 * padding
        self._plain_size = (height + 2 * test_padding, width + 2 * test_padding)
        self._crop_size = _crop_size(augment, height, width)
        self._buffer = self._pad(split.images, flip=augment is not None and augment.horizontal_flip)
        self.labels = split.labels.to(self.device)
        mean = self._constants("mean", normalization.mean)
        std = self._constants("std", normalization.std)
        # One constant for every value of an image: the arithmetic then runs over whole images, not
        # over three channels at a time.
        self._scales = {
            (height, width): (mean.repeat(height * width), std.repeat(height * width))
            for height, width in (self._plain_size, self._crop_size)
        }

    def __len__(self) -> int:
        """Steps of an epoch."""
        whole, rest = divmod(self._count, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    @property
    def image_count(self) -> int:
        """Images in the split."""
        return self._count

    def epoch(
        self, generator: torch.Generator, *, shuffle: bool = True, first_step: int = 0
    ) -> Iterator[Batch]:
        """Return the batches of one epoch, augmented.

        All random numbers of the epoch are drawn now, on the CPU, and moved to the device once.

        Args:
            generator: a CPU generator; what it draws does not depend on ``first_step``.
            shuffle: False keeps the stored order (augmentation stays random).
            first_step: the step to begin with, for a run that was interrupted in the epoch.
        """
        order = torch.arange(self._count)
        if shuffle:
            order = torch.randperm(self._count, generator=generator)
        starts, size = self._windows(order, generator)
        moved = torch.stack([starts, order]).to(self.device, non_blocking=True)
        return self._steps(moved[0], self.labels[moved[1]], size, first_step)

    def at(self, indices: Tensor, generator: torch.Generator | None = None) -> Batch:
        """Return one batch of the images at ``indices`` (int64, on the CPU), in that order.

        It is augmented where the batches are and a generator is given.
        """
        starts, size = self._windows(indices, generator)
        images = self._normalise(self._gather(starts.to(self.device), size))
        return images, self.labels[indices.to(self.device)]

    def sequential(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield every image once, in stored order and not augmented (for evaluation).

        Args:
            batch_size: None: the batches' own; a larger one is often faster.
        """
        height, width = self._plain_size
        edge = self._padding - self.test_padding
        rows, columns = slice(edge, edge + height), slice(edge, edge + width)
        step = batch_size or self.batch_size
        for start in range(0, self._count, step):
            stop = min(start + step, self._count)
            images = self._buffer[start:stop, rows, columns]
            yield self._normalise(images), self.labels[start:stop]

    def frozen(self, generator: torch.Generator) -> Split:
        """Return the images augmented once, for runs that repeat the same crops every epoch."""
        starts, size = self._windows(torch.arange(self._count), generator)
        parts = [self._gather(part, size) for part in starts.to(self.device).split(1024)]
        return Split(torch.cat(parts).permute(0, 3, 1, 2).contiguous(), self.labels)

    def _pad(self, images: Tensor, flip: bool) -> Tensor:
        """Return the padded images, (count or twice that, height, width, channels) uint8."""
        shape = (self._count * (2 if flip else 1), self._height, self._width, self.channels)
        buffer = torch.zeros(shape, dtype=torch.uint8, device=self.device)
        inside = slice(self._padding, self._height - self._padding)
        across = slice(self._padding, self._width - self._padding)
        moved = images.to(self.device).permute(0, 2, 3, 1)
        buffer[: self._count, inside, across] = moved
        if flip:
            buffer[self._count :, inside, across] = moved.flip(2)
        return buffer

    def _constants(self, name: str, values: tuple[float, ...]) -> Tensor:
        """Return a constant of every channel in units of pixels."""
        if len(values) not in (1, self.channels):
            raise UserError(
                f"data.normalization: {name} has {len(values)} channels, images {self.channels}"
            )
        pixels = torch.tensor(values, dtype=torch.float64) * 255
        return pixels.float().expand(self.channels).contiguous().to(self.device)

    def _windows(
        self, order: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, tuple[int, int]]:
        """Return the first pixel of every image's window in the buffer, and the windows' size."""
        if self.augment is None or generator is None:
            edge = self._padding - self.test_padding
            return (order * self._height + edge) * self._width + edge, self._plain_size
        padding, (height, width) = self.augment.crop_padding, self._crop_size
        edge, count = self._padding - padding, len(order)
        down, right = self._height - 2 * edge - height, self._width - 2 * edge - width
        top = torch.randint(down + 1, (count,), generator=generator) + edge
        left = torch.randint(right + 1, (count,), generator=generator) + edge
        if self.augment.horizontal_flip:
            flipped = torch.randint(2, (count,), generator=generator)
            # The window that shows this crop mirrored lies in the mirror image, as far from its
            # right edge.
            order = order + self._count * flipped
            left = torch.where(flipped == 1, self._width - width - left, left)
        return (order * self._height + top) * self._width + left, self._crop_size

    def _gather(self, starts: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the windows that begin at ``starts``, (batch, height, width, channels) uint8."""
        height, width = size
        pixels = self._buffer.numel() // self.channels
        windows = self._buffer.as_strided(
            (pixels - (height - 1) * self._width - width + 1, height, width * self.channels),
            (self.channels, self._width * self.channels, 1),
        )
        return windows.index_select(0, starts).view(-1, height, width, self.channels)

    def _normalise(self, images: Tensor) -> Tensor:
        """Return uint8 (batch, height, width, channels) as normalised NCHW."""
        height, width, channels = images.shape[1:]
        mean, std = self._scales[height, width]
        rows = images.to(torch.float32).reshape(len(images), -1).sub_(mean).div_(std)
        result = rows.to(self.dtype).view(-1, height, width, channels).permute(0, 3, 1, 2)
        return result if self.channels_last else result.contiguous()

    def _steps(
        self, starts: Tensor, labels: Tensor, size: tuple[int, int], first_step: int
    ) -> Iterator[Batch]:
        """Yield the batches of an epoch whose random numbers are drawn."""
        for step in range(first_step, len(self)):
            part = slice(step * self.batch_size, (step + 1) * self.batch_size)
            yield self._normalise(self._gather(starts[part], size)), labels[part]


def _crop_size(augment: Augment | None, height: int, width: int) -> tuple[int, int]:
    """Return the size of a training image, which has to fit into the padded image."""
    if augment is None or augment.crop_size is None:
        return height, width
    size, room = augment.crop_size, min(height, width) + 2 * augment.crop_padding
    if not 0 < size <= room:
        raise UserError(
            f"data.augment.crop_size: {size} does not fit images of {height}x{width} padded by "
            f"{augment.crop_padding}; allowed are 1 to {room}"
        )
    return size, size
