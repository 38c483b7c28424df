"""ToST's tricks under CUDA graphs: what moves between replays, what is captured anew."""

from __future__ import annotations

import pytest
import torch

from common.config import TrainConfig
from common.config.tricks import GhostSkipConfig, LrsiConfig, SoftActivationConfig
from common.training import (
    CheckpointStore,
    TrainHooks,
    WeightLearner,
    evaluate,
    prepare_device,
    train,
)
from tests.common.training.test_training_cuda import assert_states_close, on_cpu, on_gpu

pytestmark = pytest.mark.cuda

RECIPE = TrainConfig(epochs=2, batch_size=20, lr=0.05, weight_decay=1e-3, label_smoothing=0.1)
TRICKS = RECIPE.model_copy(
    update={
        "epochs": 4,
        "smoothing_form": "exclude_target",
        "soft_activation": SoftActivationConfig(end=0.35),
        "ghost_skip": GhostSkipConfig(end=0.5),
    }
)


@pytest.fixture
def gpu():
    device = torch.device("cuda")
    prepare_device(device)
    return device


def dressed(toy_model, toy_data, gpu, graphs, recipe=TRICKS):
    data = toy_data(device=gpu)
    learner = WeightLearner(
        on_gpu(toy_model("resnet8", width=4), gpu),
        data,
        recipe,
        masks={},
        seed=0,
        device=gpu,
        precision="float32",
        graphs=graphs,
    )
    learner.model.train()
    return learner, data


def test_the_graph_follows_the_eager_step_while_tricks_fade(toy_model, toy_data, gpu):
    """The slope and the ghosts' weight move between replays; a trick that ends is captured anew."""
    (eager, data), (graphed, _) = (
        dressed(toy_model, toy_data, gpu, graphs) for graphs in (False, True)
    )
    captured = []
    for epoch in range(4):
        for learner in (eager, graphed):
            learner.begin_epoch(epoch)
            learner.model.train()
        draws = torch.Generator().manual_seed(epoch)
        for number, (images, labels) in enumerate(data.train.epoch(draws)):
            for learner in (eager, graphed):
                learner.meters.zero()
                learner.step(epoch, number, images, labels)
            if graphed._step.graph is not None and graphed._step.graph not in captured:
                captured.append(graphed._step.graph)
            losses = [learner.meters.read(len(labels))[0] for learner in (eager, graphed)]
            assert losses[1] == pytest.approx(losses[0], rel=5e-3), (epoch, number)
        for learner in (eager, graphed):
            learner.end_epoch(epoch)
    assert len(captured) == 3, "with both tricks, with ghosts alone, plain"
    assert_states_close(on_cpu(eager.model), on_cpu(graphed.model), atol=1e-2)


def test_warming_up_leaves_the_ghosts_alone(toy_model, toy_data, gpu):
    learner, data = dressed(toy_model, toy_data, gpu, graphs=True)
    before = {name: value.cpu().clone() for name, value in learner.dressing.state().items()}
    images, labels = next(data.train.epoch(torch.Generator().manual_seed(0)))
    learner._step._capture(images, labels)
    torch.cuda.synchronize()
    after = {name: value.cpu() for name, value in learner.dressing.state().items()}
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert int(after["ghosts.0.bn.num_batches_tracked"]) == 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("fading", [True, False])
def test_all_tricks_on_the_device_and_again_after_a_kill(
    toy_model, toy_data, random_masks, gpu, tmp_path, precision, fading
):
    """LRsI, soft activations and ghosts under graphs; killed in the fade it ends the same."""
    tricks = {"lrsi": LrsiConfig(iters=2, batch_size=10), "select": "best_validation"}
    if not fading:
        tricks["soft_activation"] = SoftActivationConfig(decay="none")
        tricks["ghost_skip"] = GhostSkipConfig(decay="none")
    recipe = TRICKS.model_copy(update=tricks)
    results = []

    def go(**hooks):
        model = on_gpu(toy_model("resnet8", width=4), gpu)
        masks = {name: mask.to(gpu) for name, mask in random_masks(model).items()}
        told = TrainHooks(checkpoint_seconds=0.0, **hooks)
        how = {"seed": 0, "device": gpu, "precision": precision, "graphs": True, "hooks": told}
        results.append(train(model, toy_data(device=gpu), recipe, masks=masks, **how))
        return model, masks

    model, masks = go()
    assert all(not bool(model.get_parameter(name)[~mask].any()) for name, mask in masks.items())
    if fading:
        loss, accuracy = evaluate(model, toy_data(device=gpu).test, precision)
        assert loss == pytest.approx(results[0].metrics["test_loss"], rel=1e-4)
        assert accuracy == results[0].metrics["test_accuracy"]
    left = [7]

    def stop(_):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(checkpoints=CheckpointStore(tmp_path), on_step=stop)
    go(checkpoints=CheckpointStore(tmp_path))
    for whole, again in zip(results[0].history, results[1].history, strict=True):
        assert again["train_loss"] == pytest.approx(whole["train_loss"], rel=5e-2, abs=0.02)
    assert bool(results[1].dressed) is not fading


def test_frozen_negative_weights_stay_under_a_graph(toy_model, toy_data, gpu):
    recipe = RECIPE.model_copy(update={"freeze_negative": True, "weight_decay": 0.0})
    learner, data = dressed(toy_model, toy_data, gpu, graphs=True, recipe=recipe)
    weight = learner.model.get_parameter("layer1.0.conv1.weight")
    before = weight.detach().clone()
    for number, (images, labels) in enumerate(data.train.epoch(torch.Generator().manual_seed(0))):
        learner.step(0, number, images, labels)
    frozen = before < 1e-6
    assert torch.equal(weight[frozen], before[frozen])
    assert bool((weight != before)[~frozen].any())
