"""Batches made on the device equal the plain pad, crop, flip and normalise of the papers."""

import itertools

import pytest
import torch
from torch.nn.functional import pad

from common.data import Augment, Batches, Normalization, Split
from common.errors import UserError

PLAIN = Normalization((0.0,), (1.0,))
HALF = Normalization((0.5,), (0.5,))
CIFAR = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def random_split(count=50, channels=3, size=8, seed=0):
    """Images whose label is their index, so that a batch tells where its images come from."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, channels, size, size)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return Split(images, torch.arange(count))


def empty_split(count):
    return Split(torch.zeros(count, 1, 1, 1, dtype=torch.uint8), torch.arange(count))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def reference(images, normalization):
    """Normalise as torchvision's ToTensor and Normalize do."""
    mean = torch.tensor(normalization.mean).view(-1, 1, 1)
    std = torch.tensor(normalization.std).view(-1, 1, 1)
    return (images.float() / 255 - mean) / std


def windows(image, padding, size, flips):
    """Return every crop of the padded image, and every crop flipped."""
    padded = pad(image, (padding,) * 4)
    room = padded.shape[-1] - size + 1
    found = {}
    for top, left, flip in itertools.product(range(room), range(room), flips):
        crop = padded[:, top : top + size, left : left + size]
        found[top, left, flip] = crop.flip(2) if flip else crop
    return found


@pytest.mark.parametrize(
    ("augment", "channels", "size", "crop"),
    [
        (Augment(), 3, 8, 8),
        (Augment(crop_padding=2, horizontal_flip=False), 3, 8, 8),
        (Augment(crop_padding=4, crop_size=12), 1, 8, 12),
        (Augment(crop_padding=0), 3, 8, 8),
        (Augment(crop_padding=0, crop_size=5), 3, 8, 5),
    ],
)
def test_each_image_is_one_crop_of_its_padded_source(augment, channels, size, crop):
    split = random_split(channels=channels, size=size)
    normalization = CIFAR if channels == 3 else HALF
    batches = Batches(split, 16, normalization, augment=augment)
    flips = (False, True) if augment.horizontal_flip else (False,)
    seen = set()
    for images, labels in batches.epoch(seeded()):
        assert images.shape[1:] == (channels, crop, crop)
        for image, index in zip(images, labels.tolist(), strict=True):
            crops = windows(split.images[index], augment.crop_padding, crop, flips)
            matches = [
                place
                for place, candidate in crops.items()
                if torch.allclose(image, reference(candidate, normalization), atol=1e-5)
            ]
            assert matches
            seen.update(matches)
    assert {flip for _, _, flip in seen} == set(flips)


def test_crops_and_flips_are_uniform():
    # A white pixel in the middle of 9x9 tells the crop's place, one on its right a flip.
    split = Split(torch.zeros(20_000, 2, 9, 9, dtype=torch.uint8), torch.arange(20_000))
    split.images[:, 0, 4, 4] = 255
    split.images[:, 1, 4, 5] = 255
    images, _ = next(Batches(split, 20_000, PLAIN, augment=Augment()).epoch(seeded()))
    offsets = torch.bincount(images[:, 0].flatten(1).argmax(1), minlength=81)
    assert len(offsets) == 81
    assert abs(offsets.float() - 20_000 / 81).max() < 6 * (20_000 / 81) ** 0.5
    inside = images[:, 1].flatten(1).sum(1) > 0
    mirrored = images[inside, 1].flatten(1).argmax(1) < images[inside, 0].flatten(1).argmax(1)
    assert 0.48 < mirrored.float().mean() < 0.52


