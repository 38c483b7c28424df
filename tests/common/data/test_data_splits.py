"""Validation splits, subsets, halves, balanced batches, and the embedded digits."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from common.data import (
    Split,
    alternate_halves,
    balanced_batch,
    hold_out,
    load_dataset,
    merge_validation,
    subset,
)
from common.data.splits import stratified_counts
from common.errors import UserError


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(count):
    """A split whose labels number its images."""
    return Split(torch.zeros(count, 1, 1, 1, dtype=torch.uint8), torch.arange(count))


def rows(split):
    """Return a split's images and labels as a set of values."""
    return {
        (image.numpy().tobytes(), int(label))
        for image, label in zip(split.images, split.labels, strict=True)
    }


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_digits_are_split_for_good(digits):
    fingerprint = digits.fingerprint
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1000, 197, 600)
    assert digits.image_shape == (1, 16, 16)
    assert fingerprint == {
        "name": "digits",
        "source": "embedded",
        "train_images": 1000,
        "validation_images": 197,
        "test_images": 600,
        "shape": [1, 16, 16],
        "sha256": "71b59ff8e7ad1d2adb657cd28f019c8b08debc4de8e5321379718c89a8b090f0",
        "complete": True,
    }


def test_digits_are_stratified_and_disjoint(digits):
    whole = np.bincount(load_digits().target)
    parts = [digits.train, digits.validation, digits.test]
    counts = [np.array(part.class_counts(10)) for part in parts]
    assert (sum(counts) == whole).all()
    for part, count in zip(parts, counts, strict=True):
        assert abs(count - whole * len(part) / 1797).max() < 1.5
    # Scikit-learn's digits hold no two equal images, so that disjoint splits have no common one.
    assert len(rows(digits.train) | rows(digits.validation) | rows(digits.test)) == 1797


def test_digits_are_the_stored_images_enlarged(digits):
    images = torch.cat([part.images for part in (digits.train, digits.validation, digits.test)])
    stored = load_digits().images
    assert (images.min(), images.max()) == (0, 255)
    # Bilinear enlargement keeps the corners: stored 0 to 16 becomes 0 to 255 there.
    corners = np.round(stored[:, [0, 0, -1, -1], [0, -1, 0, -1]] * 255 / 16).astype(int)
    found = images[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]].numpy()
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, corners.tolist()))
    assert images.float().mean() == pytest.approx(stored.mean() * 255 / 16, abs=0.1)


def test_digits_do_not_depend_on_how_the_table_is_read(digits, monkeypatch):
    monkeypatch.setattr("common.data.digits.find_spec", lambda name: None)
    again = load_dataset("digits")
    assert again.fingerprint["sha256"] == digits.fingerprint["sha256"]


def test_digits_constants_are_those_of_the_training_pixels(digits):
    pixels = digits.train.images.double() / 255
    constants = digits.normalization("default")
    assert constants.mean[0] == pytest.approx(float(pixels.mean()), abs=5e-5)
    assert constants.std[0] == pytest.approx(float(pixels.std(correction=0)), abs=5e-5)


def test_digit_halves_share_the_other_splits(digits):
    first, second = load_dataset("digits_a"), load_dataset("digits_b")
    assert len(first.train) + len(second.train) == 1000
    assert rows(first.train) | rows(second.train) == rows(digits.train)
    assert torch.equal(first.test.images, digits.test.images)
    assert torch.equal(second.validation.labels, digits.validation.labels)
    assert first.fingerprint["name"] == first.name == "digits_a"
    assert first.fingerprint["train_images"] == len(first.train)
    hashes = {data.fingerprint["sha256"] for data in (digits, first, second)}
    assert len(hashes) == 3


def test_halves_alternate_in_every_class():
    labels = torch.tensor([0, 1, 0, 0, 1, 2, 1, 0])
    images = torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1)
    first, second = alternate_halves(Split(images, labels), 3)
    assert first.images.flatten().tolist() == [0, 1, 3, 5, 6]
    assert second.images.flatten().tolist() == [2, 4, 7]


def test_halves_of_balanced_classes_are_equal():
    labels = torch.arange(50_000) % 10
    split = Split(torch.zeros(50_000, 1, 1, 1, dtype=torch.uint8), labels)
    for half in alternate_halves(split, 10):
        assert half.class_counts(10) == [2500] * 10


def test_the_first_images_can_be_held_out(digits):
    data = hold_out(merge_validation(digits), 100, "first")
    joined = merge_validation(digits).train
    assert torch.equal(data.validation.images, joined.images[:100])
    assert torch.equal(data.train.images, joined.images[100:])


