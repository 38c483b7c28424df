"""Edge-popup: how many weights are kept, which, and the gradient of the scores."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.masks import EdgePopupMask, edge_popup_removed, kth_smallest

SIZES = (1728, 36864, 73728, 147456, 294912, 589824, 1048576, 2097152, 4194304, 65536, 2560)
CONV2, CONV4, CONV6 = (0, 1, 8, 9, 10), (0, 1, 2, 3, 7, 9, 10), (0, 1, 2, 3, 4, 5, 6, 9, 10)
KEPT = {
    0.1: (1555, 33178, 66355, 132710, 265421, 530842, 943718, 1887437, 3774874, 58982, 2304),
    0.3: (1210, 25805, 51610, 103220, 206439, 412877, 734004, 1468007, 2936013, 45876, 1792),
    0.5: (864, 18432, 36864, 73728, 147456, 294912, 524288, 1048576, 2097152, 32768, 1280),
    # In three cells 0.7 * (N - 1) is a half; the original's product falls just above it.
    0.7: (519, 11060, 22119, 44237, 88474, 176948, 314573, 629146, 1258292, 19661, 769),
    0.9: (174, 3687, 7374, 14746, 29492, 58983, 104858, 209716, 419431, 6554, 257),
}
TOTALS = {
    0.5: {CONV2: 2_150_496, CONV4: 1_212_512, CONV6: 1_130_592},
    0.9: {CONV2: 430_103, CONV4: 242_508, CONV6: 226_125},
}


def kept(size, sparsity, rule="rounded"):
    return size - edge_popup_removed(size, sparsity, rule)


def mask_of(scores, sparsity, rule="rounded"):
    scores = torch.as_tensor(scores, dtype=torch.float32)
    return EdgePopupMask(torch.ones_like(scores), scores, sparsity, rule)


@pytest.mark.parametrize("sparsity", KEPT)
def test_the_rounded_rule_s_counts(sparsity):
    for size, wanted in zip(SIZES, KEPT[sparsity], strict=True):
        assert kept(size, sparsity) == wanted, size


@pytest.mark.parametrize("sparsity", TOTALS)
def test_the_rounded_rule_s_totals(sparsity):
    for layers, total in TOTALS[sparsity].items():
        assert sum(kept(SIZES[layer], sparsity) for layer in layers) == total


def test_the_original_rule_s_counts():
    wanted = {(0.1, 1728): 1556, (0.9, 1728): 173, (0.7, 2560): 768, (0.9, 2560): 256}
    found = {key: kept(key[1], key[0], "floor") for key in wanted}
    assert found == wanted
    for size in SIZES:
        assert kept(size, 0.5, "floor") == kept(size, 0.5)


@given(st.integers(1, 5_000_000), st.floats(0.0, 1.0))
def test_both_rules_agree_to_one_weight_and_the_rounded_keeps_one(size, sparsity):
    assert 1 <= kept(size, sparsity) <= size
    assert 0 <= kept(size, sparsity, "floor") <= size
    assert abs(kept(size, sparsity) - kept(size, sparsity, "floor")) <= 1


@pytest.mark.parametrize(
    ("sparsity", "wanted"),
    [
        (0.0, [1, 1, 1, 1, 1]),
        (0.2, [1, 0, 1, 1, 1]),
        (0.4, [1, 0, 1, 0, 1]),
        (0.5, [1, 0, 1, 0, 1]),
        (0.6, [1, 0, 1, 0, 1]),
        (1.0, [1, 0, 0, 0, 0]),
    ],
)
@pytest.mark.parametrize("signs", [1.0, -1.0])
def test_five_weights(sparsity, wanted, signs):
    mask = mask_of([signs * 5.0, 1.0, signs * 4.0, -2.0, 3.0], sparsity)
    assert mask.mask().tolist() == wanted
    assert mask.selected().tolist() == [bool(x) for x in wanted]


@pytest.mark.parametrize(
    ("sparsity", "wanted"),
    [(0.25, [1, 1, 1, 1]), (0.5, [0, 0, 1, 1]), (0.75, [0, 0, 1, 1]), (1.0, [0, 0, 1, 1])],
)
def test_ties_are_kept(sparsity, wanted):
    assert mask_of([1.0, -1.0, 2.0, -2.0], sparsity).mask().tolist() == wanted


def test_at_sparsity_one_the_rounded_rule_keeps_one_weight_and_the_original_none():
    scores = torch.randn(6, 7, generator=torch.Generator().manual_seed(0))
    (only,) = mask_of(scores, 1.0).mask().nonzero().tolist()
    assert scores.abs()[tuple(only)] == scores.abs().max()
    assert not mask_of(scores, 1.0, "floor").selected().any()
    assert mask_of([3.0], 1.0).mask().tolist() == [1.0]


def test_the_gradient_is_the_mask_s_times_the_sign_of_the_score():
    mask = mask_of([[0.5, -2.0, 0.0], [-0.1, 3.0, 1.0]], 0.5)
    incoming = torch.tensor([[1.0, 2.0, 3.0], [4.0, -5.0, 6.0]])
    mask.mask().backward(incoming)
    assert mask.latent.grad.tolist() == [[1.0, -2.0, 0.0], [-4.0, -5.0, 6.0]]


def test_removed_weights_get_a_gradient_through_the_masked_weight():
    mask = mask_of([0.1, 5.0, -0.2, 4.0], 0.5)
    weight = torch.tensor([2.0, 3.0, -4.0, 5.0])
    effective = mask(weight)
    assert effective.tolist() == [0.0, 3.0, 0.0, 5.0]
    effective.backward(torch.tensor([1.0, 1.0, 10.0, 1.0]))
    assert mask.latent.grad.tolist() == [2.0, 3.0, 40.0, 5.0]


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=60), st.floats(0.0, 1.0))
def test_the_kept_scores_are_the_largest(values, sparsity):
    mask = mask_of(values, sparsity)
    chosen, size = mask.selected(), torch.tensor(values).abs()
    assert int(chosen.sum()) >= kept(len(values), sparsity)
    if not chosen.all():
        assert size[~chosen].max() < size[chosen].min()
    if len(set(size.tolist())) == len(values):
        assert int(chosen.sum()) == kept(len(values), sparsity)
    scaled = mask_of(1024.0 * torch.tensor(values), sparsity)
    assert torch.equal(scaled.selected(), chosen), "only the ranking counts"


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50), st.data())
def test_kth_smallest_is_that_of_torch(values, data):
    k = data.draw(st.integers(1, len(values)))
    tensor = torch.tensor(values)
    found = kth_smallest(tensor, k)
    assert found.shape == () and found == torch.kthvalue(tensor, k).values
    assert tensor.tolist() == values, "the values stay in their order"


def test_kth_smallest_of_a_convolution_in_either_layout():
    scores = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    other = scores.contiguous(memory_format=torch.channels_last)
    for k in (1, 77, 180):
        wanted = torch.kthvalue(scores.flatten(), k).values
        assert kth_smallest(scores, k) == kth_smallest(other, k) == wanted


def test_the_mask_follows_the_scores():
    mask = mask_of([1.0, 2.0, 3.0, 4.0], 0.5)
    assert mask.mask().tolist() == [0, 0, 1, 1]
    mask.latent.data.copy_(torch.tensor([-9.0, 2.0, 3.0, 1.0]))
    assert mask.mask().tolist() == [1, 0, 1, 0]
    assert mask.probability() is None and not mask.is_random
