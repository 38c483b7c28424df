"""A ticket of a small residual network."""

import pytest
import torch

from common.models import build_model, prunable_parameters
from common.tickets import Ticket


def draw(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def build():
    """Build the ticket's architecture from a generator, as a run does."""
    return lambda generator: build_model("resnet8", num_classes=4, generator=generator, width=4)


@pytest.fixture
def ticket(build):
    """A ticket of density 0.3 whose buffers are not at their defaults."""
    model = build(draw(0))
    model(torch.randn(8, 3, 8, 8, generator=draw(1)))
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    source = draw(2)
    masks = {
        name: torch.rand(weight.shape, generator=source) < 0.3
        for name, weight in prunable_parameters(model).items()
    }
    return Ticket(masks, state, {"method": "test", "seed": 3})
