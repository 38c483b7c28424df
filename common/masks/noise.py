"""The random numbers of sampled masks: those of all layers at once, for every forward pass."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from common.masks.base import LearnedMask
from common.randomness import derive_seed


class Noise:
    """One buffer of uniform numbers that the random masks of a network look into.

    The numbers of a forward pass follow from (seed, purpose, indices) alone, so a resumed search
    needs no state. The buffer stays where it is, as a captured CUDA graph expects. On a CPU numpy
    fills it, four times as fast as PyTorch's generator; a GPU draws its own numbers.

    Args:
        masks: the masks of one network; those that are not random are passed over.
        seed: the run's seed.
    """

    def __init__(self, masks: Iterable[LearnedMask], seed: int) -> None:
        self._seed = seed
        self._masks = [mask for mask in masks if mask.is_random]
        total = sum(mask.size for mask in self._masks)
        device = self._masks[0].latent.device if self._masks else torch.device("cpu")
        self._flat = torch.empty(total, device=device)
        self._generator = torch.Generator(device) if device.type != "cpu" else None
        start = 0
        for mask in self._masks:
            part = self._flat[start : start + mask.size]
            mask.noise = part.as_strided(mask.shape, mask.strides, part.storage_offset())
            start += mask.size

    def draw(self, purpose: str, *indices: int) -> None:
        """Fill the buffer for one forward pass."""
        if not self._masks:
            return
        seed = derive_seed(self._seed, f"mask {purpose}", *indices)
        if self._generator is not None:
            self._flat.uniform_(generator=self._generator.manual_seed(seed))
        else:
            fast = np.random.Generator(np.random.SFC64(seed))
            fast.random(out=self._flat.numpy(), dtype=np.float32)
