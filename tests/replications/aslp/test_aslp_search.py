"""Whole searches: what is found, what is recorded, and that a killed one goes on exactly."""

import copy
import dataclasses
import json

import pytest
import torch
from pydantic import ValidationError

from common.config import parse_config
from common.data import Batches, Normalization
from common.errors import RunFailedError, UserError
from common.finders import find_ticket
from common.masks import EDGES, MaskLearner
from common.models import build_model, prunable_parameters
from common.pipeline import compute_phase, finish_run, phase_paths, plan_run
from common.randomness import generator
from common.results.records import check_record
from common.tickets import Ticket
from common.tracking import read_metrics
from common.training import evaluate
from replications.aslp.methods import METHODS, AslpOptions, SupermaskOptions
from replications.aslp.rescale import DynamicRescale, SmartRescale

pytestmark = pytest.mark.usefixtures("one_thread", "denormals")

SEARCH = {"epochs": 3, "batch_size": 100, "lr": 200.0, "patience": None}
RUN = {
    "paper": "aslp",
    "experiment": "test",
    "protocol": "test",
    "name": "tiny",
    "method": "aslp",
    "variant": "WR",
    "data": {"name": "digits", "normalization": "none", "augment": None, "subset": {"count": 250}},
    "model": {"name": "fc", "hidden": [30], "image_size": 16, "init": "kaiming_normal"},
    "find": {"name": "aslp", "weight_rescale": True, "samples": 3, "search": SEARCH},
    "train": None,
    "precision": "float32",
}


@pytest.fixture
def denormals():
    """Compute with denormal numbers, and leave the process's setting as it was."""
    flushed = bool((torch.tensor([1e-38]) * 1e-3) == 0)
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(flushed)


def network(hidden=(60,)):
    draw = generator(0, "initialise")
    options = {"hidden": list(hidden), "image_size": 16, "init": "kaiming_normal"}
    return build_model("fc", num_classes=10, in_channels=1, generator=draw, **options)


def find(name, model, data, search=None, **options):
    given = SEARCH | (search or {})
    return find_ticket(name, model, data, finders=METHODS.finders, search=given, **options)


def accuracy(ticket, model, data):
    copied = copy.deepcopy(model)
    ticket.apply_to(copied)
    return evaluate(copied, Batches(data.test, 100, data.normalization()))[1]


# --- what the options mean


def test_the_paper_s_defaults():
    options = AslpOptions()
    assert (options.latent_init, options.prune_threshold, options.samples) == (0.0, 0.0, 10)
    assert (options.gumbel.tau, options.gumbel.hard) == (1.0, True)
    assert options.gumbel.parametrization == "aslp"
    assert (options.rescale.lr, options.rescale.two_pass) == (1e-3, True)
    assert options.prune_and_test and not options.weight_rescale
    assert not SupermaskOptions().prune_and_test
    assert (options.search.lr, options.search.momentum) == (50.0, 0.9)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (AslpOptions(weight_rescale=True), SmartRescale),
        (SupermaskOptions(weight_rescale=True), DynamicRescale),
        (AslpOptions(weight_rescale=True, rescale={"kind": "dynamic"}), DynamicRescale),
        (SupermaskOptions(weight_rescale=True, rescale={"kind": "smart"}), SmartRescale),
    ],
)
def test_weight_rescale_is_smart_for_aslp_and_dynamic_for_supermask(options, kind):
    assert type(options.make_rescale()) is kind
    assert (options.training() is not None) is (kind is SmartRescale)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("aslp", {"rescale": {"lr": 0.1}}, "no effect where weight_rescale is false"),
        ("supermask", {"weight_rescale": True, "rescale": {"two_pass": False}}, "dynamic"),
        ("aslp", {"weight_rescale": True, "rescale": {"kind": "dynamic", "lr": 0.1}}, "dynamic"),
    ],
)
def test_an_option_without_effect_is_refused(name, options, reason):
    with pytest.raises(ValidationError, match=reason):
        METHODS.finders[name].options.model_validate({"name": name, **options})


@pytest.mark.parametrize(
    ("spelling", "name"), [("ASLP", "aslp"), ("Edge-Popup", "edge_popup"), ("SNIP", "snip")]
)
def test_a_method_may_be_spelt_as_in_the_papers(spelling, name):
    find = {"name": spelling, **({} if name == "aslp" else {"sparsity": 0.5})}
    assert parse_config(RUN | {"find": find}, METHODS.catalog()).find.name == name


