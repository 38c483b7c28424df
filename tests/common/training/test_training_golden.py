"""Golden numerics: losses of short trainings on the digits, pinned.

They change when the mathematics of a training changes: the order of the images, a crop, an initial
weight, a momentum, a schedule, a mask. The recipes are calm on purpose. Another processor sums in
another order, which moves a loss by about 1e-6 of its value here (measured with and without
oneDNN's convolutions), while exact bits hold on one machine only; hence the tolerance of 1e-4.
"""

import pytest
import torch

from common.config import TrainConfig
from common.data import Augment, Batches
from common.finders import find_ticket
from common.models import build_model
from common.randomness import generator
from common.training import TrainData, prepare_device, train

CPU = torch.device("cpu")
TOLERANCE = 1e-4

CASES = {
    "resnet8, dense, SGD with momentum and weight decay": (
        ("resnet8", {"width": 4}),
        None,
        TrainConfig(epochs=2, batch_size=200, lr=0.01, weight_decay=0.1),
        [2.39493, 2.32614, 2.381201, 2.335943],
    ),
    "lenet5, half of it, Adam, cosine, label smoothing": (
        ("lenet5", {"image_size": 16}),
        0.5,
        TrainConfig(
            epochs=3,
            batch_size=100,
            lr=0.003,
            optimizer="adam",
            schedule="cosine",
            label_smoothing=0.1,
            weight_decay=0.05,
        ),
        [2.635436, 2.348666, 2.331567, 2.312173, 2.30963, 2.305313],
    ),
    "fc, a tenth of it, Nesterov, warm-up, linear": (
        ("fc", {"hidden": [32], "image_size": 16}),
        0.9,
        TrainConfig(
            epochs=3,
            batch_size=64,
            lr=0.05,
            nesterov=True,
            schedule="linear",
            warmup_epochs=2,
            weight_decay=1e-2,
        ),
        [2.308216, 2.281973, 2.297624, 2.264793, 2.284524, 2.257349],
    ),
}


@pytest.fixture
def losses(digits, one_thread):
    """Return a function that trains a case and gives its losses; ``change`` alters the recipe."""

    def go(case, **change):
        (name, options), sparsity, recipe, _ = CASES[case]
        recipe = recipe.model_copy(update=change)
        prepare_device(CPU, 1)
        model = build_model(
            name, num_classes=10, in_channels=1, generator=generator(0, "initialise"), **options
        ).to(memory_format=torch.channels_last)
        masks = {} if sparsity is None else find_ticket("random", model, sparsity=sparsity).masks
        size, constants = recipe.batch_size, digits.normalization()
        data = TrainData(
            Batches(digits.train, size, constants, augment=Augment()),
            Batches(digits.test, size, constants),
        )
        result = train(model, data, recipe, masks=masks, seed=0, device=CPU, precision="float32")
        return [row[key] for row in result.history for key in ("train_loss", "test_loss")]

    return go


@pytest.mark.parametrize("case", CASES)
def test_losses_are_the_pinned_ones(losses, case):
    assert losses(case) == pytest.approx(CASES[case][-1], rel=TOLERANCE)


@pytest.mark.parametrize(
    "change",
    [{"weight_decay": 5e-3}, {"momentum": 0.89}, {"nesterov": False}, {"warmup_epochs": 0}],
)
def test_the_tolerance_sees_a_small_change_of_the_recipe(losses, change):
    case = list(CASES)[-1]
    assert losses(case, **change) != pytest.approx(CASES[case][-1], rel=TOLERANCE)
