"""The percentile rule of Generalizing Tickets: levels, counts and thresholds.

Spec 2.3, 9.1 and 9.2.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.finders import FINDERS, FindInputs, Trained
from common.finders.iterative import ImpOptions
from common.finders.magnitudes import prune_to_percentile
from common.models import build_model, prunable_parameters
from common.randomness import generator

PERCENT = [
    *(0, 20, 36, 48.8, 59.04, 67.232, 73.7856, 79.0285, 83.2228, 86.5782, 89.2626, 91.4101),
    *(93.1281, 94.5024, 95.6020, 96.4816, 97.1853, 97.7482, 98.1986, 98.5588, 98.8471, 99.0777),
    *(99.2621, 99.4097, 99.5278, 99.6222, 99.6978, 99.7582, 99.8066, 99.8453, 99.8762),
]
LEVELS = (1, 10, 20, 30)
REMOVED = {
    20_029_504: (4_005_901, 17_878_852, 19_798_579, 20_004_708),
    20_075_584: (4_015_117, 17_919_984, 19_844_128, 20_050_731),
    20_018_880: (4_003_776, 17_869_369, 19_788_078, 19_994_097),
    23_501_952: (4_700_391, 20_978_449, 23_230_992, 23_472_857),
    23_686_272: (4_737_255, 21_142_978, 23_413_187, 23_656_949),
    23_454_912: (4_690_983, 20_936_460, 23_184_495, 23_425_876),
}
KEPT = {
    20_029_504: (16_023_603, 2_150_652, 230_925, 24_796),
    20_075_584: (16_060_467, 2_155_600, 231_456, 24_853),
    20_018_880: (16_015_104, 2_149_511, 230_802, 24_783),
    23_501_952: (18_801_561, 2_523_503, 270_960, 29_095),
    23_686_272: (18_949_017, 2_543_294, 273_085, 29_323),
    23_454_912: (18_763_929, 2_518_452, 270_417, 29_036),
}
EXAMPLE = torch.tensor([0.5, -0.1, 0.3, -0.7, 0.2, 0.05, -0.4, 0.9, -0.6, 0.8])


def sparsity(level):
    """Return 1 - 0.8^level exactly."""
    return 1 - Fraction(4, 5) ** level


def removed(total, fraction):
    """Return the closed form for different magnitudes."""
    return math.floor((total - 1) * fraction) + 1


def kept(weights, level):
    return prune_to_percentile(weights, sparsity(level))


def count(masks):
    return sum(int(mask.sum()) for mask in masks.values())


def test_the_levels_are_those_of_the_paper():
    assert [round(float(100 * sparsity(k)), 4) for k in range(31)] == PERCENT


@pytest.mark.parametrize("total", REMOVED)
def test_the_closed_form_gives_the_published_counts(total):
    found = [removed(total, sparsity(level)) for level in LEVELS]
    assert found == list(REMOVED[total])
    assert [total - number for number in found] == list(KEPT[total])


@pytest.mark.parametrize("total", [1, 2, 5, 6, 11, 26, 101, 1_000, 40_500, 99_999, 100_000])
def test_it_removes_as_many_as_the_closed_form_says(total):
    """At 11, 26 and 101 weights the place among them is a whole number at the first levels."""
    values = torch.randperm(total, generator=torch.Generator().manual_seed(total)).float() + 1
    weights = dict(enumerate(values.split(max(1, total // 3))))
    for level in (1, 2, 3, *LEVELS):
        masks = kept(weights, level)
        assert total - count(masks) == removed(total, sparsity(level)), level
        if 0 < count(masks) < total:
            gone = max(float(w[~masks[n]].max()) for n, w in weights.items() if not masks[n].all())
            left = min(float(w[masks[n]].min()) for n, w in weights.items() if masks[n].any())
            assert gone < left


@given(
    st.integers(1, 3_000),
    st.integers(0, 30),
    st.sampled_from([Fraction(1, 5), Fraction(1, 2), Fraction(3, 4)]),
)
def test_also_for_any_number_of_weights_rate_and_level(total, level, rate):
    weights = {"w": torch.arange(1, total + 1).float()}
    fraction = 1 - (1 - rate) ** level
    masks = prune_to_percentile(weights, fraction)
    assert total - count(masks) == removed(total, fraction)


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=60), st.floats(0, 1))
def test_with_ties_too_what_stays_is_above_numpys_percentile(values, fraction):
    weights = {"w": torch.tensor(values)}
    magnitudes = np.abs(np.array(values))
    threshold = np.percentile(magnitudes, 100 * fraction)
    mask = prune_to_percentile(weights, fraction)["w"].numpy()
    clear = np.abs(magnitudes - threshold) > 1e-4
    assert (mask == (magnitudes > threshold))[clear].all()
    for value in set(magnitudes):
        assert len(set(mask[magnitudes == value])) == 1, "equal magnitudes go together"


@pytest.mark.parametrize(
    ("level", "mask", "threshold"),
    [
        (1, [1, 0, 1, 1, 1, 0, 1, 1, 1, 1], 0.18),
        (2, [1, 0, 0, 1, 0, 0, 1, 1, 1, 1], 0.324),
        (3, [1, 0, 0, 1, 0, 0, 0, 1, 1, 1], 0.4392),
    ],
)
def test_ten_weights_by_hand(level, mask, threshold):
    assert np.percentile(EXAMPLE.abs(), 100 * (1 - 0.8**level)) == pytest.approx(threshold)
    assert kept({"w": EXAMPLE}, level)["w"].int().tolist() == mask
    parts = {"a": EXAMPLE[:3], "b": EXAMPLE[3:].view(7, 1)}
    found = kept(parts, level)
    assert found["b"].shape == (7, 1)
    assert [*found["a"].tolist(), *found["b"].flatten().tolist()] == [bool(bit) for bit in mask]


def test_equal_weights_all_go():
    assert not kept({"w": torch.full((9,), -0.3)}, 1)["w"].any()


def test_where_more_is_zero_than_should_be_removed_the_others_stay():
    weights = torch.arange(12).float()
    weights[:7] = 0
    for level in (1, 2, 3):  # 49 % of 12 weights are fewer than 7
        assert torch.equal(kept({"w": weights}, level)["w"], weights != 0)


def test_rounds_of_the_finder_are_nested_and_count_all_weights():
    """The place is relative to all weights, the removed ones included, of every scope."""
    for scope in ("conv", "conv_linear", "all_weights"):
        options = ImpOptions(rounds=4, count="percentile", scope=scope)
        model = build_model("resnet8", num_classes=4, width=2, generator=generator(0, "model"))
        total = sum(weight.numel() for weight in prunable_parameters(model, scope).values())
        ticket, masks = None, None
        for level, stage in enumerate(FINDERS["imp"].stages(options), start=1):
            trained = {}
            draw = torch.Generator().manual_seed(level)
            for name, value in model.state_dict().items():
                fresh = torch.randn(value.shape, generator=draw)
                trained[name] = fresh if ticket is None else fresh * ticket.masks.get(name, 1.0)
            ticket = stage.find(
                FindInputs(model, None, options, generator, Trained(trained), ticket)
            )
            assert total - count(ticket.masks) == removed(total, sparsity(level))
            if masks is not None:
                assert not any(bool((ticket.masks[name] & ~masks[name]).any()) for name in masks)
            masks = ticket.masks


@pytest.mark.parametrize("total", [11, 16, 26, 51])
def test_a_place_that_is_a_whole_number_is_met(total):
    """1 - 0.8 is 0.19999999999999996 in floating point; a fifth is meant."""
    options = ImpOptions(rounds=1, count="percentile", rewind={"to": "none"})
    model = torch.nn.Linear(1, total, bias=False)
    values = torch.arange(1, total + 1).float().view(total, 1)
    inputs = FindInputs(model, None, options, generator, Trained({"weight": values}))
    (stage,) = FINDERS["imp"].stages(options)
    assert total - count(stage.find(inputs).masks) == (total - 1) // 5 + 1
