"""Hypercube searches: relaxed or rounded, what is measured, and uncounted shortcuts."""

import statistics

import pytest
import torch

from common.errors import UserError
from common.models import prunable_parameters, shortcut_weights

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = {"epochs": 4, "batch_size": 40, "lr": 0.02, "optimizer": "adam", "momentum": 0.0}
CLASSIFIER = "classifier.weight"


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_a_relaxed_search_is_rounded_in_the_end(search, network):
    done = search("hypercube", **RECIPE)
    metrics = done.found.metrics
    assert done.ticket.sparsity() == pytest.approx(1 - metrics["rounded_density"])
    assert 0.3 < done.ticket.sparsity() < 0.7
    assert metrics["frozen_density"] == 1.0
    assert metrics["regularizer"] == done.rows[-1]["regularizer"] > 0
    assert metrics["found_test_accuracy"] == metrics["searched_test_accuracy"]
    assert "sampled_test_accuracy" not in metrics
    before = [row["test_accuracy_before_rounding"] for row in done.rows]
    assert before != [row["test_accuracy"] for row in done.rows]
    assert done.found.search["curves"]["test_accuracy_before_rounding"] == pytest.approx(before)
    assert equal(done.ticket.weights, network("fc").state_dict())


def test_a_rounded_search_has_no_accuracy_before_rounding(search):
    done = search("hypercube", quantized=True, **RECIPE)
    assert "test_accuracy_before_rounding" not in done.found.search["curves"]
    other = search("hypercube", **RECIPE)
    assert not equal(done.ticket.masks, other.ticket.masks)
    # With scores of 0 and 1 only, the relaxed network is the rounded one; at first they agree.
    corners = {**RECIPE, "score_init": "bern", "epochs": 1, "lr": 1e-9, "lambda": 0.0}
    one, two = (search("hypercube", quantized=q, **corners) for q in (True, False))
    assert one.rows[0]["test_accuracy"] == two.rows[0]["test_accuracy"]
    assert one.rows[0]["train_loss"] == pytest.approx(two.rows[0]["train_loss"], abs=1e-5)


def test_noise_makes_the_network_of_the_search_another_one(search):
    quiet, noisy = (
        search("hypercube", quantized=True, noise=noise, **RECIPE) for noise in (0.0, 0.3)
    )
    assert "test_accuracy_before_rounding" in noisy.found.search["curves"]
    assert quiet.rows[0]["train_loss"] != noisy.rows[0]["train_loss"]
    assert noisy.ticket.sparsity() == pytest.approx(1 - noisy.found.metrics["rounded_density"])


def test_random_rounding_is_averaged_over_its_draws(search):
    done = search("hypercube", rounding="prob", samples=8, **RECIPE)
    metrics = done.found.metrics
    assert 0 < metrics["sampled_test_accuracy_std"] < 20
    one = search("hypercube", rounding="prob", samples=1, **RECIPE)
    assert one.found.metrics["sampled_test_accuracy_std"] is None
    assert abs(metrics["sampled_test_accuracy"] - one.found.metrics["sampled_test_accuracy"]) < 30
    assert equal(done.ticket.masks, one.ticket.masks), "the draws change no ticket"
    assert 0.3 < done.ticket.sparsity() < 0.7
    curve = done.found.search["curves"]["test_accuracy"]
    assert len(set(curve)) > 1 and statistics.fmean(curve) > 10


def test_one_layer_alone_may_be_rounded_at_random(search):
    naive = search("hypercube", **RECIPE)
    mixed = search("hypercube", rounding="naive_prob", rounding_layer=CLASSIFIER, **RECIPE)
    for name, mask in naive.ticket.masks.items():
        assert torch.equal(mask, mixed.ticket.masks[name]) is (name != CLASSIFIER)
    with pytest.raises(UserError, match=r"find\.rounding_layer: unknown name 'clasifier\.weight'"):
        search("hypercube", rounding="naive_prob", rounding_layer="clasifier.weight", **RECIPE)


@pytest.mark.parametrize("scores", ["half", "all_one", "skew", "bimodal", "bern"])
def test_every_way_to_draw_the_first_scores_is_searched(search, scores):
    done = search("hypercube", **RECIPE | {"score_init": scores, "epochs": 1, "lr": 1e-6})
    wanted = {"half": None, "all_one": 0.0, "skew": 1 - 0.5**5, "bimodal": 0.5, "bern": 0.5}
    if wanted[scores] is None:
        assert 0.0 < done.ticket.sparsity() < 1.0, "every score moved one way or the other"
    else:
        assert done.ticket.sparsity() == pytest.approx(wanted[scores], abs=0.03)


# --- shortcuts that do not count (spec 2.9): a ResNet-18 with the stem for large images


@pytest.fixture(scope="module")
def sizes(network):
    model = network("resnet18")
    weights = {name: value.numel() for name, value in prunable_parameters(model).items()}
    return weights, shortcut_weights(model)


GEM = {"sparsity": 0.75, "epochs": 3, "batch_size": 40, "prune_period": 2, "lr": 0.1}


def test_shortcuts_that_do_not_count_are_searched_but_dense_in_the_ticket(search, sizes, network):
    weights, shortcuts = sizes
    # 2x4 + 4x8 + 8x16 of stages 2, 4, 8 and 16 channels wide.
    assert [weights[name] for name in shortcuts] == [8, 32, 128]
    for which in ("frozen", "rounded"):
        done = search("gem_miner", "resnet18", prune_shortcuts=False, ticket_mask=which, **GEM)
        counted = sum(weights.values()) - 168
        assert set(done.ticket.masks) == set(weights) - set(shortcuts)
        assert sum(mask.numel() for mask in done.ticket.masks.values()) == counted
        state = network("resnet18").state_dict()
        assert all(torch.equal(done.ticket.weights[name], state[name]) for name in shortcuts)
        if which == "frozen":
            assert done.ticket.sparsity() == pytest.approx(0.75, abs=1 / counted)
        _same_accuracy(done, network)


def _same_accuracy(done, network):
    """The found network, as the search measures it, is the one that the ticket stands for."""
    model = network("resnet18").eval()
    done.ticket.apply_to(model)
    assert done.found.metrics["found_test_accuracy"] == pytest.approx(done.accuracy(model))


def test_their_scores_are_learned_and_regularised(search, sizes):
    """A penalty that pulls all scores to 0 is smaller without the 168 scores of shortcuts."""
    still = GEM | {"lr": 1e-9, "lambda": 1.0, "score_init": "all_one"}
    total = sum(sizes[0].values())
    whole = search("gem_miner", "resnet18", prune_shortcuts=False, **still)
    assert whole.found.metrics["regularizer"] == pytest.approx(total, rel=1e-4)
    left_out = search("gem_miner", "resnet18", exclude=sizes[1], prune_shortcuts=True, **still)
    assert left_out.found.metrics["regularizer"] == pytest.approx(total - 168, rel=1e-4)


def test_shortcuts_that_count_are_frozen_like_all_others(search, sizes):
    done = search("gem_miner", "resnet18", **GEM)
    total = sum(sizes[0].values())
    assert set(done.ticket.masks) == set(sizes[0])
    assert done.ticket.sparsity() == pytest.approx(0.75, abs=1 / total)


def test_edge_popup_leaves_them_without_a_mask(search, sizes):
    for more in ({"scope": "global"}, {}):
        given = {"sparsity": 0.5, "epochs": 1, "batch_size": 40, **more}
        done = search("edge_popup", "resnet18", prune_shortcuts=False, **given)
        assert set(done.ticket.masks) == set(sizes[0]) - set(sizes[1])
