"""Halves of a data set, and what of them is evaluated."""

import pytest
import torch

from common.data import DATASETS, Split, alternate_halves, evaluated_split, load_dataset
from common.errors import UserError


def dealt_out(labels):
    """Walk the labels in their order; return which half each goes to, class by class."""
    turn, found = {}, []
    for label in labels.tolist():
        found.append(turn.get(label, 0))
        turn[label] = 1 - found[-1]
    return torch.tensor(found)


def same(first, second):
    return torch.equal(first.images, second.images) and torch.equal(first.labels, second.labels)


@pytest.mark.parametrize("which", [0, 1])
def test_digits_are_dealt_out_class_by_class_in_stored_order(digits, which):
    half = load_dataset(["digits_a", "digits_b"][which])
    expected = digits.train.select((dealt_out(digits.train.labels) == which).nonzero().squeeze(1))
    assert same(half.train, expected)
    assert same(half.test, digits.test)


def test_the_first_image_of_every_class_belongs_to_a(digits):
    first = load_dataset("digits_a").train
    for label in range(10):
        whole, half = (split.images[split.labels == label][0] for split in (digits.train, first))
        assert torch.equal(whole, half)


def test_halves_are_those_of_the_registry():
    halves = {name: spec.half for name, spec in DATASETS.items() if spec.half is not None}
    assert halves == {
        "cifar10_a": ("cifar10", 0),
        "cifar10_b": ("cifar10", 1),
        "digits_a": ("digits", 0),
        "digits_b": ("digits", 1),
    }


def test_halves_of_10000_test_images_are_5000():
    labels = torch.arange(10_000) % 10
    split = Split(torch.zeros(10_000, 1, 1, 1, dtype=torch.uint8), labels)
    assert [len(half) for half in alternate_halves(split, 10)] == [5000, 5000]


def test_what_is_evaluated(digits):
    first, second = load_dataset("digits_a"), load_dataset("digits_b")
    for half in (first, second):
        assert same(evaluated_split(half, "test", load_dataset), digits.test)
    turns = dealt_out(digits.test.labels)
    for which, half in enumerate((first, second)):
        expected = digits.test.select((turns == which).nonzero().squeeze(1))
        assert same(evaluated_split(half, "test_half", load_dataset), expected)
    assert same(evaluated_split(first, "other_half_train", load_dataset), second.train)
    assert same(evaluated_split(second, "other_half_train", load_dataset), first.train)


@pytest.mark.parametrize("split", ["test_half", "other_half_train"])
def test_a_whole_data_set_has_no_other_half(digits, split):
    with pytest.raises(UserError, match=f"data.test_split: '{split}' .* data.name is 'digits'"):
        evaluated_split(digits, split, load_dataset)
    assert same(evaluated_split(digits, "test", load_dataset), digits.test)
