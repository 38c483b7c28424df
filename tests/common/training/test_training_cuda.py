"""The CUDA graph of a training step against the eager step, and the device against the CPU."""

from __future__ import annotations

import copy

import pytest
import torch

from common.config import TrainConfig
from common.data import Augment, Batches
from common.training import MaskKeeper, build_optimizer, cpu_state, prepare_device, train
from common.training.step import EagerStep, GraphedStep, Meters

pytestmark = pytest.mark.cuda

RECIPE = TrainConfig(epochs=2, batch_size=20, lr=0.05, weight_decay=1e-3, label_smoothing=0.1)


@pytest.fixture
def gpu():
    device = torch.device("cuda")
    prepare_device(device)
    return device


def on_gpu(model, gpu):
    return model.to(gpu).to(memory_format=torch.channels_last)


def step_of(model, masks, gpu, precision="float32"):
    keeper = MaskKeeper(model, masks)
    keeper.apply()
    rule = build_optimizer(RECIPE, model.parameters())
    return EagerStep(model, rule, keeper, Meters(gpu), precision, RECIPE.label_smoothing)


def on_cpu(model):
    return {name: value.cpu() for name, value in cpu_state(model).items()}


def assert_states_close(first, second, atol):
    assert list(first) == list(second)
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-4, atol=atol, msg=name)


def test_the_graph_follows_the_eager_step(toy_model, toy_data, random_masks, gpu):
    """Losses, weights, momentum and BatchNorm statistics agree batch by batch, masks included."""
    model = on_gpu(toy_model(), gpu)
    masks = random_masks(model)
    twin = copy.deepcopy(model)
    eager, captured = step_of(model, masks, gpu), step_of(twin, masks, gpu)
    graphed = GraphedStep(captured, 20)
    data = toy_data(device=gpu)
    sizes = []
    for epoch in range(2):
        for images, labels in data.train.epoch(torch.Generator().manual_seed(epoch)):
            for step in (eager, captured):
                step.meters.zero()
            eager(images, labels)
            graphed(images, labels)
            sizes.append(len(labels))
            losses = [step.meters.read(len(labels))[0] for step in (eager, captured)]
            assert losses[1] == pytest.approx(losses[0], rel=1e-4)
            captured.keeper.assert_kept()
    assert sizes == [20, 20, 20, 20, 10] * 2, "the last batch is smaller and runs eagerly"
    assert graphed.graph is not None
    assert_states_close(on_cpu(model), on_cpu(twin), atol=1e-5)
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        buffers = [
            step.optimizer.state[weight]["momentum_buffer"]
            for step, weight in ((eager, one), (captured, other))
        ]
        torch.testing.assert_close(buffers[0], buffers[1], rtol=1e-3, atol=1e-5)


def test_warming_up_leaves_no_trace(toy_model, toy_data, gpu):
    """Capturing runs the forward pass several times; statistics, weights and meters stay."""
    model = on_gpu(toy_model(), gpu)
    step = step_of(model, {}, gpu)
    step.meters.loss += 3.0
    step.meters.correct += 7
    before = on_cpu(model)
    images, labels = next(toy_data(device=gpu).train.epoch(torch.Generator().manual_seed(0)))
    GraphedStep(step, 20)._capture(images, labels)
    torch.cuda.synchronize()
    after = on_cpu(model)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (float(step.meters.loss), int(step.meters.correct)) == (3.0, 7)
    tracked = [name for name in after if name.endswith("num_batches_tracked")]
    assert tracked and all(int(after[name]) == 0 for name in tracked)


def test_a_partial_batch_before_the_first_full_one(toy_model, toy_data, gpu):
    model = on_gpu(toy_model(), gpu)
    twin = copy.deepcopy(model)
    eager, captured = step_of(model, {}, gpu), step_of(twin, {}, gpu)
    graphed = GraphedStep(captured, 20)
    batches = list(toy_data(device=gpu).train.epoch(torch.Generator().manual_seed(0)))
    for images, labels in [batches[-1], *batches]:
        eager(images, labels)
        graphed(images, labels)
    assert_states_close(on_cpu(model), on_cpu(twin), atol=1e-5)


def test_the_learning_rate_may_change_after_the_capture(toy_model, toy_data, gpu):
    """With a rate of almost zero a replayed step must leave the weights where they are."""
    model = on_gpu(toy_model(), gpu)
    step = step_of(model, {}, gpu)
    graphed = GraphedStep(step, 20)
    batches = list(toy_data(device=gpu).train.epoch(torch.Generator().manual_seed(0)))
    graphed(*batches[0])
    step.optimizer.param_groups[0]["lr"] = 1e-30
    before = [value.detach().clone() for value in model.parameters()]
    graphed(*batches[1])
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loop_with_and_without_graphs(toy_model, toy_data, random_masks, gpu, precision):
    results = []
    for graphs in (False, True):
        model = on_gpu(toy_model(), gpu)
        results.append(
            train(
                model,
                toy_data(device=gpu),
                RECIPE,
                masks=random_masks(model),
                seed=0,
                device=gpu,
                precision=precision,
                graphs=graphs,
            )
        )
    tolerance = 1e-3 if precision == "float32" else 5e-2
    for eager, graphed in zip(results[0].history, results[1].history, strict=True):
        assert graphed["train_loss"] == pytest.approx(eager["train_loss"], rel=tolerance)
        assert graphed["test_loss"] == pytest.approx(eager["test_loss"], rel=tolerance)


def test_a_graphed_training_repeats_itself_with_dropout(toy_model, toy_data, gpu):
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        model = on_gpu(toy_model("alexnet", width_mult=0.05, image_size=16), gpu)
        train(
            model,
            toy_data(size=16, device=gpu),
            TrainConfig(epochs=2, batch_size=20, lr=0.01),
            masks={},
            seed=0,
            device=gpu,
            precision="float32",
            graphs=True,
        )
        states.append(on_cpu(model))
    assert_states_close(states[0], states[1], atol=1e-5)


def test_the_device_makes_the_batches_of_the_cpu(digits, gpu):
    """The same generator gives the same crops and flips on either device, in the same order."""
    devices = ("cpu", gpu)
    made = [
        Batches(digits.train, 64, digits.normalization(), augment=Augment(), device=device)
        for device in devices
    ]
    first, second = (part.epoch(torch.Generator().manual_seed(3)) for part in made)
    for (images, labels), (device_images, device_labels) in zip(first, second, strict=True):
        assert device_images.device.type == "cuda"
        assert torch.equal(labels, device_labels.cpu())
        torch.testing.assert_close(images, device_images.cpu(), rtol=1e-6, atol=1e-6)
    for (images, labels), (device_images, device_labels) in zip(
        made[0].sequential(), made[1].sequential(), strict=True
    ):
        assert torch.equal(labels, device_labels.cpu())
        torch.testing.assert_close(images, device_images.cpu(), rtol=1e-6, atol=1e-6)


def test_training_on_the_device_is_close_to_the_cpu(toy_model, toy_data, gpu):
    losses = []
    for device in (torch.device("cpu"), gpu):
        model = toy_model().to(device).to(memory_format=torch.channels_last)
        result = train(
            model,
            toy_data(device=device),
            TrainConfig(epochs=1, batch_size=20, lr=0.02),
            masks={},
            seed=0,
            device=device,
            precision="float32",
        )
        losses.append(result.metrics["train_loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
