"""The random numbers of masks follow from (seed, purpose, indices) and from nothing else."""

import pytest
import torch

from common.masks import EdgePopupMask, Noise


@pytest.fixture
def masks(coin):
    shapes = [(4, 3, 3, 3), (50, 20)]
    first = coin(torch.zeros(shapes[0]).contiguous(memory_format=torch.channels_last))
    between = EdgePopupMask(torch.zeros(7), torch.arange(7.0), 0.5)
    return [first, between, coin(torch.zeros(shapes[1]))]


def drawn(masks, seed, purpose, *indices):
    Noise(masks, seed).draw(purpose, *indices)
    return [mask.noise.clone() for mask in masks if mask.is_random]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_same_arguments_draw_the_same_numbers(masks):
    first = drawn(masks, 3, "train", 1, 2, 0)
    torch.manual_seed(9)
    drawn(masks, 4, "other", 5)
    assert same(drawn(masks, 3, "train", 1, 2, 0), first)


def test_a_draw_does_not_depend_on_those_before(masks):
    noise = Noise(masks, 3)
    for step in range(3):
        noise.draw("train", 0, step)
    assert same([m.noise for m in masks if m.is_random], drawn(masks, 3, "train", 0, 2))


@pytest.mark.parametrize(
    ("seed", "purpose", "indices"),
    [
        (4, "train", (1, 2, 0)),
        (3, "test", (1, 2, 0)),
        (3, "train", (2, 2, 0)),
        (3, "train", (1, 3, 0)),
        (3, "train", (1, 2, 1)),
        (3, "train", (1, 2)),
        (3, "train", (12, 0)),
    ],
)
def test_every_argument_changes_the_numbers(masks, seed, purpose, indices):
    for one, other in zip(drawn(masks, 3, "train", 1, 2, 0), drawn(masks, seed, purpose, *indices)):
        assert (one == other).float().mean() < 0.05


def test_layers_get_numbers_of_their_own(coin):
    first, second = drawn([coin(torch.zeros(500)), coin(torch.zeros(500))], 0, "train", 0)
    assert (first == second).float().mean() < 0.05


def test_the_numbers_are_uniform(coin):
    (values,) = drawn([coin(torch.zeros(200_000))], 0, "train", 0)
    assert values.dtype == torch.float32
    assert float(values.min()) >= 0.0 and float(values.max()) < 1.0
    counts = torch.histc(values, 20, 0.0, 1.0)
    # 19 degrees of freedom: 0.9999 quantile 50.8.
    assert float(((counts - 10_000) ** 2 / 10_000).sum()) < 50.8


def test_the_numbers_lie_as_the_weight_does(masks):
    noise = Noise(masks, 0)
    place = masks[0].noise.data_ptr()
    noise.draw("train", 0)
    assert masks[0].noise.shape == (4, 3, 3, 3)
    assert masks[0].noise.is_contiguous(memory_format=torch.channels_last)
    assert masks[0].noise.data_ptr() == place, "filled in place"
    assert not masks[0].noise.requires_grad


def test_masks_that_are_not_random_get_none():
    only = EdgePopupMask(torch.zeros(7), torch.arange(7.0), 0.5)
    Noise([only], 0).draw("train", 0)
    assert only.noise is None
