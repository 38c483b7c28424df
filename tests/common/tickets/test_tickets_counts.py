"""Exact counts, and which weights survive."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.tickets import keep_top, kept_count, removed_count

VGG19, VGG19_100 = 20_024_000, 20_070_080
RESNET32, RESNET32_100 = 1_855_584, 1_867_104


@pytest.mark.parametrize(
    ("total", "sparsity", "expected"),
    [
        (VGG19, 0.9, 2_002_400),  # binary floating point gives 2,002,399
        (VGG19, 0.95, 1_001_200),
        (VGG19, 0.98, 400_480),
        (VGG19_100, 0.9, 2_007_008),
        (VGG19_100, 0.95, 1_003_504),
        (VGG19_100, 0.98, 401_401),
        (RESNET32, 0.9, 185_558),
        (RESNET32, 0.95, 92_779),
        (RESNET32, 0.98, 37_111),
        (RESNET32_100, 0.9, 186_710),
        (RESNET32_100, 0.95, 93_355),
        (RESNET32_100, 0.98, 37_342),
        (268_336, 0.9856, 3_864),
        (10, 0.7, 3),  # 10 * (1 - 0.7) is 3.0000000000000004 in floating point, 10 * 0.7 is 7
        (10, 0.9, 1),
        (1000, 0.999, 1),
        (1000, 1e-3, 999),
        (7, 0.0, 7),
        (7, 1.0, 0),
        (0, 0.5, 0),
    ],
)
def test_kept_weights_are_counted_in_decimal_arithmetic(total, sparsity, expected):
    assert kept_count(total, sparsity) == expected


@pytest.mark.parametrize(
    ("total", "grasp", "one_shot"),
    [
        (VGG19, (2_002_401, 1_001_201, 400_481), (2_002_399, 1_001_199, 400_479)),
        (VGG19_100, (2_007_009, 1_003_505, 401_403), (2_007_007, 1_003_503, 401_401)),
        (RESNET32, (185_560, 92_781, 37_113), (185_558, 92_779, 37_111)),
        (RESNET32_100, (186_712, 93_357, 37_344), (186_710, 93_355, 37_342)),
    ],
)
def test_removed_weights_give_the_published_counts_of_grasp_and_lt(total, grasp, one_shot):
    removed = [removed_count(total, sparsity) for sparsity in (0.9, 0.95, 0.98)]
    assert tuple(total - count + 1 for count in removed) == grasp
    assert tuple(total - count - 1 for count in removed) == one_shot


@given(st.integers(0, 10**8), st.integers(0, 1000))
def test_counts_agree_with_integer_arithmetic(total, permille):
    sparsity = permille / 1000
    assert kept_count(total, sparsity) == total * (1000 - permille) // 1000
    assert removed_count(total, sparsity) == total * permille // 1000


@pytest.mark.parametrize("sparsity", [-0.1, 1.1, float("nan")])
def test_a_sparsity_outside_the_unit_interval_is_refused(sparsity):
    for count in (kept_count, removed_count):
        with pytest.raises(UserError, match=r"sparsity: must lie in \[0, 1\]"):
            count(10, sparsity)


# Few distinct values, so that ties are the rule.
tied = st.lists(st.integers(-3, 3), min_size=0, max_size=12)


@settings(deadline=None, max_examples=200)
@given(st.lists(tied, min_size=1, max_size=4), st.data(), st.sampled_from(["float32", "float64"]))
def test_exactly_the_highest_survive_and_ties_go_to_the_earlier_position(parts, data, dtype):
    total = sum(map(len, parts))
    keep = data.draw(st.integers(0, total))
    scores = {
        str(number): torch.tensor(part, dtype=getattr(torch, dtype))
        for number, part in enumerate(parts)
    }
    masks = keep_top(scores, keep)
    assert [mask.shape for mask in masks.values()] == [score.shape for score in scores.values()]
    assert all(mask.dtype == torch.bool for mask in masks.values())
    flat = np.concatenate([np.array(part, dtype=float) for part in parts])
    chosen = np.concatenate([mask.numpy() for mask in masks.values()])
    assert chosen.sum() == keep
    if 0 < keep < total:
        assert flat[chosen].min() >= flat[~chosen].max()
    expected = np.zeros(total, dtype=bool)
    expected[np.argsort(-flat, kind="stable")[:keep]] = True
    assert (chosen == expected).all()


def test_ties_are_broken_by_tensor_then_by_flat_index_also_for_channels_last_scores():
    scores = {"a": torch.zeros(1, 2, 2, 2).to(memory_format=torch.channels_last)}
    scores["b"] = torch.zeros(3)
    masks = keep_top(scores, 3)
    assert masks["a"].flatten().tolist() == [True] * 3 + [False] * 5
    assert not masks["b"].any()


def test_masks_have_the_shape_and_the_names_of_their_scores():
    scores = {"z": torch.rand(2, 3, 4), "a": torch.rand(5, 1), "empty": torch.rand(0)}
    masks = keep_top(scores, 4)
    assert list(masks) == ["z", "a", "empty"]
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == {
        "z": (2, 3, 4),
        "a": (5, 1),
        "empty": (0,),
    }


def test_infinite_scores_have_their_place():
    scores = {"w": torch.tensor([0.0, float("inf"), float("-inf"), 1.0])}
    assert keep_top(scores, 1)["w"].tolist() == [False, True, False, False]
    assert keep_top(scores, 3)["w"].tolist() == [True, True, False, True]


def test_masks_share_no_memory():
    masks = keep_top({"a": torch.tensor([3.0, 2.0]), "b": torch.tensor([1.0, 0.0])}, 2)
    masks["a"].fill_(False)
    assert masks["b"].untyped_storage().nbytes() == 2
    assert masks["a"].untyped_storage().data_ptr() != masks["b"].untyped_storage().data_ptr()


@pytest.mark.parametrize("keep", [-1, 5])
def test_a_count_out_of_range_is_refused(keep):
    with pytest.raises(UserError, match=rf"keep: must lie in \[0, 4\], found {keep}"):
        keep_top({"w": torch.rand(4)}, keep)


def test_scores_that_are_not_numbers_are_refused_by_name():
    scores = {"good": torch.rand(3), "bad": torch.tensor([0.0, float("nan")])}
    with pytest.raises(UserError, match=r"scores: not a number in bad$"):
        keep_top(scores, 2)
