"""Finders that learn a mask, in one call: what they return, leave alone and need."""

import copy
import dataclasses
import itertools
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.config import TrainConfig
from common.data import Batches
from common.errors import UserError
from common.finders import FindInputs, MaskSearch, Workshop, find_ticket, scoring_data, search_masks
from common.finders.edge_popup import first_scores
from common.finders.learned import thin
from common.masks import EdgePopupMask, SearchConfig
from common.models import build_model, prunable_parameters
from common.randomness import generator
from common.tickets import Ticket
from common.training import TrainData, TrainHooks, evaluate, train

pytestmark = pytest.mark.usefixtures("one_thread")

SEARCH = {"epochs": 3, "batch_size": 100, "lr": 0.5, "patience": None}


def network(name="fc", **options):
    options = {"fc": {"hidden": [60], "image_size": 16}, "small_cnn": {"width": 3}}[name] | options
    draw = generator(0, "initialise")
    model = build_model(name, num_classes=10, in_channels=1, generator=draw, **options)
    return model.to(memory_format=torch.channels_last)


def accuracy(ticket, model, data):
    copied = copy.deepcopy(model)
    ticket.apply_to(copied)
    return evaluate(copied, Batches(data.test, 100, data.normalization()))[1]


@pytest.fixture
def few(digits):
    """Return 120 training digits and as many to validate and test with."""

    def part(split):
        return split.select(torch.arange(120))

    return digits.with_splits(
        train=part(digits.train), test=part(digits.test), validation=part(digits.validation)
    )


def popup(model, data, sparsity=0.5, seed=0, search=None, **options):
    given = SEARCH | (search or {})
    return find_ticket(
        "edge_popup", model, data, sparsity=sparsity, seed=seed, search=given, **options
    )


@pytest.fixture
def found(few):
    model = network()
    return popup(model, few, 0.6), model


def test_the_ticket_keeps_the_model_s_weights_and_the_asked_sparsity(found):
    ticket, model = found
    for name, value in model.state_dict().items():
        assert torch.equal(ticket.weights[name], value), "no weight was trained"
    assert set(ticket.masks) == set(prunable_parameters(model))
    sizes = {name: mask.numel() for name, mask in ticket.masks.items()}
    kept = {name: size - round(0.6 * (size - 1)) for name, size in sizes.items()}
    assert ticket.layer_kept() == kept
    assert set(ticket.meta["factors"].values()) == {1.0}
    assert ticket.meta["finder"]["search"]["lr"] == 0.5


@pytest.mark.parametrize("name", ["fc", "small_cnn"])
def test_the_model_is_left_as_it_was(few, name):
    model = network(name)
    model.train()
    before, modules = copy.deepcopy(model.state_dict()), list(model.modules())
    popup(model, few)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    assert list(model.modules()) == modules and model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_statistics_of_norm_layers_are_those_of_the_search(few):
    model = network("small_cnn")
    ticket = popup(model, few)
    for name, value in model.state_dict().items():
        searched = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(ticket.weights[name], value) is not searched, name
    # Two steps an epoch, up to the epoch that was selected.
    assert int(ticket.weights["features.bn1.num_batches_tracked"]) in (2, 4, 6)


def test_the_ticket_is_an_ordinary_one(found, few, tmp_path):
    ticket, model = found
    ticket.save(tmp_path / "ticket.safetensors")
    read = Ticket.load(tmp_path / "ticket.safetensors")
    assert all(torch.equal(read.masks[name], mask) for name, mask in ticket.masks.items())
    read.apply_to(model)
    data = TrainData(
        Batches(few.train, 20, few.normalization()), Batches(few.test, 20, few.normalization())
    )
    result = train(
        model,
        data,
        TrainConfig(epochs=2, batch_size=20, lr=0.05),
        masks=read.masks,
        seed=0,
        device=torch.device("cpu"),
        precision="float32",
    )
    assert result.history[1]["train_loss"] < result.history[0]["train_loss"]
    for name, mask in read.masks.items():
        assert not model.state_dict()[name][~mask].any()


def test_the_same_seed_finds_the_same_ticket(few):
    model = network()
    one, other, third = (popup(model, few, seed=seed) for seed in (0, 0, 1))
    for name, mask in one.masks.items():
        assert torch.equal(other.masks[name], mask)
        assert not torch.equal(third.masks[name], mask)


def test_learning_a_mask_learns_the_task(digits):
    """Far above chance (10 %) without touching a weight, and above the mask it started from."""
    model = network(hidden=[200])
    start = popup(model, digits, search={"epochs": 0})
    ticket = popup(model, digits, search={"epochs": 10, "batch_size": 50, "lr": 1.0})
    assert accuracy(start, model, digits) < 35.0
    assert accuracy(ticket, model, digits) > 85.0


