"""The bookkeeping around a graphed step, with a stand-in for CUDA's graphs that runs anywhere.

The stand-in does what a graph does to memory: its replay writes the gradients of whatever lies in
the captured input into the tensors that held the gradients then. What only a GPU can show is in
``test_training_cuda``.
"""

from __future__ import annotations

import contextlib
import copy

import pytest
import torch

from common.config import TrainConfig
from common.config.tricks import GhostSkipConfig, SoftActivationConfig
from common.training import MaskKeeper, WeightLearner, build_optimizer, cpu_state
from common.training.step import EagerStep, GraphedStep, Meters

pytestmark = pytest.mark.usefixtures("one_thread", "stand_in")

CPU = torch.device("cpu")
RECIPE = TrainConfig(lr=0.05, weight_decay=1e-3)


class Stream:
    """A stream that does nothing of its own."""

    def wait_stream(self, other):
        """Return at once."""


class Graph:
    """Replays the forward and backward pass of the step that is captured."""

    step: EagerStep
    inputs: GraphedStep

    def replay(self):
        networks = [self.step.model, *self.step.attached]
        learned = [weight for part in networks for weight in part.parameters()]
        gradients = [weight.grad for weight in learned]
        for gradient in gradients:
            if gradient is not None:  # ghosts that are gone have none
                gradient.zero_()
        self.step.forward_backward(self.inputs.images, self.inputs.labels)
        after = [weight.grad for weight in learned]
        assert all(a is b for a, b in zip(gradients, after, strict=True)), "memory moved"


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: contextlib.nullcontext())


@pytest.fixture
def steps(toy_model, random_masks):
    """Return an eager step and a graphed one of the same masked network."""
    models = [toy_model()]
    models.append(copy.deepcopy(models[0]))
    made = []
    for model in models:
        keeper = MaskKeeper(model, random_masks(model))
        keeper.apply()
        rule = build_optimizer(RECIPE, model.parameters())
        meters = Meters(CPU, keep_last=True)
        made.append(EagerStep(model, rule, keeper, meters, "float32", 0.1))
    graphed = GraphedStep(made[1], 20)
    Graph.step, Graph.inputs = made[1], graphed
    return made[0], graphed


def batches(data, epoch=0):
    return list(data.train.epoch(torch.Generator().manual_seed(epoch)))


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("partial_first", [False, True])
def test_full_and_partial_batches_follow_the_eager_step(steps, toy_data, partial_first):
    eager, graphed = steps
    made = batches(toy_data()) + batches(toy_data(), epoch=1)
    if partial_first:
        made.insert(0, made.pop(4))
    assert [len(labels) for _, labels in made].count(10) == 2
    for images, labels in made:
        eager(images, labels)
        graphed(images, labels)
        graphed.eager.keeper.assert_kept()
        assert float(eager.meters.last) == float(graphed.eager.meters.last) != 0.0
    assert graphed.graph is not None
    assert same(cpu_state(eager.model), cpu_state(graphed.eager.model))
    assert eager.meters.read(180) == graphed.eager.meters.read(180)


def test_warming_up_leaves_no_trace(steps, toy_data):
    step, graphed = steps[1].eager, steps[1]
    step.meters.loss += 3.0
    step.meters.correct += 7
    step.meters.last += 5.0
    before = cpu_state(step.model)
    graphed._capture(*batches(toy_data())[0])
    assert same(before, cpu_state(step.model))
    assert (float(step.meters.loss), int(step.meters.correct)) == (3.0, 7)
    assert float(step.meters.last) == 5.0
    assert any(name.endswith("running_mean") for name in before)


def test_the_captured_input_is_a_copy(steps, toy_data):
    """A replay must see the batch it is called with, not the one that was captured."""
    graphed = steps[1]
    first, second = batches(toy_data())[:2]
    kept = first[0].clone()
    graphed(*first)
    graphed(*second)
    assert torch.equal(first[0], kept), "the caller's batch is not overwritten"
    assert torch.equal(graphed.images, second[0]) and torch.equal(graphed.labels, second[1])


# --- tricks that fade


TRICKS = RECIPE.model_copy(
    update={
        "epochs": 4,
        "batch_size": 20,
        "soft_activation": SoftActivationConfig(end=0.35),  # gone before the third step of epoch 2
        "ghost_skip": GhostSkipConfig(end=0.5),  # gone behind epoch 2
    }
)


@pytest.fixture
def learners(toy_model, toy_data):
    """Return an eager and a graphed learner of the same dressed network, and their data."""
    data, made = toy_data(), []
    for graphed in (False, True):
        learner = WeightLearner(
            toy_model("resnet8", width=4),
            data,
            TRICKS,
            masks={},
            seed=0,
            device=CPU,
            precision="float32",
            graphs=False,
        )
        learner.model.train()
        if graphed:
            learner._step = GraphedStep(learner._step, 20)
            Graph.step, Graph.inputs = learner._step.eager, learner._step
        made.append(learner)
    return *made, data


def test_a_trick_that_ends_is_captured_anew(learners):
    """Weights, ghosts and statistics follow the eager training; one capture a network."""
    eager, graphed, data = learners
    captured = []
    for epoch in range(4):
        for learner in (eager, graphed):
            learner.begin_epoch(epoch)
        for number, (images, labels) in enumerate(batches(data, epoch)):
            for learner in (eager, graphed):
                learner.step(epoch, number, images, labels)
            if graphed._step.graph not in (None, *captured):
                captured.append(graphed._step.graph)
            assert same(cpu_state(eager.model), cpu_state(graphed.model)), (epoch, number)
            assert same(eager.dressing.state(), graphed.dressing.state())
        for learner in (eager, graphed):
            learner.end_epoch(epoch)
    assert len(captured) == 3, "with both tricks, with ghosts alone, plain"
    assert not eager.dressing.state()


def test_warming_up_leaves_the_ghosts_alone(learners):
    """Several forward passes; the running statistics of the ghosts' BN stay as well."""
    _, graphed, data = learners
    before = {name: value.clone() for name, value in graphed.dressing.state().items()}
    graphed._step._capture(*batches(data)[0])
    assert same(before, graphed.dressing.state())
    assert any(name.endswith("running_mean") for name in before)
    assert int(before["ghosts.0.bn.num_batches_tracked"]) == 0
