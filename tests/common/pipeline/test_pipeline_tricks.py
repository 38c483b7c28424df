"""Runs with ToST's tricks: what their phases leave, LRsI's two orders, factors of another run."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from common.config import TrainConfig
from common.config.tricks import LrsiConfig
from common.errors import UserError
from common.pipeline import Methods, compute_phase, is_done, phase_paths, plan_run
from common.pipeline.compute import read_result
from common.pipeline.context import initial_model, prepare_dataset, training_data
from common.randomness import generator
from common.tickets import Ticket
from common.tickets.states import load_state
from common.tracking import MetricsLog, read_metrics
from common.training import evaluate, learner
from common.tricks import Dressing, learn_scales

pytestmark = pytest.mark.usefixtures("one_thread")

TRAIN = {"epochs": 3, "batch_size": 100, "lr": 0.05}
LRSI = {"iters": 3, "batch_size": 20}
FADING = {
    "label_smoothing": 0.1,
    "smoothing_form": "exclude_target",
    "soft_activation": {"end": 0.4},
    "ghost_skip": {"end": 0.5},
    "lrsi": LRSI,
    "select": "best_validation",
}
KEPT = {"soft_activation": {"name": "mish", "decay": "none"}, "ghost_skip": {"decay": "none"}}
FIELDS = {
    "data": {"name": "digits", "augment": None, "subset": {"count": 250}},
    "model": {"name": "resnet8", "width": 4},
    "find": {"name": "random", "sparsity": 0.6},
}


@pytest.fixture
def compute(run_config, context):
    """Return a function that computes a run with tricks and returns its plan."""

    def go(tricks, **fields):
        config = run_config(**FIELDS | {"train": TRAIN | tricks} | fields)
        content = context.dataset("digits").fingerprint["sha256"]
        plan = plan_run(config, 0, Methods(), content)
        for phase in plan.phases:
            compute_phase(phase, context)
        return plan

    return go


@pytest.fixture
def surroundings(context):
    """Return a function that gives a phase's fresh network and its data."""

    def of(phase, batch_size=100):
        dataset = prepare_dataset(phase.setting.data, context, phase.setting.seed)
        model = initial_model(phase.setting, dataset, context)
        return model, training_data(phase.setting.data, dataset, batch_size, context)

    return of


def same(one, other):
    return sorted(one) == sorted(other) and all(torch.equal(one[k], other[k]) for k in one)


def files(phase, context):
    return {path.name for path in phase_paths(phase, context).root.iterdir()}


def scales(phase, context):
    return json.loads(phase_paths(phase, context).scales.read_text())["scales"]


def test_the_final_state_is_a_plain_network_with_the_measured_accuracy(
    compute, context, surroundings
):
    plan = compute(FADING)
    assert "lrsi.json" in files(plan.train, context)
    assert "ghosts.safetensors" not in files(plan.train, context)
    ticket = Ticket.load(phase_paths(plan.ticket, context).ticket)
    final = load_state(phase_paths(plan.train, context).final)
    metrics = read_result(plan.train, context)["metrics"]
    model, data = surroundings(plan.train)
    assert set(final) == set(model.state_dict()) == set(ticket.weights)
    for exported in (False, True):
        if exported:
            Ticket(ticket.masks, final).apply_to(model)
        else:
            model.load_state_dict(final)
        found = evaluate(model, data.test)
        assert found == (metrics["test_loss"], metrics["test_accuracy"])
        assert evaluate(model, data.validation)[1] == metrics["validation_accuracy"]
    for name, mask in ticket.masks.items():
        assert not bool(final[name][~mask].any()) and bool(final[name][mask].all())
    assert metrics["ghost_parameters"] == _ghosts_by_hand()
    removed = sum(int((~mask).sum()) for mask in ticket.masks.values())
    whole = sum(parameter.numel() for parameter in model.parameters())
    assert metrics["final_parameters"] == whole - removed
    assert metrics["lrsi_constraint_steps"] + metrics["lrsi_objective_steps"] == 3


