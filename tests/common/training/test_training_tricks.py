"""Trainings with ToST's tricks: what they leave behind, what they count, what they never touch."""

import copy
import math

import pytest
import torch
from torch import nn

from common.config import TrainConfig
from common.config.tricks import GhostSkipConfig, LrsiConfig, SoftActivationConfig
from common.models import build_model, prunable_parameters
from common.tickets import Ticket
from common.training import TrainHooks, WeightLearner, cpu_state, evaluate, run_epochs, train
from common.training.step import smoothed_loss

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
HOW = {"seed": 5, "device": CPU, "precision": "float32"}
PLAIN = TrainConfig(epochs=4, batch_size=20, lr=0.05, weight_decay=1e-3)
SOFT = {"soft_activation": SoftActivationConfig(start=0.1, end=0.4)}
GHOSTS = {"ghost_skip": GhostSkipConfig(end=0.6)}
LRSI = {"lrsi": LrsiConfig(iters=2, batch_size=10)}
SMOOTH = {"label_smoothing": 0.1, "smoothing_form": "exclude_target"}
KEPT = {
    "soft_activation": SoftActivationConfig(decay="none"),
    "ghost_skip": GhostSkipConfig(decay="none"),
}
FADING = {
    "soft, beta": SOFT,
    "soft, linear": {"soft_activation": SoftActivationConfig(name="mish", end=0.5)},
    "soft, step": {"soft_activation": SoftActivationConfig(decay="step", end=1.0)},
    "ghosts": GHOSTS,
    "ghosts, step": {"ghost_skip": GhostSkipConfig(decay="step", end=0.5, per_step=False)},
    "all": SOFT | GHOSTS | LRSI | SMOOTH,
}


def recipe(**tricks):
    return PLAIN.model_copy(update=tricks)


def network(toy_model):
    return toy_model("resnet8", width=4)


def is_plain(model, modules, names):
    """Tell whether a network has the modules and tensors it began with, and no hooks."""
    assert dict(model.named_modules()) == modules
    assert list(model.state_dict()) == names
    activations = [m for m in modules.values() if isinstance(m, nn.ReLU)]
    hooks = [m for m in modules.values() if m._forward_hooks or m._forward_pre_hooks]
    return bool(activations) and not hooks


# --- the loss


def test_smoothed_labels_of_the_worked_example():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.0, 0.0, 3.0, 0.0]], dtype=torch.float64)
    labels = torch.tensor([0, 1])
    for amount, form, expected in (
        (0.1, "exclude_target", 1.8396980),
        (0.1, "uniform", 1.8271980),
        (0.1 * 4 / 3, "uniform", 1.8396980),
        (0.0, "uniform", 1.7896980),
        (0.0, "exclude_target", 1.7896980),
    ):
        assert float(smoothed_loss(logits, labels, amount, form)) == pytest.approx(
            expected, abs=1e-7
        )


