"""Small networks and data for tests of the training loop."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from common.data import Augment, Batches, Normalization, Split
from common.models import build_model, prunable_parameters
from common.randomness import generator
from common.tickets import keep_top
from common.training import TrainData

CLASSES = 4
NORMALIZATION = Normalization((0.5,), (0.25,))


def split(images: int, seed: int, size: int = 8) -> Split:
    """Return images whose class can be learnt: each class lights its own quarter up."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (images,), generator=draw)
    pixels = torch.randint(160, (images, 1, size, size), generator=draw)
    half = size // 2
    for index, label in enumerate(labels.tolist()):
        row, column = half * (label // 2), half * (label % 2)
        pixels[index, :, row : row + half, column : column + half] += 60
    return Split(pixels.to(torch.uint8), labels)


@pytest.fixture(scope="session")
def toy_data() -> Callable[..., TrainData]:
    """Return a function that builds the batches of a training on 8x8 images of four classes."""

    def build(
        batch_size: int = 20,
        images: int = 90,
        device: torch.device | str = "cpu",
        size: int = 8,
        validation: bool = True,
    ) -> TrainData:
        augment = Augment(crop_padding=1, horizontal_flip=False)

        def batches(count: int, seed: int, change: Augment | None) -> Batches:
            part = split(count, seed, size)
            return Batches(part, batch_size, NORMALIZATION, augment=change, device=device)

        held_out = batches(30, 3, None) if validation else None
        return TrainData(batches(images, 1, augment), batches(50, 2, None), held_out)

    return build


@pytest.fixture(scope="session")
def toy_model() -> Callable[..., nn.Module]:
    """Return a function that builds a small network with BatchNorm, the same every time."""

    def build(name: str = "small_cnn", seed: int = 0, **options: object) -> nn.Module:
        if name == "small_cnn":
            options = {"width": 4, **options}
        model = build_model(
            name,
            num_classes=CLASSES,
            in_channels=1,
            generator=generator(seed, "initialise"),
            **options,
        )
        return model.to(memory_format=torch.channels_last)

    return build


@pytest.fixture(scope="session")
def random_masks() -> Callable[..., dict[str, Tensor]]:
    """Return a function that draws the masks of a random ticket over the whole network."""

    def build(model: nn.Module, sparsity: float = 0.6, seed: int = 0) -> dict[str, Tensor]:
        draw = generator(seed, "mask")
        weights = prunable_parameters(model)
        noise = {name: torch.rand(w.shape, generator=draw) for name, w in weights.items()}
        total = sum(w.numel() for w in weights.values())
        return keep_top(noise, round(total * (1 - sparsity)))

    return build
