"""Corrupted data for sanity checks: labels and pixels that tell nothing about the images."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from common.data.datasets import Split
from common.errors import unknown_name

PixelMode = Literal["values", "pixels", "rows_cols", "channel_rows"]

_CHUNK = 4096  # images whose positions are held as indices at one time: bounds the memory
_SORTED = 256  # images whose values are shuffled at one time, in the processor's cache
_SU_SEED = 12345


def random_labels(split: Split, num_classes: int, generator: torch.Generator) -> Split:
    """Give every image a uniformly random class; the images stay."""
    labels = torch.randint(num_classes, (len(split),), generator=generator)
    return replace(split, labels=labels.to(split.labels.device))


def random_labels_su(split: Split, num_classes: int) -> Split:
    """Give every image the random class that the code of Su et al. (2020) gives it.

    NumPy's legacy generator with seed 12345 draws one uniform an image (a mask of which labels to
    replace, true everywhere) and then the classes. No seed of a run bears on it.
    """
    legacy = np.random.RandomState(_SU_SEED)
    legacy.random_sample(len(split))
    labels = torch.from_numpy(legacy.choice(num_classes, len(split)).astype(np.int64))
    return replace(split, labels=labels.to(split.labels.device))


def random_pixels(split: Split, generator: torch.Generator, mode: PixelMode = "values") -> Split:
    """Destroy the images' structure, each image with a permutation of its own; the labels stay.

    Args:
        split: the images, before any augmentation.
        generator: every permutation follows from it.
        mode: what is permuted: ``values`` (Su et al.): all channels * height * width values;
            ``pixels``: the positions, the same for all channels; ``rows_cols``: the rows and the
            columns, the same for all channels; ``channel_rows``: the channels * height rows, each
            of which keeps its content.

    Raises:
        UserError: where the mode is unknown, or the images stay in their files.
    """
    if mode not in _PERMUTE:
        raise unknown_name("pixels.mode", mode, _PERMUTE)
    stored = split.pixels("data.corruption.random_pixels")
    seed = int(torch.randint(2**63 - 1, (1,), generator=generator))
    random = np.random.default_rng(seed)
    images = stored.cpu().numpy().copy()
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        chunk[:] = _PERMUTE[mode](chunk, random)
    return replace(split, images=torch.from_numpy(images).to(stored.device))


Pixels = npt.NDArray[np.uint8]


def _orders(random: np.random.Generator, count: int, length: int) -> npt.NDArray[np.int64]:
    """Return ``count`` independent permutations of ``length`` items."""
    return random.permuted(np.tile(np.arange(length), (count, 1)), axis=1)


def _values(images: Pixels, random: np.random.Generator) -> Pixels:
    result = np.empty_like(images)
    for start in range(0, len(images), _SORTED):
        flat = images[start : start + _SORTED].reshape(-1, images[0].size)
        # Sorting random keys shuffles the values that their lowest bytes carry: several times as
        # fast as drawing permutations.
        keys = random.integers(0, 2**64, flat.shape, dtype=np.uint64)
        keys = (keys & ~np.uint64(0xFF)) | flat
        keys.sort(axis=1)
        result[start : start + _SORTED].reshape(flat.shape)[:] = keys.astype(np.uint8)
    return result


def _pixels(images: Pixels, random: np.random.Generator) -> Pixels:
    flat = images.reshape(*images.shape[:2], -1)
    order = _orders(random, len(images), flat.shape[2])[:, None, :]
    return np.take_along_axis(flat, order, axis=2).reshape(images.shape)


def _rows_cols(images: Pixels, random: np.random.Generator) -> Pixels:
    rows = _orders(random, len(images), images.shape[2])[:, None, :, None]
    columns = _orders(random, len(images), images.shape[3])[:, None, None, :]
    return np.take_along_axis(np.take_along_axis(images, rows, axis=2), columns, axis=3)


def _channel_rows(images: Pixels, random: np.random.Generator) -> Pixels:
    rows = images.reshape(len(images), -1, images.shape[3])
    order = _orders(random, len(images), rows.shape[1])[:, :, None]
    return np.take_along_axis(rows, order, axis=1).reshape(images.shape)


_PERMUTE = {
    "values": _values,
    "pixels": _pixels,
    "rows_cols": _rows_cols,
    "channel_rows": _channel_rows,
}
