"""A tiny colour data set whose classes can be told from the pixels, and small networks."""

import pytest
import torch
from torch import nn

from common.data import Dataset, Normalization, Split
from common.models import build_model

CLASSES, PER_CLASS, SIDE = 4, 24, 8


def draw(seed):
    return torch.Generator().manual_seed(seed)


def make_split(seed):
    source = draw(seed)
    labels = torch.arange(CLASSES * PER_CLASS) % CLASSES
    noise = torch.randint(0, 60, (len(labels), 3, SIDE, SIDE), generator=source)
    shade = (60 * labels).view(-1, 1, 1, 1)
    stripes = (torch.arange(SIDE) % 2 * 15).view(1, 1, 1, SIDE)
    return Split((shade + noise * 0.7 + stripes).clamp(0, 255).to(torch.uint8), labels)


@pytest.fixture(scope="session")
def dataset():
    """96 training images of 3x8x8 in four classes that differ in brightness."""
    normalizations = {"default": Normalization((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))}
    return Dataset("toy", make_split(0), make_split(1), None, CLASSES, None, normalizations)


@pytest.fixture
def resnet():
    """A residual network of 4, 8 and 16 channels."""
    return build_model("resnet8", num_classes=CLASSES, generator=draw(0), width=4)


class SmoothNet(nn.Module):
    """A network as a user might write it: smooth, with batch norm, biases and a shared flatten."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.Tanh(),
            nn.Conv2d(4, 3, 3, stride=2),
            nn.BatchNorm2d(3, affine=False),
            nn.Softplus(),
        )
        self.head = nn.Linear(27, 3)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))


@pytest.fixture
def smooth():
    """Return (network, batches): the user's network in float64 and two batches of 2x8x8 images."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = SmoothNet().double()
    source = draw(4)
    batches = [
        (
            torch.randn(count, 2, SIDE, SIDE, generator=source, dtype=torch.float64),
            torch.randint(0, 3, (count,), generator=source),
        )
        for count in (6, 9)
    ]
    return network, batches