def test_without_weight_rescale_nothing_is_scaled():
    options = AslpOptions()
    assert not list(options.make_rescale().parameters())
    assert options.training() is None


@pytest.mark.parametrize("name", ["aslp", "supermask"])
def test_a_sparsity_cannot_be_asked_for(digits, name):
    with pytest.raises(UserError, match="sparsity") as caught:
        find(name, network(), digits, sparsity=0.5)
    assert "\n" not in str(caught.value)


# --- what is found


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("aslp", {}),
        ("aslp", {"weight_rescale": True, "rescale": {"two_pass": False}}),
        ("supermask", {}),
    ],
)
def test_a_mask_learns_the_task_without_touching_a_weight(digits, name, options):
    model = network((200,))
    search = {"epochs": 10, "batch_size": 50}
    ticket = find(name, model, digits, search, **options)
    assert accuracy(ticket, model, digits) > 85.0
    assert 0.2 < ticket.sparsity() < 0.7
    factors = ticket.meta["factors"]
    for key, weight in model.state_dict().items():
        wanted = weight * factors.get(key, 1.0)
        torch.testing.assert_close(ticket.weights[key], wanted, rtol=1e-6, atol=0)
    assert (set(factors.values()) == {1.0}) is not options.get("weight_rescale", False)


def test_dynamic_rescale_is_folded_into_the_ticket(digits):
    model = network()
    ticket = find("supermask", model, digits, {"lr": 5.0}, weight_rescale=True)
    for name, density in ticket.layer_densities().items():
        assert ticket.meta["factors"][name] == pytest.approx(1 / density)
        wanted = model.state_dict()[name] / density
        torch.testing.assert_close(ticket.weights[name], wanted)


def test_before_the_search_the_pruned_network_is_the_dense_one(digits):
    model = network()
    ticket = find("aslp", model, digits, {"epochs": 0})
    assert ticket.sparsity() == 0.0
    dense = evaluate(model, Batches(digits.test, 100, digits.normalization()))[1]
    assert accuracy(ticket, model, digits) == dense


def test_latents_of_weights_without_input_stay_at_zero_and_are_kept(digits):
    """The corners of the digits are black in every image: with [0, 1] inputs nothing is learnt."""
    plain = {"default": Normalization((0.0,), (1.0,))}
    flat = dataclasses.replace(digits, normalizations=plain)
    images = digits.train.images.flatten(1)
    never = (images == 0).all(dim=0)
    assert never.any()
    ticket = find("aslp", network(), flat, {"lr": 50.0})
    assert ticket.masks["features.fc1.weight"][:, never].all()
    assert not ticket.masks["features.fc1.weight"].all()


def test_every_seed_finds_its_own_ticket(digits):
    model = network()
    one, same, other = (find("aslp", model, digits, seed=seed) for seed in (0, 0, 1))
    for name, mask in one.masks.items():
        assert torch.equal(mask, same.masks[name])
        assert not torch.equal(mask, other.masks[name])


def test_a_naive_search_that_overflows_says_that_the_latents_broke(digits):
    search = {"lr": 20_000.0}
    with pytest.raises(RunFailedError, match=r"the latents are not finite after epoch \d"):
        find("aslp", network(), digits, search, gumbel={"parametrization": "naive"})
    for kind in ("aslp", "logsigmoid"):
        ticket = find("aslp", network(), digits, search, gumbel={"parametrization": kind})
        assert set(ticket.masks) == set(prunable_parameters(network()))


def test_soft_masks_and_other_temperatures_are_searched_too(digits):
    for gumbel in ({"hard": False}, {"tau": 0.5}):
        ticket = find("aslp", network(), digits, {"epochs": 1}, gumbel=gumbel)
        assert 0.0 < ticket.sparsity() < 1.0


# --- what is recorded


def run(context, **find_fields):
    config = parse_config(RUN | {"find": RUN["find"] | find_fields}, METHODS.catalog())
    content = context.dataset("digits").fingerprint["sha256"]
    plan = plan_run(config, 0, METHODS, content)
    for phase in plan.phases:
        compute_phase(phase, context)
    return plan, finish_run(plan, context)


@pytest.fixture
def recorded(context):
    return *run(context), context


