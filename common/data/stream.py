"""Images made from their files while the network learns from those made before.

A few batches ahead of the one that is asked for, threads decode files into memory that batches are
copied to the device from. Threads and not processes: Pillow decodes and resizes without Python's
lock, threads share the batch's memory, and they get along with CUDA. On two cores shared with other
work, photographs of 500x375 pixels, random resized crops, batches of 64: 240 to 320 images a second
with one thread and 260 to 480 with two; torchvision's transforms in DataLoader processes made 180
and 190 to 310. Of an image's 3 ms about 0.5 need the lock, so that one process makes some 2,000
images a second at most, however many cores there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from typing_extensions import override

from common.data.augment import Augment
from common.data.files import ImageFiles
from common.data.makers import ImageMaker, Plan

Pixels = npt.NDArray[np.uint8]

_AHEAD = 2  # whole batches that are decoded before they are asked for, at least
_ROUNDS = 4  # files that every thread can be ahead by, where batches are small
_SEEDS = 2**63 - 1
_BILINEAR = Image.Resampling.BILINEAR
_MIRROR = Image.Transpose.FLIP_LEFT_RIGHT


class StreamedImages(ImageMaker):
    """Images that stay in their files.

    Args:
        files: the images.
        augment: what can be done to them.
        device: where they are made.
        channels: 3 turns grey images into three equal channels.
        test_padding: zero pixels on every side of an image that is not augmented.
        workers: threads that decode; None: as many as PyTorch computes with. They change no pixel.
    """

    def __init__(
        self,
        files: ImageFiles,
        augment: Augment | None,
        device: torch.device,
        channels: int,
        test_padding: int,
        workers: int | None,
    ) -> None:
        _, _, height, width = files.shape
        self._files, self._augment, self._device = files, augment, device
        self._channels, self._test_padding = channels, test_padding
        self._workers = workers or torch.get_num_threads()
        self.plain_size = (height + 2 * test_padding, width + 2 * test_padding)
        self.crop_size = augment.output_size(height, width) if augment else (height, width)

    @override
    def plan(self, order: Tensor, generator: torch.Generator | None) -> Plan:
        # A row: index of the file, first row and first column of the window in the image (negative
        # where it begins in the padding), whether it is mirrored. A resized crop needs the size of
        # the file's image, which is not known yet: its row holds the seed of its box instead.
        count = len(order)
        _, _, height, width = self._files.shape
        if self._augment is None or generator is None:
            edge = torch.full((count,), -self._test_padding)
            rows = torch.stack([order, edge, edge, torch.zeros_like(order)], dim=1)
            return Plan(rows, self.plain_size, False)
        if self._augment.resized_crop is not None:
            seeds = torch.randint(_SEEDS, (count,), generator=generator)
            flipped = self._augment.draw_flips(count, generator)
            rows = torch.stack([order, seeds, torch.zeros_like(order), flipped], dim=1)
            return Plan(rows, self.crop_size, True)
        top, left, flipped = self._augment.draw_crops(count, height, width, generator)
        padding = self._augment.crop_padding
        rows = torch.stack([order, top - padding, left - padding, flipped], dim=1)
        return Plan(rows, self.crop_size, True)

    @override
    def make(self, plan: Plan, parts: Iterable[slice]) -> Iterator[Tensor]:
        pending = deque(plan.rows[part] for part in parts)
        largest = max((len(rows) for rows in pending), default=1)
        ahead = max(_AHEAD, -(-_ROUNDS * self._workers // max(largest, 1)))
        started: deque[tuple[Tensor, list[Future[None]]]] = deque()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="decode")
        try:
            while pending or started:
                while pending and len(started) <= ahead:
                    started.append(self._start(pool, pending.popleft(), plan))
                images, tasks = started.popleft()
                for task in tasks:
                    task.result()
                yield images.to(self._device, non_blocking=True)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    @override
    def stored(self, parts: Iterable[slice]) -> Iterator[Tensor]:
        return self.make(self.plan(torch.arange(len(self._files)), None), parts)

    def _start(
        self, pool: ThreadPoolExecutor, rows: Tensor, plan: Plan
    ) -> tuple[Tensor, list[Future[None]]]:
        """Return a batch and the tasks that are going to fill it."""
        images = torch.zeros(
            (len(rows), *plan.size, self._channels),
            dtype=torch.uint8,
            pin_memory=self._device.type == "cuda",
        )
        target: Pixels = images.numpy()
        tasks = [
            pool.submit(self._fill, target[position], row, plan.augmented)
            for position, row in enumerate(rows.tolist())
        ]
        return images, tasks

    def _fill(self, target: Pixels, row: list[int], augmented: bool) -> None:
        """Decode a file into its place in a batch, which holds zeros."""
        index, top, left, flipped = row
        image = self._files.open(index)
        height, width = target.shape[:2]
        if augmented and self._augment is not None and self._augment.resized_crop is not None:
            box = self._augment.resized_crop.box(*image.size, seed=top)
            image, top = image.crop(box).resize((width, height), _BILINEAR), 0
        else:
            image = self._files.frame.apply(image)
        if flipped:
            # The window that shows a crop mirrored lies in the mirror image, as far from its right
            # edge as the crop is from the left one.
            image, left = image.transpose(_MIRROR), image.width - width - left
        into_rows, rows = _overlap(top, height, image.height)
        into_columns, columns = _overlap(left, width, image.width)
        target[into_rows, into_columns] = _pixels(image)[rows, columns]


def _pixels(image: Image.Image) -> Pixels:
    """Return an image as (height, width, channels)."""
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _overlap(start: int, length: int, available: int) -> tuple[slice, slice]:
    """Return where a window shows something of an image, in the window and in the image.

    Args:
        start: the window's first row (or column) in the image; negative in front of it.
        length: the window's rows.
        available: the image's rows.
    """
    first = max(start, 0)
    last = max(first, min(start + length, available))
    return slice(first - start, last - start), slice(first, last)
