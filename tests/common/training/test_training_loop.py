"""The training loop: what it measures, what it tells, and when it stops."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from common.config import TrainConfig
from common.data import Batches, Normalization, Split
from common.errors import RunFailedError
from common.training import Moment, TrainHooks, cpu_state, evaluate, summarise, train
from common.training.optimizer import MaskKeeper, build_optimizer
from common.training.step import EagerStep, GraphedStep, Meters

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
RECIPE = TrainConfig(epochs=3, batch_size=20, lr=0.05)


def run(model, data, recipe=RECIPE, seed=0, masks=None, hooks=None):
    return train(
        model,
        data,
        recipe,
        masks=masks or {},
        seed=seed,
        device=CPU,
        precision="float32",
        hooks=hooks,
    )


def same(a, b):
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


# What is measured


class Constant(nn.Module):
    """Answers class 0 whatever it sees."""

    def forward(self, x):
        return torch.tensor([[2.0, 0.0]]).expand(len(x), 2)


def test_evaluation_weighs_images_not_batches():
    # 1,000 images fill one batch of the evaluation; the ten in the last one are all wrong.
    labels = torch.cat([torch.zeros(1000), torch.ones(10)]).long()
    images = torch.zeros((1010, 1, 2, 2), dtype=torch.uint8)
    batches = Batches(Split(images, labels), 7, Normalization((0.5,), (0.5,)))
    loss, accuracy = evaluate(Constant(), batches)
    assert accuracy == pytest.approx(100 * 1000 / 1010)
    assert loss == pytest.approx(float(F.cross_entropy(Constant()(images), labels)))


def test_evaluation_leaves_the_model_as_it_was(toy_model, toy_data):
    model, data = toy_model().train(), toy_data()
    before = cpu_state(model)
    first = evaluate(model, data.test)
    assert model.training and same(before, cpu_state(model))
    assert evaluate(model.eval(), data.test) == first
    assert not model.training


def test_the_last_epoch_is_the_state_that_is_left(toy_model, toy_data):
    model, data = toy_model(), toy_data()
    result = run(model, data)
    loss, accuracy = evaluate(model, data.test)
    assert result.metrics["test_accuracy"] == accuracy
    assert result.metrics["test_loss"] == loss
    assert result.metrics["validation_accuracy"] == evaluate(model, data.validation)[1]


def test_training_accuracy_and_loss_weigh_an_uneven_last_batch_by_its_images(toy_model, toy_data):
    """Redo an epoch of 90 images in batches of 40, 40 and 10 by hand, at a rate of almost 0."""
    model, data = toy_model(), toy_data(batch_size=40)
    reference = copy.deepcopy(model)
    result = run(model, data, TrainConfig(epochs=1, batch_size=40, lr=1e-12))
    from common.randomness import generator

    loss, right = 0.0, 0
    for images, labels in data.train.epoch(generator(0, "order", 0)):
        logits = reference(images).detach()
        loss += float(F.cross_entropy(logits, labels, reduction="sum"))
        right += int((logits.argmax(1) == labels).sum())
    assert result.metrics["train_loss"] == pytest.approx(loss / 90, rel=1e-5)
    assert result.metrics["train_accuracy"] == pytest.approx(100 * right / 90)


def test_three_accuracies_stay_apart():
    rows = [
        {"epoch": 0, "test_accuracy": 50.0, "validation_accuracy": 91.0},
        {"epoch": 1, "test_accuracy": 80.0, "validation_accuracy": 60.0},
        {"epoch": 2, "test_accuracy": 70.0, "validation_accuracy": 61.0},
    ]
    metrics = summarise([{"lr": 0.1, "seconds": 1.0, "train_loss": 0.5, **row} for row in rows])
    assert metrics["test_accuracy"] == 70.0
    assert metrics["best_test_accuracy"] == 80.0
    assert metrics["test_accuracy_at_best_validation"] == 50.0
    assert metrics["first_epoch_test_accuracy"] == 50.0
    assert metrics["validation_accuracy"] == 61.0
    assert not {"epoch", "lr", "seconds"} & set(metrics)


def test_the_first_of_equally_good_validation_epochs_is_selected():
    rows = [{"test_accuracy": t, "validation_accuracy": 60.0} for t in (40.0, 90.0)]
    assert summarise(rows)["test_accuracy_at_best_validation"] == 40.0


def test_without_validation_nothing_is_selected(toy_model, toy_data):
    metrics = run(toy_model(), toy_data(validation=False)).metrics
    assert metrics["test_accuracy_at_best_validation"] is None
    assert not [key for key in metrics if key.startswith("validation")]


def test_evaluate_every_skips_epochs_but_never_the_last(toy_model, toy_data):
    often, seldom = toy_model(), toy_model()
    all_rows = run(often, toy_data(), TrainConfig(epochs=5, batch_size=20))
    some = run(seldom, toy_data(), TrainConfig(epochs=5, batch_size=20, evaluate_every=2))
    assert ["test_accuracy" in row for row in some.history] == [False, True, False, True, True]
    assert same(cpu_state(often), cpu_state(seldom))
    assert some.metrics["test_accuracy"] == all_rows.metrics["test_accuracy"]
    assert some.metrics["first_epoch_test_accuracy"] is None
    evaluated = [all_rows.history[epoch]["test_accuracy"] for epoch in (1, 3, 4)]
    assert some.metrics["best_test_accuracy"] == max(evaluated)


def test_no_epochs_only_evaluate(toy_model, toy_data):
    model, data = toy_model(), toy_data()
    before = cpu_state(model)
    result = run(model, data, TrainConfig(epochs=0))
    assert result.history == []
    assert result.metrics["test_accuracy"] == evaluate(model, data.test)[1]
    assert same(before, cpu_state(model))


def test_label_smoothing_mixes_the_uniform_distribution_in(toy_model, toy_data):
    """The loss is (1 - s) CE + s times the mean over the classes of minus the log-probability."""
    model, smoothing = toy_model(), 0.3
    images, labels = next(iter(toy_data().train.sequential()))
    meters = Meters(CPU)
    rule = build_optimizer(RECIPE, model.parameters())
    step = EagerStep(model, rule, MaskKeeper(model, {}), meters, "float32", smoothing)
    log_probability = copy.deepcopy(model)(images).log_softmax(1)
    expected = (1 - smoothing) * F.nll_loss(log_probability, labels)
    expected = expected - smoothing * log_probability.mean()
    step(images, labels)
    assert meters.read(len(labels))[0] == pytest.approx(expected.item(), rel=1e-5)


# What is told


def test_hooks_hear_every_step_and_epoch_once(toy_model, toy_data):
    images, epochs, kept = [], [], []
    hooks = TrainHooks(
        on_step=images.append,
        on_epoch=lambda row: epochs.append((row["epoch"], row["lr"])),
        keep=lambda moment, state: kept.append(moment.number),
        keep_at=(Moment("epoch", 0), Moment("epoch", 2)),
    )
    run(toy_model(), toy_data(), hooks=hooks)
    assert images == [20, 20, 20, 20, 10] * 3
    assert epochs == [(0, 0.05), (1, pytest.approx(0.005)), (2, pytest.approx(0.0005))]
    assert kept == [0, 2]


def test_a_kept_copy_is_the_state_after_that_epoch(toy_model, toy_data):
    copies = {}
    hooks = TrainHooks(keep=copies.__setitem__, keep_at=(Moment("epoch", 1),))
    whole, short = toy_model(), toy_model()
    recipe = TrainConfig(epochs=4, batch_size=20, schedule="constant", lr=0.05)
    run(whole, toy_data(), recipe, hooks=hooks)
    run(short, toy_data(), recipe.model_copy(update={"epochs": 2}))
    assert same(copies[Moment("epoch", 1)], cpu_state(short))
    assert not same(copies[Moment("epoch", 1)], cpu_state(whole))


# What it depends on


def test_the_same_seed_gives_the_same_bits_and_another_does_not(toy_model, toy_data):
    states = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        model = toy_model()
        run(model, toy_data(), seed=seed)
        states.append(cpu_state(model))
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


def test_dropout_draws_from_the_seed_of_the_run(toy_model, toy_data):
    states = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        model = toy_model("alexnet", width_mult=0.05, image_size=16)
        run(model, toy_data(size=16), TrainConfig(epochs=2, batch_size=20, lr=0.01), seed=seed)
        states.append(cpu_state(model))
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


def test_removed_weights_are_zero_from_the_start(toy_model, toy_data, random_masks):
    """The loop masks a model whose removed weights are not yet zero, also without a step."""
    model = toy_model()
    masks = random_masks(model)
    run(model, toy_data(), TrainConfig(epochs=0), masks=masks)
    assert all(bool((model.get_parameter(name)[~mask] == 0).all()) for name, mask in masks.items())


# When it stops


def test_a_loss_that_is_no_number_stops_the_run_and_says_where(toy_model, toy_data):
    model = toy_model("fc", hidden=[8], image_size=8)
    seen = []
    with pytest.raises(RunFailedError, match=r"loss is (nan|inf) in epoch 1 of 3"):
        run(
            model,
            toy_data(),
            RECIPE.model_copy(update={"lr": 1e12}),
            hooks=TrainHooks(on_epoch=seen.append),
        )
    assert seen == []


# The graphed step, as far as it runs without a GPU


def test_a_graphed_step_runs_partial_batches_eagerly(toy_model, toy_data):
    """No batch has the captured size here, so both steps must do the same arithmetic."""
    models = [toy_model(), toy_model()]
    meters = [Meters(CPU), Meters(CPU)]
    eager = [
        EagerStep(m, build_optimizer(RECIPE, m.parameters()), MaskKeeper(m, {}), s, "float32", 0.0)
        for m, s in zip(models, meters, strict=True)
    ]
    steps = [eager[0], GraphedStep(eager[1], batch_size=21)]
    for images, labels in toy_data().train.epoch(torch.Generator().manual_seed(0)):
        for step in steps:
            step(images, labels)
    assert same(cpu_state(models[0]), cpu_state(models[1]))
    assert meters[0].read(90) == meters[1].read(90)


def test_weights_that_are_no_numbers_stop_the_run(toy_model, toy_data):
    """The loss of an epoch is measured before its last update, so it does not see what that did."""
    model, data = toy_model(), toy_data()
    steps = []

    def spoil(images):
        steps.append(images)
        if len(steps) == len(data.train):
            with torch.no_grad():
                next(model.parameters()).fill_(float("inf"))

    with pytest.raises(RunFailedError, match="not finite after epoch 1"):
        run(model, data, hooks=TrainHooks(on_step=spoil))
