"""A random mask as a user might write one, small networks, and a handful of digits."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from common.data import Batches, Dataset
from common.masks import LearnedMask, Rescale
from common.models import build_model
from common.randomness import generator
from common.training import TrainData


class CoinMask(LearnedMask):
    """Keeps a weight with probability sigma(latent); the gradient is that of the probability."""

    is_random = True

    def __init__(self, weight: Tensor, rescale: Rescale | None = None) -> None:
        super().__init__(weight, torch.zeros_like(weight), rescale)

    def mask(self) -> Tensor:
        soft = torch.sigmoid(self.latent)
        hard = (self.drawn() < soft.detach()).to(soft.dtype)
        return hard - soft.detach() + soft

    def selected(self) -> Tensor:
        return self.latent.detach() >= 0

    def probability(self) -> Tensor:
        return torch.sigmoid(self.latent.detach())


class OneFactor(Rescale):
    """One learned factor a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, weight: Tensor, mask: Tensor) -> Tensor:
        return self.scale * (weight * mask)

    def factor(self, selected: Tensor) -> float:
        return float(self.scale.detach())


class Branching(nn.Module):
    """A network that a user wrote: a 1d convolution, norm layers, a skip, a layer without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Conv1d(16, 8, 3, padding=1)
        self.norm = nn.LayerNorm(16)
        self.mix = nn.Sequential(nn.Linear(128, 32, bias=False), nn.BatchNorm1d(32), nn.Tanh())
        self.skip = nn.Linear(128, 32)
        self.head = nn.Linear(32, 10)
        self.offset = nn.Parameter(torch.linspace(-0.1, 0.1, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.rows(x.squeeze(1))).relu().flatten(1)
        return self.head(self.mix(x) + self.skip(x)) + self.offset


def branching() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(8)
        return Branching()


NETWORKS: dict[str, dict[str, object]] = {
    "conv2": {"width_mult": 0.05, "image_size": 16},
    "resnet32": {"width": 2},
    "vgg11": {"width_mult": 0.03},
    "small_cnn": {"width": 3},
    "fc": {"hidden": [24], "image_size": 16},
    "alexnet": {"width_mult": 0.03, "image_size": 16},  # with dropout
}


@pytest.fixture(scope="session")
def network() -> Callable[[str], nn.Module]:
    """Return a function that builds a narrow network for the digits, the same every time."""

    def build(name: str) -> nn.Module:
        if name == "branching":
            return branching()
        draw = generator(0, "initialise")
        model = build_model(name, num_classes=10, in_channels=1, generator=draw, **NETWORKS[name])
        return model.to(memory_format=torch.channels_last)

    return build


@pytest.fixture(scope="session")
def coin() -> type[CoinMask]:
    return CoinMask


@pytest.fixture(scope="session")
def one_factor() -> type[OneFactor]:
    return OneFactor


@pytest.fixture(scope="session")
def few_digits(digits: Dataset) -> TrainData:
    """Return 90 training, 60 validation and 60 test digits in batches of 40."""

    def batches(split, count):
        return Batches(split.select(torch.arange(count)), 40, digits.normalization())

    return TrainData(
        batches(digits.train, 90), batches(digits.test, 60), batches(digits.validation, 60)
    )
