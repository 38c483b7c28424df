"""Batches decoded from files: exact resume, the same for any number of threads, bounded memory."""

import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from common.config import CorruptionConfig
from common.data import (
    Augment,
    Batches,
    Dataset,
    Frame,
    ImageFiles,
    Normalization,
    ResizedCrop,
    Split,
    alternate_halves,
    balanced_batch,
    concatenate,
    hold_out,
    merge_validation,
    random_labels,
    random_pixels,
    subset,
)
from common.data.arrays import decode_images
from common.errors import UserError
from common.finders.base import corrupt

COUNT = 30
FRAME = Frame((3, 32, 32), "centre", 40)
PLAIN = Normalization((0.0,), (1.0,))
IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
RESIZED = Augment(resized_crop=ResizedCrop())
AUGMENTS = {
    "plain": None,
    "padded": Augment(crop_padding=4),
    "no flip": Augment(crop_padding=3, horizontal_flip=False),
    "larger": Augment(crop_padding=6, crop_size=40),
    "smaller": Augment(crop_padding=30, crop_size=9),
    "resized": RESIZED,
    "resized smaller": Augment(crop_size=20, resized_crop=ResizedCrop(min_area=0.3)),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def folder(photo, tmp_path_factory):
    """Thirty photographs of five sizes; one is grey, every third is a PNG."""
    root = tmp_path_factory.mktemp("photos")
    for index in range(COUNT):
        suffix = "png" if index % 3 == 0 else "jpg"
        photo(root / f"{index}.{suffix}", index, mode="L" if index == 4 else "RGB")
    return root


@pytest.fixture(scope="module")
def split(folder):
    names = [f"{index}.{'png' if index % 3 == 0 else 'jpg'}" for index in range(COUNT)]
    return Split(ImageFiles(folder, names, FRAME), torch.arange(COUNT))


@pytest.fixture(scope="module")
def in_memory(split):
    paths = [split.images.root / name for name in split.images.names]
    return Split(decode_images(paths, FRAME), split.labels)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def assert_same(batches, others):
    batches, others = list(batches), list(others)
    assert len(batches) == len(others) > 0
    for (images, labels), (images2, labels2) in zip(batches, others, strict=True):
        assert torch.equal(images, images2)
        assert torch.equal(labels, labels2)


@pytest.mark.parametrize("name", AUGMENTS)
def test_an_interrupted_epoch_goes_on_with_the_same_batches(split, name):
    batches = Batches(split, 7, IMAGENET, augment=AUGMENTS[name], workers=2)
    whole = list(batches.epoch(seeded()))
    assert len(whole) == len(batches) == 5
    for step in (1, 3, 4):
        assert_same(whole[step:], batches.epoch(seeded(), first_step=step))
    assert list(batches.epoch(seeded(), first_step=5)) == []


@pytest.mark.parametrize("name", AUGMENTS)
def test_the_number_of_threads_changes_nothing(split, name):
    one, many = (Batches(split, 7, PLAIN, augment=AUGMENTS[name], workers=n) for n in (1, 5))
    assert_same(one.epoch(seeded()), many.epoch(seeded()))


@pytest.mark.parametrize("name", [name for name in AUGMENTS if "resized" not in name])
@pytest.mark.parametrize("test_padding", [0, 2])
def test_streamed_batches_are_those_of_images_in_memory(split, in_memory, name, test_padding):
    options = {"augment": AUGMENTS[name], "test_padding": test_padding}
    streamed = Batches(split, 7, IMAGENET, **options)
    resident = Batches(in_memory, 7, IMAGENET, **options)
    assert_same(streamed.epoch(seeded()), resident.epoch(seeded()))
    assert_same(streamed.epoch(seeded(), shuffle=False), resident.epoch(seeded(), shuffle=False))
    assert_same(streamed.sequential(11), resident.sequential(11))
    chosen = torch.tensor([8, 8, 3])
    assert_same([streamed.at(chosen)], [resident.at(chosen)])
    assert_same([streamed.at(chosen, seeded())], [resident.at(chosen, seeded())])
    assert torch.equal(streamed.frozen(seeded()).images, resident.frozen(seeded()).images)
    assert streamed.image_count == resident.image_count == COUNT
    assert torch.equal(streamed.labels, resident.labels)


def test_random_numbers_are_drawn_when_the_epoch_begins(split):
    for augment in (RESIZED, Augment()):
        generator = seeded()
        epoch = Batches(split, 7, PLAIN, augment=augment).epoch(generator)
        state = generator.get_state()
        list(epoch)
        assert torch.equal(generator.get_state(), state)


def test_every_epoch_and_seed_is_another(split):
    batches = Batches(split, COUNT, PLAIN, augment=RESIZED)
    generator = seeded()
    first, second = (next(batches.epoch(generator, shuffle=False))[0] for _ in range(2))
    other = next(batches.epoch(seeded(1), shuffle=False))[0]
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_resized_crop_is_a_box_of_the_file_perhaps_mirrored(split):
    # The images of an epoch without crops of the frame: boxes of the originals at full detail.
    batches = Batches(split, COUNT, PLAIN, augment=RESIZED)
    images, _ = next(batches.epoch(seeded(3), shuffle=False))
    generator = seeded(3)
    seeds = torch.randint(2**63 - 1, (COUNT,), generator=generator).tolist()
    flips = torch.randint(2, (COUNT,), generator=generator).tolist()
    assert set(flips) == {0, 1}
    for index, (seed, flip) in enumerate(zip(seeds, flips, strict=True)):
        original = split.images.open(index)
        box = ResizedCrop().box(*original.size, seed)
        expected = original.crop(box).resize((32, 32), Image.Resampling.BILINEAR)
        expected = ToTensor()(expected)
        assert torch.allclose(images[index], expected.flip(2) if flip else expected, atol=1e-6)


def test_evaluation_is_torchvisions(split):
    transform = Compose(
        [Resize(40), CenterCrop(32), ToTensor(), Normalize(IMAGENET.mean, IMAGENET.std)]
    )
    batches = Batches(split, 7, IMAGENET, augment=RESIZED)
    images = torch.cat([images for images, _ in batches.sequential()])
    for index, name in enumerate(split.images.names):
        with Image.open(split.images.root / name) as image:
            expected = transform(image.convert("RGB"))
        assert (images[index] - expected).abs().max() * 0.229 < 1 / 255
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_grey_files_become_three_equal_channels(folder, split):
    grey = Split(
        ImageFiles(folder, split.images.names, Frame((1, 16, 16), "stretch")), split.labels
    )
    images, _ = Batches(grey, 5, PLAIN, channels=3).at(torch.arange(5))
    assert images.shape == (5, 3, 16, 16)
    assert torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2])
    with pytest.raises(UserError, match="images of 3 channels cannot become 1"):
        Batches(split, 5, PLAIN, channels=1)