@pytest.mark.parametrize("mode", ["random", "stratified"])
def test_held_out_images_leave_the_training_set(digits, mode):
    whole = merge_validation(digits)
    data = hold_out(whole, 0.1, mode, seeded())
    assert len(data.validation) == 120  # a tenth of 1,197, rounded
    assert len(data.train) == 1077
    assert rows(data.train) | rows(data.validation) == rows(whole.train)
    assert not rows(data.train) & rows(data.validation)
    again = hold_out(whole, 0.1, mode, seeded())
    assert torch.equal(again.validation.images, data.validation.images)
    other = hold_out(whole, 0.1, mode, seeded(1))
    assert not torch.equal(other.validation.images, data.validation.images)


def test_stratified_images_come_in_proportion(digits):
    whole = merge_validation(digits)
    data = hold_out(whole, 300, "stratified", seeded())
    expected = np.array(whole.train.class_counts(10)) * 300 / 1197
    assert abs(np.array(data.validation.class_counts(10)) - expected).max() < 1


def test_test_images_can_be_held_out(digits):
    data = hold_out(merge_validation(digits), 0.5, "stratified", seeded(), source="test")
    assert len(data.validation) == len(data.test) == 300
    assert len(data.train) == 1197
    assert rows(data.validation) | rows(data.test) == rows(digits.test)


def test_the_fingerprint_follows_the_counts_and_keeps_the_content(digits):
    data = hold_out(digits, 100, "random", seeded())
    expected = digits.fingerprint | {"train_images": 900, "validation_images": 297}
    assert data.fingerprint == expected
    assert digits.fingerprint["train_images"] == 1000
    assert merge_validation(digits).fingerprint["validation_images"] == 0


def test_nothing_held_out_changes_nothing(digits):
    assert hold_out(digits, 0, "random", seeded()) is digits


def test_largest_remainders_share_exactly():
    assert stratified_counts([5, 5, 5], 10) == [4, 3, 3]
    assert stratified_counts([10, 20, 70], 10) == [1, 2, 7]
    assert sum(stratified_counts([178, 182, 177, 183, 181], 123)) == 123


@pytest.mark.parametrize(
    ("amount", "mode", "words"),
    [
        (1000, "first", "data.validation: 1000 leaves nothing of the 1000 train images"),
        (-1, "first", "data.validation: -1 is neither"),
        (True, "first", "data.validation: True is neither"),
        (1.5, "first", "data.validation: 1.5 is no fraction"),
        (10, "stratifed", "unknown name 'stratifed'; did you mean 'stratified'"),
    ],
)
def test_wrong_amounts_are_named(digits, amount, mode, words):
    with pytest.raises(UserError, match=words):
        hold_out(digits, amount, mode, seeded())


def test_random_half_of_cifar_is_25000_images():
    half = subset(numbered(50_000), 0.5, "random", seeded(), batch_size=64)
    assert len(half) == 25_000
    assert len(half.labels.unique()) == 25_000
    assert torch.equal(half.labels, half.labels.sort().values)
    assert 24_000 < half.labels.float().mean() < 26_000


def test_first_half_of_cifar_in_minibatches_is_24960_images():
    half = subset(numbered(50_000), 0.5, "first", batch_size=64)
    assert torch.equal(half.labels, torch.arange(24_960))


def test_a_subset_by_count():
    assert subset(numbered(10), count=4, choose="first").labels.tolist() == [0, 1, 2, 3]
    assert len(subset(numbered(10), 1.0, "first")) == 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fraction": 0.0, "choose": "first"}, "0 images are not between 1 and the 10"),
        ({"count": 11, "choose": "first"}, "11 images are not between 1 and the 10"),
        ({"fraction": 1.2, "choose": "first"}, "1.2 is no fraction"),
        ({}, "either a fraction or a count"),
        ({"count": 5, "choose": "frist"}, "did you mean 'first'"),
    ],
)
def test_wrong_subsets_are_named(options, words):
    with pytest.raises(UserError, match=words):
        subset(numbered(10), **options)


def test_a_balanced_batch_is_sorted_by_class_and_random(digits):
    indices = balanced_batch(digits.train, 10, 10, seeded())
    assert digits.train.labels[indices].tolist() == [c for c in range(10) for _ in range(10)]
    assert len(indices.unique()) == 100
    assert torch.equal(indices, balanced_batch(digits.train, 10, 10, seeded()))
    other = balanced_batch(digits.train, 10, 10, seeded(1))
    assert not torch.equal(indices, other)
    everything = balanced_batch(digits.train, 97, 10, seeded())
    assert len(everything.unique()) == 970


def test_a_balanced_batch_needs_enough_images(digits):
    with pytest.raises(UserError, match=r"samples_per_class: 98 .* class 8 has 97"):
        balanced_batch(digits.train, 98, 10, seeded())


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (torch.zeros(2, 1, 4, 4), torch.zeros(2).long()),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2).long()),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3).long()),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2)),
    ],
)
def test_a_split_is_checked(images, labels):
    with pytest.raises(ValueError, match="must be"):
        Split(images, labels)