def test_with_two_classes_the_other_one_may_get_more_than_half():
    logits = torch.tensor([[0.7, -0.4]], dtype=torch.float64)
    true = math.log(1 + math.exp(-1.1))
    expected = 0.4 * true + 0.6 * (true + 1.1)
    labels = torch.tensor([0])
    assert float(smoothed_loss(logits, labels, 0.6, "exclude_target")) == pytest.approx(expected)
    model, rows = build_model("fc", num_classes=2, in_channels=1, hidden=[4], image_size=4), 6
    images = torch.randn(rows, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = smoothed_loss(model(images), torch.ones(rows, dtype=torch.int64), 0.6, "exclude_target")
    assert torch.isfinite(found)


def test_evaluation_is_by_plain_cross_entropy(toy_model, toy_data):
    losses = []
    for tricks in ({}, SMOOTH):
        model = network(toy_model)
        result = train(model, toy_data(), recipe(epochs=1, lr=1e-30, **tricks), masks={}, **HOW)
        losses.append((result.metrics["test_loss"], result.metrics["train_loss"]))
    (test, learnt), (smooth_test, smooth_learnt) = losses
    assert smooth_test == test and smooth_learnt != learnt


# --- what is left of them


@pytest.mark.parametrize("case", FADING)
def test_what_fades_leaves_the_plain_network(toy_model, toy_data, random_masks, case):
    model, data = network(toy_model), toy_data()
    modules, names = dict(model.named_modules()), list(model.state_dict())
    learner = WeightLearner(
        model, data, recipe(**FADING[case]), masks=random_masks(model), graphs=False, **HOW
    )
    assert not is_plain_now(model, modules), "there is something to take away"
    run_epochs(learner, data.train, recipe(**FADING[case]), seed=5, hooks=TrainHooks())
    assert is_plain(model, modules, names)
    own = {id(parameter) for parameter in model.parameters()}
    (rule,) = learner.optimizers
    assert {id(parameter) for parameter in rule.state} == own
    assert {id(p) for group in rule.param_groups for p in group["params"]} == own
    assert learner.dressing.state() == learner.carried() == {}


def is_plain_now(model, modules):
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    return dict(model.named_modules()) == modules and not hooked


@pytest.mark.parametrize("case", FADING)
def test_the_trained_network_computes_what_was_measured(
    toy_model, toy_data, random_masks, case, tmp_path
):
    """The state of the end in a fresh plain network, and as a ticket: same logits and numbers."""
    model, data = network(toy_model), toy_data()
    images, _ = next(data.test.sequential(50))
    seen = {}

    def on_epoch(row):
        if row["epoch"] == PLAIN.epochs - 1:
            seen["logits"] = copy.deepcopy(model).eval()(images)

    masks = random_masks(model)
    result = train(
        model, data, recipe(**FADING[case]), masks=masks, hooks=TrainHooks(on_epoch=on_epoch), **HOW
    )
    assert result.dressed == {}
    fresh, exported = network(toy_model), network(toy_model)
    fresh.load_state_dict(cpu_state(model))
    Ticket(masks, cpu_state(model)).save(tmp_path / "ticket.safetensors")
    Ticket.load(tmp_path / "ticket.safetensors").apply_to(exported)
    for other in (fresh, exported):
        loss, accuracy = evaluate(other, data.test)
        assert (loss, accuracy) == (result.metrics["test_loss"], result.metrics["test_accuracy"])
        assert torch.equal(other.eval()(images), seen["logits"])


def test_tricks_that_stay_are_handed_back_beside_the_plain_network(toy_model, toy_data):
    model, data = network(toy_model), toy_data()
    modules, names = dict(model.named_modules()), list(model.state_dict())
    result = train(model, data, recipe(**KEPT), masks={}, **HOW)
    assert is_plain(model, modules, names)
    kept = WeightLearner(
        network(toy_model), data, recipe(**KEPT), masks={}, graphs=False, **HOW
    ).dressing
    assert set(result.dressed) == set(kept.state())
    assert evaluate(model, data.test)[0] != result.metrics["test_loss"], "measured with them"
    assert not any("dressed" in row for row in result.history), "every epoch counts"
    other = network(toy_model)
    other.load_state_dict(cpu_state(model))
    learner = WeightLearner(other, data, recipe(**KEPT), masks={}, graphs=False, **HOW)
    learner.carry_on({f"ghosts/{name}": value for name, value in result.dressed.items()})
    assert learner.evaluate(0)["test_loss"] == result.metrics["test_loss"]


def test_a_training_of_no_epochs_evaluates_the_plain_network(toy_model, toy_data):
    model, data = network(toy_model), toy_data()
    result = train(model, data, recipe(epochs=0, **SOFT, **GHOSTS), masks={}, **HOW)
    assert result.metrics["test_loss"] == evaluate(network(toy_model), data.test)[0]
    assert "dressed" not in result.metrics and result.dressed == {}


def test_rows_say_where_tricks_still_fade(toy_model, toy_data):
    """Soft to 40 % and ghosts to 60 % of four epochs: gone within the second and third."""
    result = train(network(toy_model), toy_data(), recipe(**SOFT, **GHOSTS), masks={}, **HOW)
    assert [row.get("dressed", False) for row in result.history] == [True, True, False, False]
    counted = [row["test_accuracy"] for row in result.history[2:]]
    assert result.metrics["best_test_accuracy"] == max(counted)
    assert "dressed" not in result.metrics


# --- sparsity and sizes


@pytest.mark.parametrize("tricks", [SOFT | GHOSTS | LRSI, KEPT | LRSI], ids=["fading", "kept"])
def test_removed_weights_are_zero_all_along(toy_model, toy_data, random_masks, tricks):
    model = network(toy_model)
    masks = random_masks(model)
    for name, mask in masks.items():
        model.get_parameter(name).data.mul_(mask)
    prunable, steps = list(prunable_parameters(model)), []

    def check(_):
        steps.append(list(prunable_parameters(model)) == prunable)
        for name, mask in masks.items():
            weight = model.get_parameter(name)
            assert not bool(weight[~mask].any()), name
            assert bool(weight[mask].all()), "and no other one is"

    hooks = TrainHooks(on_step=check, on_scales=check)
    result = train(model, toy_data(), recipe(**tricks), masks=masks, hooks=hooks, **HOW)
    assert steps == [True] * (1 + 5 * PLAIN.epochs)
    removed = sum(int((~mask).sum()) for mask in masks.values())
    whole = sum(parameter.numel() for parameter in model.parameters())
    # Of each 3x3 convolution of a block: in * out weights and 2 * out of BN; widths 4, 8, 16.
    blocks = [(4, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16)]
    ghosts = sum(wide * high + 2 * high for wide, high in blocks)
    assert result.metrics["ghost_parameters"] == ghosts
    left = sum(value.numel() for value in result.dressed.values() if value.dim() == 4)
    assert left == (
        sum(wide * high for wide, high in blocks)
        if tricks["ghost_skip"] is KEPT["ghost_skip"]
        else 0
    )
    assert result.metrics["final_parameters"] == whole - removed + (ghosts if left else 0)


def test_networks_without_ghosts_have_no_such_metrics(toy_model, toy_data):
    metrics = train(network(toy_model), toy_data(), recipe(**SOFT), masks={}, **HOW).metrics
    assert not {"ghost_parameters", "final_parameters", "selected_epoch"} & set(metrics)


def test_norm_layers_without_weight_decay(toy_model, toy_data):
    """One step with zero gradients: what decays is multiplied by 1 - lr * decay, norms stay."""
    for decay_norm in (True, False):
        model = network(toy_model)
        chosen = recipe(lr=0.1, momentum=0.0, weight_decay=0.5, decay_norm=decay_norm, **KEPT)
        learner = WeightLearner(model, toy_data(), chosen, masks={}, graphs=False, **HOW)
        norms = {
            id(p) for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()
        }
        ghosts = dict(learner.dressing.ghosts.named_parameters())
        norms |= {id(p) for name, p in ghosts.items() if ".bn." in name}
        assert len(norms) == 2 * (9 + 6)
        parameters = [*model.parameters(), *ghosts.values()]
        before = [parameter.detach().clone() for parameter in parameters]
        learner.begin_epoch(0)
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        learner.optimizers[0].step()
        for parameter, old in zip(parameters, before, strict=True):
            factor = 1.0 if id(parameter) in norms and not decay_norm else 0.95
            torch.testing.assert_close(parameter.detach(), old * factor)


# --- LRsI


def test_lrsi_comes_before_the_first_step_and_only_once(toy_model, toy_data):
    model, found = network(toy_model), []
    before = {name: value.detach().clone() for name, value in model.named_parameters()}

    def on_scales(scales):
        found.append(scales)
        for name, value in model.named_parameters():
            torch.testing.assert_close(value.detach(), before[name] * scales.scales[name])

    hooks = TrainHooks(on_scales=on_scales)
    train(model, toy_data(), recipe(**LRSI, **SOFT, **GHOSTS), masks={}, hooks=hooks, **HOW)
    (scales,) = found
    ghosts = {name for name in scales.scales if name.startswith("1:")}
    assert len(ghosts) == 6 * 3, "ghosts are scaled, too"
    assert set(scales.scales) - ghosts == set(before)
    assert scales.constraint_steps + scales.objective_steps == 2


def test_ghosts_without_norm_layers_around_use_batch_statistics_in_lrsi(toy_data):
    """In Conv-4 a ghost hangs on a convolution, which GradInit puts in evaluation mode."""
    modes = []
    draw = torch.Generator().manual_seed(0)
    options = {"in_channels": 1, "width_mult": 0.0625, "image_size": 8}
    model = build_model("conv4", num_classes=4, generator=draw, **options)
    chosen = recipe(epochs=1, lr=1e-3, **LRSI, **KEPT)

    class Watched(nn.BatchNorm2d):
        def forward(self, x):
            modes.append(self.training)
            return super().forward(x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.tricks.ghosts.nn.BatchNorm2d", Watched)
        learnt = []
        hooks = TrainHooks(on_scales=lambda scales: learnt.extend(modes))
        train(model, toy_data(), chosen, masks={}, hooks=hooks, **HOW)
    assert len(learnt) >= 2 * 4 and all(learnt)
    assert not all(modes), "evaluation is by running statistics"