def test_a_run_s_record(recorded):
    plan, record, context = recorded
    check_record(record, "this one")
    metrics = record["metrics"]
    assert metrics["found_test_accuracy"] == metrics["pruned_test_accuracy"]
    assert metrics["test_accuracy"] == metrics["pruned_test_accuracy"], "factors are folded in"
    assert 0.0 <= metrics["sampled_test_accuracy"] <= 100.0
    assert metrics["sampled_test_accuracy_std"] > 0.0
    assert 0.0 <= metrics["exact_zeros"] < 1.0
    assert metrics["search_epochs"] == 3
    rows = read_metrics(phase_paths(plan.ticket, context).metrics)
    best = metrics["search_best_epoch"]
    accuracies = [row["validation_accuracy"] for row in rows]
    assert accuracies.index(max(accuracies)) + 1 == best
    assert metrics["search_validation_accuracy"] == max(accuracies)
    assert metrics["search_train_loss"] == rows[-1]["train_loss"]
    assert metrics["search_seconds_per_epoch"] > 0.0
    assert record["ticket"]["sparsity"] == rows[best - 1]["sparsity"]
    assert metrics["exact_zeros"] == rows[best - 1]["exact_zeros"]
    ticket = Ticket.load(phase_paths(plan.ticket, context).ticket)
    assert set(ticket.meta["factors"].values()) != {1.0}
    for name, factor in ticket.meta["factors"].items():
        assert factor == rows[best - 1]["layers"][name]["factor"]


def test_a_record_s_curves(recorded):
    plan, record, context = recorded
    curves = record["search"]["curves"]
    rows = read_metrics(phase_paths(plan.ticket, context).metrics)
    assert curves["epoch"] == [1, 2, 3]
    for key in ("train_loss", "train_accuracy", "validation_accuracy", "sparsity", "exact_zeros"):
        assert curves[key] == pytest.approx([row[key] for row in rows], abs=1e-6)
    histogram = record["search"]["selection_probability"]
    assert histogram["edges"] == list(EDGES) and len(EDGES) == 21
    assert histogram["epoch"] == [0, 1, 2, 3]
    for fractions in histogram["fractions"]:
        assert len(fractions) == 20 and min(fractions) >= 0.0
        assert sum(fractions) == pytest.approx(1.0)
    start = [0.0] * 20
    start[10] = 1.0
    assert histogram["fractions"][0] == start, "before training every probability is one half"
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_histograms_of_a_long_search_are_thinned_out(context):
    search = SEARCH | {"epochs": 30, "batch_size": 250}
    _, record = run(context, search=search, weight_rescale=False)
    epochs = record["search"]["selection_probability"]["epoch"]
    assert len(epochs) == 20 and epochs == sorted(set(epochs))
    assert (epochs[0], epochs[1], epochs[-1]) == (0, 1, 30)
    assert record["search"]["curves"]["epoch"] == list(range(1, 31))


def test_supermask_s_number_is_the_mean_of_its_samples(context):
    plan, record = run(context, name="supermask", weight_rescale=False)
    metrics = record["metrics"]
    assert metrics["found_test_accuracy"] == metrics["sampled_test_accuracy"]
    assert metrics["test_accuracy"] == metrics["pruned_test_accuracy"]
    assert "factor" not in json.dumps(read_metrics(phase_paths(plan.ticket, context).metrics))


# --- killed and started again


class KilledError(Exception):
    """Ends a search from within."""


@pytest.mark.parametrize("two_pass", [True, False])
def test_a_killed_search_goes_on_to_the_same_ticket(context, recorded, monkeypatch, two_pass):
    plan, whole, _ = recorded
    find_fields = {"rescale": {"two_pass": two_pass}}
    if not two_pass:
        plan, whole = run(context, **find_fields)
    kept = Ticket.load(phase_paths(plan.ticket, context).ticket)
    phase_paths(plan.ticket, context).done.unlink()
    step, left = MaskLearner.step, [0]

    def deadly(self, *batch):
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        step(self, *batch)

    monkeypatch.setattr(MaskLearner, "step", deadly)
    for steps in (2, 4):
        left[0] = steps
        with pytest.raises(KilledError):
            compute_phase(plan.ticket, context)
    left[0] = 10_000
    again = run(context, **find_fields)[1]
    assert 10_000 - left[0] == 9 - 1 - 3, "three steps an epoch; only the missing ones run again"
    found = Ticket.load(phase_paths(plan.ticket, context).ticket)
    for part in ("masks", "weights"):
        one, other = getattr(kept, part), getattr(found, part)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)

    def without_times(record):
        metrics = {k: v for k, v in record["metrics"].items() if "seconds" not in k}
        return metrics, record["search"], record["ticket"]

    assert without_times(again) == without_times(whole)