def test_excluded_weights_have_no_mask(few):
    model = network()
    ticket = popup(model, few, 0.5, exclude=["classifier.weight"])
    assert list(ticket.masks) == ["features.fc1.weight"]
    with pytest.raises(UserError, match=r"unknown name 'clasifier\.weight'; did you mean"):
        popup(model, few, 0.5, exclude=["clasifier.weight"])


def test_without_validation_images_there_is_one_clear_error(few):
    data = dataclasses.replace(few, validation=None)
    with pytest.raises(UserError, match=r"needs validation images; set data\.validation") as caught:
        popup(network(), data)
    assert "\n" not in str(caught.value)
    ticket = popup(network(), data, search={"select": "last"})
    assert ticket.sparsity() == pytest.approx(0.5, abs=1e-3)


def test_without_a_data_set_there_is_one_clear_error(few):
    for data in (None, scoring_data(few)):
        with pytest.raises(UserError, match="'edge_popup': needs a data set to learn from"):
            popup(network(), data)


def test_edge_popup_needs_a_sparsity(few):
    with pytest.raises(UserError, match="sparsity"):
        find_ticket("edge_popup", network(), few, search=SEARCH)


@pytest.mark.parametrize("scheme", ["kaiming_uniform", "kaiming_normal"])
def test_first_scores(scheme):
    weight = torch.empty(40, 30, 3, 3)
    scores = first_scores(weight, scheme, torch.Generator().manual_seed(0))
    assert scores.shape == weight.shape
    fan_in = 270
    if scheme == "kaiming_uniform":
        assert float(scores.abs().max()) <= fan_in**-0.5
        assert float(scores.std()) == pytest.approx((3 * fan_in) ** -0.5, rel=0.02)
    else:
        assert float(scores.std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)
    assert float(scores.mean()) == pytest.approx(0.0, abs=4e-3)


# --- the search itself, as a finder of one's own would call it


@pytest.fixture
def search(few):
    """Return a function that searches with a plan over a workshop of a few images."""

    def go(images=120, **fields):
        def batches(split):
            return Batches(split.select(torch.arange(images)), 40, few.normalization())

        data = TrainData(batches(few.train), batches(few.test), batches(few.validation))
        workshop = Workshop(
            lambda size, augment: data,
            lambda *_: nullcontext(TrainHooks()),
            0,
            torch.device("cpu"),
        )

        def make(name, weight):
            scores = first_scores(weight, "kaiming_uniform", generator(0, name))
            return EdgePopupMask(weight, scores, 0.5)

        options = {"epochs": 3, "batch_size": 40, "lr": 0.5, "patience": None} | fields
        inputs = FindInputs(network(), None, None, generator, workshop=workshop)
        return search_masks(inputs, MaskSearch(SearchConfig(**options), make))

    return go


def test_what_a_search_measures(search):
    metrics = search().metrics
    assert metrics["search_epochs"] == 3
    assert 1 <= metrics["search_best_epoch"] <= 3
    assert metrics["found_test_accuracy"] == metrics["pruned_test_accuracy"]
    assert metrics["exact_zeros"] == 0.0
    assert metrics["search_seconds_per_epoch"] > 0
    assert "sampled_test_accuracy" not in metrics, "nothing is random about edge-popup"


def test_a_long_search_s_curves_are_thinned_out(search):
    found = search(images=10, epochs=130, lr=0.01)
    curves = found.search["curves"]
    assert len(curves["epoch"]) == 100
    assert (curves["epoch"][0], curves["epoch"][-1]) == (1, 130)
    assert {len(values) for values in curves.values()} == {100}
    assert "selection_probability" not in found.search


def test_epochs_that_were_not_evaluated_are_null_in_the_curve(search):
    found = search(epochs=5, evaluate_every=2)
    values = found.search["curves"]["validation_accuracy"]
    assert [value is None for value in values] == [True, False, True, False, False]
    assert found.metrics["search_best_epoch"] in (2, 4, 5)


def test_no_epochs_at_all_give_the_network_it_started_from(search):
    found = search(epochs=0)
    assert found.search is None and found.metrics["search_epochs"] == 0
    assert found.ticket.sparsity() == pytest.approx(0.5, abs=1e-3)


@given(st.integers(0, 3000), st.integers(2, 120))
def test_thinning_keeps_the_ends_and_spreads_evenly(length, most):
    chosen = thin(length, most)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(length, most)
    if length:
        assert (chosen[0], chosen[-1]) == (0, length - 1)
    steps = {b - a for a, b in itertools.pairwise(chosen)}
    assert not steps or max(steps) - min(steps) <= 1