def test_an_epoch_holds_every_image_once_in_a_new_order():
    batches = Batches(random_split(), 16, PLAIN, augment=Augment())
    generator = seeded()
    first = torch.cat([labels for _, labels in batches.epoch(generator)])
    second = torch.cat([labels for _, labels in batches.epoch(generator)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert first.tolist() != second.tolist()
    assert first.tolist() != list(range(50))


def test_unshuffled_epochs_keep_the_order_and_still_augment():
    split = random_split()
    batches = Batches(split, 64, PLAIN, augment=Augment())
    images, labels = next(batches.epoch(seeded(), shuffle=False))
    assert labels.tolist() == list(range(50))
    assert not torch.allclose(images, split.images.float() / 255)


def test_the_generator_alone_decides():
    batches = Batches(random_split(), 16, CIFAR, augment=Augment())
    again = Batches(random_split(), 16, CIFAR, augment=Augment())
    for (images, labels), (others, other_labels) in zip(
        batches.epoch(seeded(1)), again.epoch(seeded(1)), strict=True
    ):
        assert torch.equal(images, others)
        assert torch.equal(labels, other_labels)
    other = next(batches.epoch(seeded(2)))[0]
    assert not torch.equal(next(batches.epoch(seeded(1)))[0], other)


def test_random_numbers_are_drawn_when_the_epoch_begins():
    batches = Batches(random_split(), 16, PLAIN, augment=Augment())
    generator = seeded()
    interrupted = batches.epoch(generator)
    state = generator.get_state()
    list(interrupted)
    assert torch.equal(generator.get_state(), state)


def test_an_interrupted_epoch_goes_on_with_the_same_batches():
    batches = Batches(random_split(), 16, PLAIN, augment=Augment())
    whole = list(batches.epoch(seeded()))
    rest = list(batches.epoch(seeded(), first_step=2))
    assert len(whole) == 4
    assert len(rest) == 2
    for (images, labels), (others, other_labels) in zip(whole[2:], rest, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(labels, other_labels)


@pytest.mark.parametrize(
    ("count", "batch_size", "steps", "last"),
    [
        (50_000, 64, 782, 16),
        (50_000, 128, 391, 80),
        (45_000, 128, 352, 72),
        (50_000, 512, 98, 336),
        (25_000, 512, 49, 424),
        (73_257, 512, 144, 41),
        (60_000, 512, 118, 96),
    ],
)
def test_the_last_partial_batch_is_kept(count, batch_size, steps, last):
    batches = Batches(empty_split(count), batch_size, PLAIN)
    sizes = [len(labels) for _, labels in batches.epoch(seeded())]
    assert len(batches) == len(sizes) == steps
    assert sizes[-1] == last
    assert sum(sizes) == count


def test_the_last_partial_batch_can_be_dropped():
    batches = Batches(empty_split(50), 16, PLAIN, drop_last=True)
    assert [len(labels) for _, labels in batches.epoch(seeded())] == [16, 16, 16]
    assert len(batches) == 3


@pytest.mark.parametrize("augment", [None, Augment()])
def test_evaluation_batches_come_in_order_and_plain(augment):
    split = random_split()
    parts = list(Batches(split, 16, CIFAR, augment=augment).sequential(20))
    assert [len(labels) for _, labels in parts] == [20, 20, 10]
    assert torch.equal(torch.cat([labels for _, labels in parts]), split.labels)
    images = torch.cat([images for images, _ in parts])
    assert torch.allclose(images, reference(split.images, CIFAR), atol=1e-5)


def test_batches_without_augmentation_are_plain():
    split = random_split()
    for images, labels in Batches(split, 16, CIFAR).epoch(seeded()):
        assert torch.allclose(images, reference(split.images[labels], CIFAR), atol=1e-5)


def test_named_images_come_plain_or_augmented():
    split = random_split()
    batches = Batches(split, 16, CIFAR, augment=Augment())
    indices = torch.tensor([7, 7, 3])
    images, labels = batches.at(indices)
    assert labels.tolist() == [7, 7, 3]
    assert torch.allclose(images, reference(split.images[indices], CIFAR), atol=1e-5)
    augmented, _ = batches.at(indices, seeded())
    assert not torch.equal(augmented[0], augmented[1])
    assert torch.equal(augmented, batches.at(indices, seeded())[0])


def test_half_maps_black_and_padding_to_minus_one_and_white_to_one():
    split = Split(torch.full((64, 1, 4, 4), 255, dtype=torch.uint8), torch.zeros(64).long())
    images, _ = next(Batches(split, 64, HALF, augment=Augment()).epoch(seeded()))
    assert images.unique().tolist() == [-1.0, 1.0]


def test_padding_comes_before_normalisation():
    split = Split(torch.zeros(8, 3, 4, 4, dtype=torch.uint8), torch.zeros(8).long())
    images, _ = next(Batches(split, 8, CIFAR, augment=Augment()).epoch(seeded()))
    expected = -torch.tensor(CIFAR.mean) / torch.tensor(CIFAR.std)
    assert torch.allclose(images, expected.view(1, 3, 1, 1).expand_as(images))


@pytest.mark.parametrize("make", ["epoch", "at", "sequential"])
def test_memory_format_is_what_was_asked_for(make):
    for channels_last in (True, False):
        batches = Batches(random_split(), 16, PLAIN, augment=Augment(), channels_last=channels_last)
        images = {
            "epoch": lambda b=batches: next(b.epoch(seeded()))[0],
            "at": lambda b=batches: b.at(torch.tensor([1, 2]))[0],
            "sequential": lambda b=batches: next(b.sequential())[0],
        }[make]()
        assert images.is_contiguous(memory_format=torch.channels_last) == channels_last
        assert images.is_contiguous() != channels_last


def test_images_have_the_asked_dtype():
    batches = Batches(random_split(), 16, CIFAR, augment=Augment(), dtype=torch.bfloat16)
    exact = Batches(random_split(), 16, CIFAR, augment=Augment())
    images, _ = next(batches.epoch(seeded()))
    assert images.dtype == torch.bfloat16
    assert torch.equal(images, next(exact.epoch(seeded()))[0].bfloat16())


def test_grey_images_become_three_equal_channels():
    split = random_split(channels=1, size=28)
    augment = Augment(crop_padding=4, crop_size=32)
    batches = Batches(split, 16, HALF, augment=augment, channels=3)
    images, _ = next(batches.epoch(seeded()))
    assert images.shape == (16, 3, 32, 32)
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 0], images[:, 2])
    plain, _ = next(batches.sequential())
    assert plain.shape == (16, 3, 28, 28)


def test_test_images_can_be_padded():
    split = random_split(channels=1, size=28)
    for augment in (None, Augment(crop_padding=4, crop_size=32), Augment(crop_padding=1)):
        batches = Batches(split, 16, PLAIN, augment=augment, test_padding=2)
        images, labels = next(batches.sequential())
        assert torch.allclose(images, pad(split.images[:16], (2,) * 4) / 255)
        assert torch.equal(batches.at(labels)[0], images)
    images, _ = next(batches.epoch(seeded()))
    assert images.shape == (16, 1, 28, 28)


def test_frozen_images_are_one_augmentation():
    split = random_split()
    batches = Batches(split, 16, PLAIN, augment=Augment())
    frozen = batches.frozen(seeded())
    assert torch.equal(frozen.labels, split.labels)
    assert not torch.equal(frozen.images, split.images)
    again = Batches(frozen, 16, PLAIN).epoch(seeded())
    for (images, labels), (others, other_labels) in zip(
        again, batches.epoch(seeded()), strict=True
    ):
        assert torch.equal(images, others)
        assert torch.equal(labels, other_labels)


def test_the_source_images_stay_as_they_are():
    split = random_split()
    before = split.images.clone()
    list(Batches(split, 16, CIFAR, augment=Augment()).epoch(seeded()))
    list(Batches(split, 16, CIFAR).sequential())
    assert torch.equal(split.images, before)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"augment": Augment(crop_padding=1, crop_size=11)}, "crop_size: 11 .* 1 to 10"),
        ({"channels": 1}, "images of 3 channels cannot become 1"),
        ({"normalization": Normalization((0.1, 0.2), (1.0,))}, "mean has 2 channels, images 3"),
        ({"batch_size": 0}, "batch_size: 0"),
        ({"batch_size": 51, "drop_last": True}, "batch_size: 51 gives no batch of 50 images"),
    ],
)
def test_wrong_options_are_named(options, words):
    arguments = {"batch_size": 16, "normalization": PLAIN} | options
    with pytest.raises(UserError, match=words):
        Batches(random_split(), **arguments)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_makes_the_same_batches():
    split = random_split(count=3000, size=32)
    on_cpu = Batches(split, 512, CIFAR, augment=Augment())
    on_cuda = Batches(split, 512, CIFAR, augment=Augment(), device="cuda")
    for (images, labels), (others, other_labels) in zip(
        on_cpu.epoch(seeded()), on_cuda.epoch(seeded()), strict=True
    ):
        assert torch.allclose(images, others.cpu(), atol=1e-6)
        assert torch.equal(labels, other_labels.cpu())
        assert others.is_contiguous(memory_format=torch.channels_last)
