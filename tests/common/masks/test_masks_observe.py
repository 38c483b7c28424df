"""What is measured about masks, on latents whose statistics are known."""

import math

import pytest
import torch

from common.masks import EDGES, EdgePopupMask, observe


def logit(p):
    return math.log(p / (1 - p))


@pytest.fixture
def masks(coin, one_factor):
    first = coin(torch.zeros(2, 3), one_factor())
    first.latent.data = torch.tensor([[0.0, logit(0.12), logit(0.93)], [0.0, -0.0, logit(0.48)]])
    first.rescale.scale.data.fill_(1.25)
    second = coin(torch.zeros(4))
    second.latent.data = torch.tensor([-40.0, 3.0, -0.5, 30.0])
    return {"a": first, "b": second}


def test_counts_over_all_weights(masks):
    seen = observe(masks)
    assert seen["sparsity"] == pytest.approx(4 / 10)
    assert seen["exact_zeros"] == pytest.approx(3 / 10)
    assert seen["largest_latent"] == 40.0


def test_counts_of_every_layer(masks):
    layers = observe(masks)["layers"]
    assert layers["a"]["sparsity"] == pytest.approx(2 / 6)
    assert layers["b"]["sparsity"] == pytest.approx(2 / 4)
    mean = (3 * 0.5 + 0.12 + 0.93 + 0.48) / 6
    assert layers["a"]["mean_probability"] == pytest.approx(mean, abs=1e-6)
    assert layers["a"]["factor"] == 1.25
    assert "factor" not in layers["b"], "only what is learned is reported"


def test_the_histogram_of_probabilities(masks):
    fractions = observe(masks)["selection_probability"]
    assert tuple(i / 20 for i in range(21)) == EDGES
    wanted = [0.0] * 20
    # 0.12, 0.48, 0.5 three times, 0.93, then 4e-18, 0.953, 0.378 and 1: 1 lies in the last bin.
    for index in (2, 9, 10, 10, 10, 18, 0, 19, 7, 19):
        wanted[index] += 0.1
    assert fractions == pytest.approx(wanted)
    assert sum(fractions) == pytest.approx(1.0)


def test_masks_without_probabilities_have_no_histogram():
    seen = observe({"w": EdgePopupMask(torch.ones(5), torch.tensor([5.0, 1, 4, 2, 0]), 0.4)})
    assert seen["sparsity"] == pytest.approx(0.4)
    assert seen["exact_zeros"] == pytest.approx(0.2)
    assert "selection_probability" not in seen
    assert set(seen["layers"]["w"]) == {"sparsity"}


def test_looking_changes_nothing(masks):
    before = {name: mask.latent.clone() for name, mask in masks.items()}
    observe(masks)
    for name, mask in masks.items():
        assert torch.equal(mask.latent, before[name])
        assert mask.latent.grad is None and mask.noise is None
