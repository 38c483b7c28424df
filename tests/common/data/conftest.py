"""Small photographs of all sizes: noise and shapes, so that no two pixels of them agree by luck."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

SIZES = [(64, 48), (45, 60), (50, 50), (33, 71), (90, 40)]


def draw_photo(size: tuple[int, int], seed: int, mode: str = "RGB") -> Image.Image:
    """Return coarse noise with two discs."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(2):
        x, y = (int(random.integers(side)) for side in size)
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        pen.ellipse((x, y, x + size[0] // 4, y + size[1] // 3), fill=colour)
    return image.convert(mode)


@pytest.fixture(scope="session")
def photo() -> Callable[..., Path]:
    """Return a function that writes a photograph and returns its path."""

    def write(path: Path, seed: int, size: tuple[int, int] | None = None, mode: str = "RGB"):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = draw_photo(size or SIZES[seed % len(SIZES)], seed, mode)
        image.save(path, **({} if path.suffix == ".png" else {"quality": 92}))
        return path

    return write
