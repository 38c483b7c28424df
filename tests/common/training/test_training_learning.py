"""Real learning on real digits: a dense network and a sparse one are well above chance (10 %)."""

import pytest
import torch

from common.config import TrainConfig
from common.data import Batches
from common.finders import find_ticket
from common.models import build_model
from common.randomness import generator
from common.training import TrainData, prepare_device, train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

CPU = torch.device("cpu")
RECIPE = TrainConfig(epochs=4, batch_size=32, lr=0.1)


@pytest.fixture
def learn(digits):
    """Return a function that trains a ticket of the ResNet-8, or all of it."""

    def go(**finder):
        prepare_device(CPU, 1)
        model = build_model(
            "resnet8", num_classes=10, in_channels=1, generator=generator(0, "initialise")
        ).to(memory_format=torch.channels_last)
        ticket = find_ticket(model=model, **finder)
        ticket.apply_to(model)
        batches = [
            Batches(split, RECIPE.batch_size, digits.normalization())
            for split in (digits.train, digits.test)
        ]
        return ticket, train(
            model,
            TrainData(*batches),
            RECIPE,
            masks=ticket.masks,
            seed=0,
            device=CPU,
            precision="float32",
        )

    return go


def test_the_dense_network_learns_the_digits(learn):
    _, result = learn(name="dense")
    assert result.metrics["test_accuracy"] > 95


def test_a_random_ticket_of_a_tenth_of_the_weights_learns_them_too(learn):
    ticket, result = learn(name="random_ticket", sparsity=0.9)
    assert ticket.sparsity() == pytest.approx(0.9, abs=1e-3)
    assert result.metrics["test_accuracy"] > 80
    assert result.history[-1]["train_loss"] < 0.5 * result.history[0]["train_loss"]
