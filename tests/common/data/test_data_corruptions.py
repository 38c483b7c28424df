"""Corrupted labels and pixels: Su et al.'s published sequence, and what each mode keeps."""

import pytest
import torch

from common.data import Split, random_labels, random_labels_su, random_pixels
from common.errors import UserError

COUNT = 300


@pytest.fixture
def split():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (COUNT, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return Split(images, torch.randint(10, (COUNT,), generator=generator))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("classes", "first", "total"),
    [
        (10, [3, 2, 7, 4, 5, 4, 1, 3, 3, 5, 0, 7, 0, 8, 7, 6, 6, 1, 2, 5], 225_833),
        (
            100,
            [19, 2, 63, 74, 39, 68, 37, 52, 97, 83, 13, 35, 5, 78, 11, 62, 11, 55, 93, 16],
            2_467_933,
        ),
    ],
)
def test_su_labels_are_the_published_sequence(classes, first, total):
    count = 50_000
    images = torch.zeros(count, 1, 1, 1, dtype=torch.uint8)
    labels = random_labels_su(Split(images, torch.zeros(count).long()), classes).labels
    assert labels[:20].tolist() == first
    assert int(labels.sum()) == total


def test_random_labels_are_uniform_and_leave_the_images(split):
    corrupted = random_labels(split, 10, seeded())
    assert torch.equal(corrupted.images, split.images)
    assert min(corrupted.class_counts(10)) > 10
    assert (corrupted.labels == split.labels).float().mean() < 0.2
    assert torch.equal(corrupted.labels, random_labels(split, 10, seeded()).labels)
    assert not torch.equal(corrupted.labels, random_labels(split, 10, seeded(1)).labels)


@pytest.mark.parametrize("mode", ["values", "pixels", "rows_cols", "channel_rows"])
def test_every_image_keeps_its_values_and_gets_its_own_permutation(split, mode):
    before = split.images.clone()
    same = Split(split.images[:1].expand(COUNT, -1, -1, -1).contiguous(), split.labels)
    corrupted = random_pixels(split, seeded(), mode)
    assert torch.equal(split.images, before)
    assert torch.equal(corrupted.labels, split.labels)
    assert torch.equal(
        corrupted.images.flatten(1).sort(1).values, split.images.flatten(1).sort(1).values
    )
    assert not torch.equal(corrupted.images, split.images)
    assert len(random_pixels(same, seeded(), mode).images.unique(dim=0)) > COUNT - 3
    assert torch.equal(corrupted.images, random_pixels(split, seeded(), mode).images)
    assert not torch.equal(corrupted.images, random_pixels(split, seeded(1), mode).images)


def counting_split():
    """Images whose 3*8*8 values are all different: they tell where each value went."""
    values = torch.arange(192, dtype=torch.uint8).view(1, 3, 8, 8).expand(200, -1, -1, -1)
    return Split(values.contiguous(), torch.zeros(200).long())


def test_values_move_anywhere():
    moved = random_pixels(counting_split(), seeded(), "values").images.flatten(1).long()
    assert torch.equal(moved.sort(1).values, torch.arange(192).expand(200, -1))
    # Every place holds the mean value on average: standard error 55.4 / sqrt(200) = 3.9.
    assert abs(moved.float().mean(0) - 95.5).max() < 5 * 3.92
    changed_channel = (moved // 64) != (torch.arange(192) // 64)
    assert 0.64 < changed_channel.float().mean() < 0.69


def test_pixels_move_the_channels_together():
    moved = random_pixels(counting_split(), seeded(), "pixels").images.flatten(2).long()
    assert torch.equal(moved[:, 1], moved[:, 0] + 64)
    assert torch.equal(moved[:, 2], moved[:, 0] + 128)
    assert torch.equal(moved[:, 0].sort(1).values, torch.arange(64).expand(200, -1))
    rows = moved[:, 0].view(200, 8, 8) // 8
    assert not torch.equal(rows, rows[:, :, :1].expand_as(rows))


def test_rows_and_columns_move_as_wholes():
    moved = random_pixels(counting_split(), seeded(), "rows_cols").images.long()
    assert torch.equal(moved[:, 1], moved[:, 0] + 64)
    row, column = moved[:, 0] // 8, moved[:, 0] % 8
    assert torch.equal(row, row[:, :, :1].expand_as(row))
    assert torch.equal(column, column[:, :1, :].expand_as(column))
    assert not torch.equal(row[:, :, 0], column[:, 0, :])


def test_channel_rows_keep_each_row_and_leave_its_channel():
    moved = random_pixels(counting_split(), seeded(), "channel_rows").images.long().view(200, 24, 8)
    assert torch.equal(moved - moved[:, :, :1], torch.arange(8).expand(200, 24, 8))
    start = moved[:, :, 0] // 8
    assert torch.equal(start.sort(1).values, torch.arange(24).expand(200, -1))
    assert 0.6 < ((start // 8) != (torch.arange(24) // 8)).float().mean() < 0.73


def test_an_unknown_mode_is_named(split):
    with pytest.raises(UserError, match=r"pixels.mode: unknown name 'pixel'; .* 'pixels'"):
        random_pixels(split, seeded(), "pixel")
