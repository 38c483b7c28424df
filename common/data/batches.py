"""Minibatches made on the device: gathered, cropped, flipped and normalised in a few operations.

Images come as uint8 in channels-last order, from the device's memory or from their files. Permuting
their axes gives the network's NCHW shape, in channels_last memory format, without a copy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from common.data.augment import Augment
from common.data.datasets import Normalization, Split
from common.data.files import ImageFiles
from common.data.makers import ImageMaker, Plan, ResidentImages
from common.data.stream import StreamedImages
from common.errors import UserError

Batch = tuple[Tensor, Tensor]

_VALUES = 2**25  # of an evaluation batch, unless the batches' own size is larger


class Batches:
    """A split as minibatches on a device.

    Each batch is (images, labels): images of ``dtype``, (batch, channels, height, width), in
    channels_last memory format if asked; labels int64, (batch,). Padding comes before the
    normalisation, so that a padded pixel is ``-mean / std``.

    Args:
        split: the images; they are copied to the device once (twice where they are flipped), or
            decoded a few batches ahead where they stay in their files.
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
        workers: threads that decode files; None: as many as PyTorch computes with. They change no
            number.
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
        workers: int | None = None,
    ) -> None:
        self.batch_size, self.drop_last = batch_size, drop_last
        self.augment, self.device, self.dtype = augment, torch.device(device), dtype
        self.channels_last, self.test_padding = channels_last, test_padding
        self._count, own_channels, _, _ = split.images.shape
        self.channels = own_channels if channels is None else channels
        if own_channels not in (1, self.channels):
            raise UserError(
                f"data.channels: images of {own_channels} channels cannot become {channels}"
            )
        if batch_size < 1 or self._count == 0 or (drop_last and batch_size > self._count):
            raise UserError(f"batch_size: {batch_size} gives no batch of {self._count} images")
        self._maker: ImageMaker
        if isinstance(split.images, ImageFiles):
            self._maker = StreamedImages(
                split.images, augment, self.device, self.channels, test_padding, workers
            )
        else:
            self._maker = ResidentImages(
                split.images, augment, self.device, self.channels, test_padding
            )
        self.labels = split.labels.to(self.device)
        mean = self._constants("mean", normalization.mean)
        std = self._constants("std", normalization.std)
        # One constant for every value of an image: the arithmetic then runs over whole images, not
        # over three channels at a time.
        self._scales = {
            (height, width): (mean.repeat(height * width), std.repeat(height * width))
            for height, width in (self._maker.plain_size, self._maker.crop_size)
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
        plan = self._maker.plan(order, generator)
        labels = self.labels[order.to(self.device, non_blocking=True)]
        return self._steps(plan, labels, first_step)

    def endless(self, batch_size: int, draws: Callable[[int], torch.Generator]) -> Iterator[Batch]:
        """Yield batches of another size forever, augmented, in pass after shuffled pass.

        Args:
            batch_size: images of a batch; the last one of a pass may be smaller.
            draws: maps the number of a pass to its generator, on the CPU.
        """
        for turn in itertools.count():
            generator = draws(turn)
            order = torch.randperm(self._count, generator=generator)
            for part in order.split(batch_size):
                yield self.at(part, generator)

    def at(self, indices: Tensor, generator: torch.Generator | None = None) -> Batch:
        """Return one batch of the images at ``indices`` (int64, on the CPU), in that order.

        It is augmented where the batches are and a generator is given.
        """
        plan = self._maker.plan(indices, generator)
        (images,) = self._maker.make(plan, [slice(0, len(indices))])
        return self._normalise(images), self.labels[indices.to(self.device)]

    def sequential(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield every image once, in stored order and not augmented (for evaluation).

        Args:
            batch_size: None: the batches' own; a larger one is often faster. Of large images fewer
                are taken at a time, but no fewer than the batches' own size.
        """
        height, width = self._maker.plain_size
        room = max(self.batch_size, _VALUES // (height * width * self.channels))
        parts = self._parts(min(batch_size or self.batch_size, room), self._count)
        for images, part in zip(self._maker.stored(parts), parts):
            yield self._normalise(images), self.labels[part]

    def frozen(self, generator: torch.Generator) -> Split:
        """Return the images augmented once, for runs that repeat the same crops every epoch.

        Each image is the one that a shuffled epoch with this generator holds; they come in stored
        order. They lie in the device's memory, also where these batches are made from files.
        """
        order = torch.randperm(self._count, generator=generator)
        plan = self._maker.plan(order, generator)
        made = torch.cat(list(self._maker.make(plan, self._parts(1024, self._count))))
        stored = made[order.argsort().to(self.device)]
        return Split(stored.permute(0, 3, 1, 2).contiguous(), self.labels)

    def _constants(self, name: str, values: tuple[float, ...]) -> Tensor:
        """Return a constant of every channel in units of pixels."""
        if len(values) not in (1, self.channels):
            raise UserError(
                f"data.normalization: {name} has {len(values)} channels, images {self.channels}"
            )
        pixels = torch.tensor(values, dtype=torch.float64) * 255
        return pixels.float().expand(self.channels).contiguous().to(self.device)

    def _normalise(self, images: Tensor) -> Tensor:
        """Return uint8 (batch, height, width, channels) as normalised NCHW."""
        height, width, channels = images.shape[1:]
        mean, std = self._scales[height, width]
        rows = images.to(torch.float32).reshape(len(images), -1).sub_(mean).div_(std)
        result = rows.to(self.dtype).view(-1, height, width, channels).permute(0, 3, 1, 2)
        return result if self.channels_last else result.contiguous()

    def _steps(self, plan: Plan, labels: Tensor, first_step: int) -> Iterator[Batch]:
        """Yield the batches of an epoch whose random numbers are drawn."""
        parts = self._parts(self.batch_size, self._count)[first_step : len(self)]
        for images, part in zip(self._maker.make(plan, parts), parts):
            yield self._normalise(images), labels[part]

    @staticmethod
    def _parts(size: int, count: int) -> list[slice]:
        """Return ``count`` images in parts of a size, the last one smaller."""
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]
