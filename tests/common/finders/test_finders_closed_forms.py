"""Scores of networks small enough to work out by hand (one linear layer; two with a ReLU)."""

import math

import pytest
import torch
from torch import nn

from common.finders import score
from common.tickets import keep_top

LABEL_0 = torch.tensor([0])


def tensor(rows, dtype=torch.float64):
    return torch.tensor(rows, dtype=dtype)


def linear(weights, dtype=torch.float64):
    layer = nn.Linear(len(weights[0]), len(weights), bias=False, dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(tensor(weights, dtype))
    return layer


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request):
    return request.param


W = [[0.5, -0.2], [0.1, 0.3]]


@pytest.fixture
def one(dtype):
    return linear(W, dtype), [(tensor([[1.0, 2.0]], dtype), LABEL_0)]


def close(actual, expected, dtype=torch.float64, **tolerance):
    tolerance = tolerance or {"atol": 5.1e-7, "rtol": 0}
    torch.testing.assert_close(actual, tensor(expected, dtype), **tolerance)


def test_snip_of_one_layer(one, dtype):
    close(score("snip", *one)["weight"], [[0.322828, 0.258263], [0.064566, 0.387394]], dtype)


def test_grasp_of_one_layer(one, dtype):
    # The score here is theta * H g, so that higher = keep: the negative of the paper's.
    scores = score("grasp", *one, temperature=1.0)["weight"]
    # By hand to five digits; to all digits in the next test.
    close(scores, [[-0.73858, 0.59086], [0.14772, 0.88630]], dtype, atol=5.1e-6, rtol=0)


def test_grasp_of_one_layer_is_the_formula():
    model, batches = linear(W), [(tensor([[1.0, 2.0]]), LABEL_0)]
    p1 = 1 / (1 + math.exp(0.1 - 0.7))
    factor = 2 * (1 - p1) * p1**2 * 5
    expected = tensor(W) * factor * tensor([[-1.0, -2.0], [1.0, 2.0]])
    torch.testing.assert_close(score("grasp", model, batches, temperature=1.0)["weight"], expected)


def test_grasp_at_temperature_200_is_small_and_of_the_same_order(dtype):
    model, batches = linear(W, dtype), [(tensor([[1.0, 2.0]], dtype), LABEL_0)]
    cold = score("grasp", model, batches, temperature=1.0)["weight"]
    warm = score("grasp", model, batches)["weight"]  # 200 is the default
    close(
        warm,
        [[-7.8242e-8, 6.2594e-8], [1.5648e-8, 9.3890e-8]],
        dtype,
        atol=5.1e-13 if dtype == torch.float64 else 1e-11,
        rtol=0,
    )
    assert warm.flatten().argsort().tolist() == cold.flatten().argsort().tolist()


def test_grasp_removes_first_what_snip_ranks_second(one):
    snip = score("snip", *one)["weight"].flatten()
    grasp = score("grasp", *one)["weight"].flatten()
    assert snip.argsort(descending=True)[1] == 0
    assert grasp.argmin() == 0


def test_scores_without_data_of_one_layer():
    magnitudes = [[0.5, 0.2], [0.1, 0.3]]
    close(score("magnitude", linear(W))["weight"], magnitudes)
    close(score("synflow", linear(W), input_shape=(2,))["weight"], magnitudes)


W1, W2 = [[1.0, -1.0], [0.5, 0.5]], [[1.0, -0.5], [-0.3, 0.8]]
INPUTS, LABELS = [[1.0, 0.5], [0.2, -1.0]], torch.tensor([0, 1])


@pytest.fixture
def two(dtype):
    return nn.Sequential(linear(W1, dtype), nn.ReLU(), linear(W2, dtype))


@pytest.fixture
def batch(dtype):
    return tensor(INPUTS, dtype), LABELS


def test_the_loss_of_two_layers(two, batch):
    loss = nn.functional.cross_entropy(two(batch[0]), batch[1])
    assert abs(loss.item() - 1.309763) < 1e-6


def test_snip_of_two_layers(two, batch, dtype):
    scores = score("snip", two, [batch])
    assert list(scores) == ["0.weight", "2.weight"]
    close(scores["0.weight"], [[0.2699, 0.7258], [0.1887, 0.0943]], dtype, atol=5.1e-5, rtol=0)
    close(scores["2.weight"], [[0.3507, 0.1089], [0.1052, 0.1742]], dtype, atol=5.1e-5, rtol=0)
    masks = keep_top(scores, 4)
    assert masks["0.weight"].tolist() == [[True, True], [True, False]]
    assert masks["2.weight"].tolist() == [[True, False], [False, False]]


G1, G2 = [[-0.3371, 0.6633], [0.1749, 0.0875]], [[0.5230, 0.1329], [0.1569, 0.2127]]


def test_grasp_of_two_layers(two, batch, dtype):
    scores = score("grasp", two, [batch], temperature=1.0)
    close(scores["0.weight"], G1, dtype, atol=5.1e-5, rtol=0)
    close(scores["2.weight"], G2, dtype, atol=5.1e-5, rtol=0)


def test_grasp_of_two_halves_is_four_times_that_of_their_batch(two, batch, dtype):
    images, labels = batch
    halves = [(images[:1], labels[:1]), (images[1:], labels[1:])]
    whole = score("grasp", two, [batch], temperature=1.0)
    split = score("grasp", two, halves, temperature=1.0)
    for name, value in whole.items():
        torch.testing.assert_close(split[name], 4 * value)


def test_grasp_of_two_layers_keeps_the_threshold_weight_too(two, batch):
    # N = 8, p = 0.5: R = 4 are to go, the R-th itself stays, five weights survive.
    masks = keep_top(score("grasp", two, [batch], temperature=1.0), 8 - 4 + 1)
    assert masks["0.weight"].tolist() == [[False, True], [True, False]]
    assert masks["2.weight"].tolist() == [[True, False], [True, True]]


def test_snip_sums_gradients_before_it_takes_the_absolute_value(two, batch):
    images, labels = batch
    halves = [(images[:1], labels[:1]), (images[1:], labels[1:])]
    whole, split = score("snip", two, [batch]), score("snip", two, halves)
    for name, value in whole.items():
        torch.testing.assert_close(split[name], 2 * value)


def test_synflow_of_two_layers_by_hand(two, dtype):
    # An image of ones through |W1| gives (2, 1), through |W2| gives (2.5, 1.4).
    scores = score("synflow", two, input_shape=(2,))
    close(scores["0.weight"], [[1.3, 1.3], [0.65, 0.65]], dtype)
    close(scores["2.weight"], [[2.0, 0.5], [0.6, 0.8]], dtype)


def test_magnitude_of_two_layers(two, dtype):
    scores = score("magnitude", two)
    close(scores["0.weight"], [[1.0, 1.0], [0.5, 0.5]], dtype)
    close(scores["2.weight"], [[1.0, 0.5], [0.3, 0.8]], dtype)


@pytest.mark.parametrize("name", ["snip", "grasp", "taylor", "magnitude", "synflow"])
def test_scores_have_the_dtype_of_the_model(two, batch, dtype, name):
    scores = score(name, two, [batch])
    assert {value.dtype for value in scores.values()} == {dtype}
    assert not any(value.requires_grad for value in scores.values())