# Memory


@pytest.fixture
def opened(monkeypatch):
    """Note every file that is decoded."""
    indices = []
    decode = ImageFiles.open

    def noting(files, index):
        indices.append(files.names[index])
        return decode(files, index)

    monkeypatch.setattr(ImageFiles, "open", noting)
    return indices


def settled(values):
    """Wait until nothing more is added, and return how many there are."""
    before = -1
    while len(values) != before:
        before = len(values)
        time.sleep(0.1)
    return before


@pytest.mark.parametrize(("batch", "workers", "ahead"), [(4, 1, 2), (4, 2, 2), (1, 2, 8)])
def test_only_a_few_batches_are_decoded_ahead(split, opened, batch, workers, ahead):
    epoch = Batches(split, batch, PLAIN, augment=RESIZED, workers=workers).epoch(seeded())
    assert not opened and not threads()
    for step in range(1, 4):
        next(epoch)
        assert settled(opened) <= (step + ahead) * batch
    assert len(threads()) <= workers
    rest = len(list(epoch))
    assert 3 + rest == -(-COUNT // batch)
    assert sorted(opened) == sorted(split.images.names)
    assert not threads()


def test_an_epoch_that_is_given_up_stops_decoding(split, opened):
    epoch = Batches(split, 3, PLAIN, workers=2).epoch(seeded())
    next(epoch)
    del epoch
    assert not threads()
    assert settled(opened) <= 12


def test_making_batches_and_selecting_reads_no_file(split, opened):
    batches = Batches(split.select(torch.tensor([5, 2])), 2, PLAIN, augment=RESIZED)
    batches.epoch(seeded())
    assert not opened
    list(batches.sequential())
    assert sorted(opened) == ["2.jpg", "5.jpg"]


def test_evaluation_batches_of_large_images_are_smaller():
    images = torch.zeros(300, 3, 224, 224, dtype=torch.uint8)
    batches = Batches(Split(images, torch.arange(300)), 16, PLAIN, device="cpu")
    assert [len(labels) for _, labels in batches.sequential(1000)] == [222, 78]
    small = Batches(Split(images[:, :, :64, :64], torch.arange(300)), 16, PLAIN)
    assert [len(labels) for _, labels in small.sequential(1000)] == [300]


# Splits of files


@pytest.fixture
def dataset(split):
    labelled = Split(split.images, torch.arange(COUNT) % 3)
    return Dataset("photos", labelled, labelled, None, 3, None, {"default": PLAIN})


def test_files_can_be_selected_held_out_and_joined_like_tensors(dataset, in_memory):
    resident = Dataset(
        "photos",
        Split(in_memory.images, dataset.train.labels),
        Split(in_memory.images, dataset.train.labels),
        None,
        3,
        None,
        {"default": PLAIN},
    )

    def parts(data):
        held = hold_out(data, 9, "stratified", seeded())
        first, second = alternate_halves(held.train, 3)
        yield from (held.train, held.validation, first, second, merge_validation(held).train)
        yield subset(held.train, 0.5, "random", seeded())
        yield concatenate(second, first)
        yield data.train.select(balanced_batch(data.train, 2, 3, seeded()))

    for streamed, kept in zip(parts(dataset), parts(resident), strict=True):
        assert streamed.class_counts(3) == kept.class_counts(3)
        assert streamed.images.shape == tuple(kept.images.shape)
        everything = torch.arange(len(kept))
        assert_same(
            [Batches(streamed, 1, PLAIN).at(everything)], [Batches(kept, 1, PLAIN).at(everything)]
        )
    assert dataset.image_shape == (3, 32, 32)
    assert dataset.train.to("cpu").images is dataset.train.images


def test_labels_of_files_can_be_random_but_pixels_cannot(dataset):
    train = random_labels(dataset.train, 3, seeded())
    assert train.images is dataset.train.images
    assert not torch.equal(train.labels, dataset.train.labels)
    su = corrupt(dataset.train, CorruptionConfig(random_labels="su"), 3, seeded())
    assert su.images is dataset.train.images
    with pytest.raises(UserError, match=r"data\.corruption\.random_pixels: needs all images in"):
        random_pixels(dataset.train, seeded())


def test_files_of_different_data_sets_are_not_joined(split, in_memory):
    other = Split(ImageFiles(split.images.root, split.images.names, Frame((3, 8, 8))), split.labels)
    for wrong in (other, in_memory):
        with pytest.raises(ValueError, match="cannot be joined"):
            concatenate(split, wrong)


def test_resized_crops_need_files(in_memory):
    with pytest.raises(UserError, match=r"data\.augment\.crop: 'resized' .*data\.stream"):
        Batches(in_memory, 4, PLAIN, augment=RESIZED)


# Damage


@pytest.mark.parametrize("harm", ["truncated", "garbage", "missing"])
def test_a_damaged_file_is_named(photo, tmp_path, harm):
    for index in range(12):
        photo(tmp_path / f"{index}.jpg", index)
    path = tmp_path / "7.jpg"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if harm == "truncated" else b"no image")
    if harm == "missing":
        path.unlink()
    names = [f"{index}.jpg" for index in range(12)]
    split = Split(ImageFiles(tmp_path, names, FRAME), torch.arange(12))
    batches = Batches(split, 4, PLAIN, augment=RESIZED, workers=2)
    for read in (
        lambda: list(batches.epoch(seeded())),
        lambda: list(batches.sequential()),
        lambda: batches.at(torch.tensor([1, 7])),
    ):
        with pytest.raises(UserError, match=r"/7\.jpg: no image, or a damaged one") as caught:
            read()
        assert "\n" not in str(caught.value)
        assert not threads()


def test_frames_that_resize_nothing_name_the_size(photo, tmp_path):
    photo(tmp_path / "0.png", 0, (31, 32))
    split = Split(ImageFiles(tmp_path, ["0.png"], Frame((3, 32, 32))), torch.zeros(1).long())
    with pytest.raises(UserError, match=r"0\.png: image of 31x32 pixels, expected 32x32"):
        next(Batches(split, 1, PLAIN).sequential())


@pytest.mark.cuda
def test_cuda_makes_the_same_batches(split):
    for augment in (RESIZED, Augment()):
        on_cpu = Batches(split, 7, IMAGENET, augment=augment)
        on_cuda = Batches(split, 7, IMAGENET, augment=augment, device="cuda")
        for (images, labels), (others, labels2) in zip(
            on_cpu.epoch(seeded()), on_cuda.epoch(seeded()), strict=True
        ):
            assert np.allclose(images.numpy(), others.cpu().numpy(), atol=1e-6)
            assert torch.equal(labels, labels2.cpu())