def _ghosts_by_hand():
    """Of each 3x3 convolution of a block: in * out weights and 2 * out of BN."""
    blocks = [(4, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16)]
    return sum(wide * high + 2 * high for wide, high in blocks)


def test_ghosts_that_stay_have_a_file_beside_the_plain_state(compute, context, surroundings):
    plan = compute(KEPT)
    paths, metrics = phase_paths(plan.train, context), read_result(plan.train, context)["metrics"]
    model, data = surroundings(plan.train)
    model.load_state_dict(load_state(paths.final))
    assert evaluate(model, data.test)[0] != metrics["test_loss"]
    recipe = TrainConfig.model_validate(TRAIN | KEPT)
    dressing = Dressing(model, recipe, len(data.train), torch.device("cpu"))
    dressing.load(load_file(paths.dressed))
    found = evaluate(model, data.test)
    assert found == (metrics["test_loss"], metrics["test_accuracy"])
    assert metrics["ghost_parameters"] == _ghosts_by_hand()
    plain = sum(parameter.numel() for parameter in model.parameters())
    removed = sum(
        int((~m).sum())
        for m in Ticket.load(phase_paths(plan.ticket, context).ticket).masks.values()
    )
    assert metrics["final_parameters"] == plain - removed + _ghosts_by_hand()
    dressing.take_off()
    assert any(isinstance(module, nn.ReLU) for module in model.modules())


def test_an_interrupted_run_goes_on_with_the_factors_it_learned(compute, context, monkeypatch):
    whole = compute(FADING)
    first = phase_paths(whole.train, context)
    expected = (
        load_state(first.final),
        read_metrics(first.metrics),
        read_result(whole.train, context),
    )
    shutil.rmtree(first.root)
    append = MetricsLog.append

    def interrupted(log, row):
        append(log, row)
        if row["epoch"] == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compute_phase(whole.train, context)
    learned = first.scales.read_bytes()
    monkeypatch.setattr("common.training.loop.learn_scales", None)
    assert compute_phase(whole.train, context)
    assert first.scales.read_bytes() == learned
    assert same(load_state(first.final), expected[0])
    found = read_result(whole.train, context)
    assert found["metrics"] == expected[2]["metrics"]


# --- LRsI and the mask


def test_the_two_orders_learn_other_factors_and_start_from_the_same_ticket(
    compute, context, surroundings
):
    plans = [
        compute({"lrsi": LRSI | {"order": order}})
        for order in ("mask_then_scale", "scale_then_mask")
    ]
    factors = [scales(plan.train, context) for plan in plans]
    assert factors[0] != factors[1]
    (first, second) = (plan.train for plan in plans)
    ticket = Ticket.load(phase_paths(plans[0].ticket, context).ticket)
    assert not any(bool((ticket.weights[n] == 0).any()) for n in ticket.masks), "dense underneath"
    model, data = surroundings(first)
    ticket.apply_to(model)
    accuracy = evaluate(model, data.test)[1]
    states = []
    for phase in (first, second):
        assert read_result(phase, context)["metrics"]["start_test_accuracy"] == accuracy
        states.append(load_state(phase_paths(phase, context).final))
        for name, mask in ticket.masks.items():
            assert not bool(states[-1][name][~mask].any())
            assert bool(states[-1][name][mask].all())
    assert not same(*states)


@pytest.mark.parametrize("order", ["mask_then_scale", "scale_then_mask"])
def test_factors_are_those_of_gradinit_on_what_the_order_says(
    compute, context, surroundings, order
):
    plan = compute({"lrsi": LRSI | {"order": order}})
    ticket = Ticket.load(phase_paths(plan.ticket, context).ticket)
    model, data = surroundings(plan.train)
    if order == "mask_then_scale":
        ticket.apply_to(model)
    else:
        model.load_state_dict(ticket.weights)
    stream = data.train.endless(LRSI["batch_size"], lambda turn: generator(0, "lrsi", turn))
    found = learn_scales(model, stream, LrsiConfig.model_validate(LRSI))
    assert found.scales == scales(plan.train, context)


def test_a_run_with_the_factors_of_another_ends_with_its_bits(compute, context, tmp_path):
    tricks = {"soft_activation": {"end": 0.5}, "ghost_skip": {"end": 0.5}}
    learned = compute(tricks | {"lrsi": LRSI})
    phase = learned.train
    copies = []
    for name in ("one.json", "two.json"):
        copies.append(tmp_path / name)
        copies[-1].write_bytes(phase_paths(phase, context).scales.read_bytes())
    given = compute(tricks | {"lrsi": {"resume": str(copies[0])}})
    assert given.train.identity != phase.identity
    one, other = (phase_paths(each, context) for each in (phase, given.train))
    assert same(load_state(one.final), load_state(other.final))
    assert scales(phase, context) == scales(given.train, context)
    keys = ("test_loss", "test_accuracy", "train_loss", "start_test_accuracy")
    results = [read_result(each, context)["metrics"] for each in (phase, given.train)]
    assert [results[0][key] for key in keys] == [results[1][key] for key in keys]
    moved = compute(tricks | {"lrsi": {"resume": str(copies[1])}})
    assert moved.train.identity == given.train.identity, "a file's place is no part of a result"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (None, '{"scales": {}}', "lrsi.sha256: .* has another content now"),
        ("{}", "{}", "is no lrsi.json of a run"),
        ('{"scales": {"conv.weight": 1.0}}', None, "its factors are another network's"),
    ],
)
def test_factors_that_changed_or_do_not_fit_are_refused(
    run_config, context, tmp_path, before, after, words
):
    path = tmp_path / "factors.json"
    path.write_text(before or '{"scales": {"conv1.weight": 1.0}}')
    config = run_config(
        **FIELDS | {"find": {"name": "dense"}, "train": TRAIN | {"lrsi": {"resume": str(path)}}}
    )
    path.write_text(after or path.read_text())
    content = context.dataset("digits").fingerprint["sha256"]
    phase = plan_run(config, 0, Methods(), content).train
    with pytest.raises(UserError, match=words) as caught:
        compute_phase(phase, context)
    assert "\n" not in str(caught.value) and not is_done(phase, context)


# --- what finders make of them


def test_imp_prunes_the_weights_of_the_best_epoch(compute, context, monkeypatch):
    """Validation accuracies are set so that the first of two epochs wins in every round."""
    real = evaluate

    def pretended(model, batches, precision):
        loss, accuracy = real(model, batches, precision)
        if batches.image_count == 197:
            calls.append(1)
            accuracy = 60.0 if len(calls) % 2 else 50.0
        return loss, accuracy

    calls = []
    monkeypatch.setattr(learner, "evaluate", pretended)
    recipe = {"epochs": 2, "batch_size": 100, "lr": 0.05}
    whole = [
        compute(
            {},
            find={"name": "imp", "rounds": 1, "train": recipe | change},
            train=None,
            data={**FIELDS["data"], "subset": None},
        )
        for change in ({"select": "best_validation"}, {"select": "last"})
    ]
    finals = [load_state(phase_paths(plan.phases[0], context).final) for plan in whole]
    assert not same(*finals)
    metrics = read_result(whole[0].phases[0], context)["metrics"]
    history = read_result(whole[0].phases[0], context)["history"]
    assert metrics["selected_epoch"] == 1
    assert metrics["test_accuracy"] == history[0]["test_accuracy"]
    tickets = [Ticket.load(phase_paths(plan.ticket, context).ticket) for plan in whole]
    for ticket, final in zip(tickets, finals, strict=True):
        kept, removed = (
            torch.cat([final[n].abs()[m if alive else ~m] for n, m in ticket.masks.items()])
            for alive in (True, False)
        )
        assert kept.min() >= removed.max()
    assert not same(tickets[0].masks, tickets[1].masks)
