"""Caltech-101, ImageNet and the halved TinyImageNet: what is read, split, streamed and refused."""

import hashlib
import io
import os
import shutil
import tarfile
import zipfile
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.datasets import ImageFolder

from common.data import DATASETS, Batches, load_dataset
from common.data.caltech101 import Caltech101Files
from common.data.imagenet import ImagenetFiles
from common.data.partition import three_parts
from common.errors import UserError
from common.pipeline.context import finder_data, prepare_dataset, training_data
from common.training import train

CLASSES = {"Motorbikes": 20, "accordion": 15, "yin_yang": 10}


@pytest.fixture
def small(monkeypatch):
    """Three classes in place of 101 and 1,000."""
    caltech = Caltech101Files(num_classes=3)
    entry = replace(DATASETS["caltech101"], num_classes=3, official=caltech)
    monkeypatch.setitem(DATASETS, "caltech101", entry)
    entry = replace(DATASETS["imagenet"], num_classes=3, official=ImagenetFiles(num_classes=3))
    monkeypatch.setitem(DATASETS, "imagenet", entry)


@pytest.fixture(scope="session")
def _caltech(photo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("caltech")
    for label, (name, count) in enumerate(CLASSES.items()):
        for index in range(1, count + 1):
            mode = "L" if (name, index) == ("accordion", 3) else "RGB"
            photo(folder / name / f"image_{index:04}.jpg", 100 * label + index, mode=mode)
    photo(folder / "BACKGROUND_Google" / "image_0001.jpg", 999)
    return folder


@pytest.fixture(params=["caltech101/101_ObjectCategories", "caltech101"])
def caltech(request, _caltech, tmp_path, small):
    """Return a root with Caltech-101 in one of its two layouts."""
    shutil.copytree(_caltech, tmp_path / request.param)
    return tmp_path


@pytest.fixture
def imagenet(photo, tmp_path, small):
    for part, count in (("train", 6), ("val", 2)):
        for number, wnid in enumerate(("n01440764", "n02119789", "n03991062")):
            for index in range(count):
                path = tmp_path / "imagenet" / part / wnid / f"{wnid}_{index}.JPEG"
                photo(path, 10 * number + index, mode="L" if index == 3 else "RGB")
    return tmp_path


def parts_of(data):
    return {"train": data.train, "validation": data.validation, "test": data.test}


# Caltech-101


def test_caltech_is_split_60_20_20_in_every_class(caltech):
    data = load_dataset("caltech101", caltech)
    assert data.class_names == tuple(CLASSES)
    assert data.num_classes == 3 and data.image_shape == (3, 224, 224)
    counts = {part: split.class_counts(3) for part, split in parts_of(data).items()}
    assert counts == {"train": [12, 9, 6], "validation": [4, 3, 2], "test": [4, 3, 2]}
    images = torch.cat([split.images for split in parts_of(data).values()])
    assert len({image.numpy().tobytes() for image in images}) == 45, "disjoint"


def test_caltech_images_are_squeezed_photographs(caltech):
    data = load_dataset("caltech101", caltech)
    folder = next(caltech.rglob("accordion"))
    everything = {image.numpy().tobytes() for s in parts_of(data).values() for image in s.images}
    for path in folder.iterdir():
        with Image.open(path) as image:
            small = image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
        pixels = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8)
        assert pixels.view(224, 224, 3).permute(2, 0, 1).numpy().tobytes() in everything


def test_caltech_is_split_the_same_way_every_time(caltech, monkeypatch):
    fresh = load_dataset("caltech101", caltech)
    assert len(list((caltech / ".cache").glob("caltech101-*.safetensors"))) == 1
    monkeypatch.setattr("common.data.folder.decode_images", None)  # from the cache
    again = load_dataset("caltech101", caltech)
    assert again.fingerprint == fresh.fingerprint
    for part, split in parts_of(again).items():
        assert torch.equal(split.images, parts_of(fresh)[part].images)
        assert torch.equal(split.labels, parts_of(fresh)[part].labels)


def test_streamed_caltech_has_the_pixels_of_caltech_in_memory(caltech):
    streamed = load_dataset("caltech101", caltech, stream=True)
    assert not list((caltech / ".cache").glob("*.safetensors"))
    resident = load_dataset("caltech101", caltech)
    assert streamed.image_shape == resident.image_shape
    for part, split in parts_of(streamed).items():
        kept = parts_of(resident)[part]
        assert torch.equal(split.labels, kept.labels)
        constants = streamed.normalization()
        made = torch.cat([images for images, _ in Batches(split, 8, constants).sequential()])
        expected = torch.cat([images for images, _ in Batches(kept, 8, constants).sequential()])
        assert torch.equal(made, expected)


def test_the_fingerprint_tells_how_caltech_was_read(caltech):
    resident = load_dataset("caltech101", caltech).fingerprint
    streamed = load_dataset("caltech101", caltech, stream=True).fingerprint
    assert resident["source"] == "official files, own split 60/20/20 with seed 42"
    assert streamed["source"].endswith("seed 42; streamed, hash of names, sizes and labels")
    assert resident["sha256"] != streamed["sha256"]
    for fingerprint in (resident, streamed):
        sizes = [fingerprint[f"{part}_images"] for part in ("train", "validation", "test")]
        assert sizes == [27, 9, 9]
        assert fingerprint["complete"] is False
        assert fingerprint["note"] == "27 of 5,205 training images; 9 of 1,736 test images"


def test_the_whole_caltech_is_split_in_the_papers_proportions():
    sizes = torch.randint(31, 129, (101,), generator=torch.Generator().manual_seed(0))
    sizes[0] += 8677 - int(sizes.sum())
    labels = torch.arange(101).repeat_interleave(sizes)
    parts = three_parts(labels)
    assert {part: len(indices) for part, indices in parts.items()} == {
        "train": 5205,
        "validation": 1736,
        "test": 1736,
    }
    assert torch.equal(torch.cat([*parts.values()]).sort().values, torch.arange(8677))
    for part, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        counts = torch.bincount(labels[parts[part]], minlength=101)
        assert (counts - share * sizes).abs().max() <= 1.3
    assert torch.equal(three_parts(labels)["test"], parts["test"])


def test_caltech_as_a_folder_of_images_keeps_its_own_split(_caltech, tmp_path, small):
    for part in ("train", "test"):
        shutil.copytree(_caltech, tmp_path / "caltech101" / part)
    data = load_dataset("caltech101", tmp_path)
    assert (len(data.train), data.validation, len(data.test)) == (45, None, 45)
    assert data.fingerprint["source"] == "jpeg image folder"
    assert data.image_shape == (3, 224, 224)
    streamed = load_dataset("caltech101", tmp_path, stream=True)
    assert torch.equal(streamed.train.labels, data.train.labels)
    first, _ = Batches(streamed.train, 3, data.normalization()).at(torch.arange(3))
    assert torch.equal(first, Batches(data.train, 3, data.normalization()).at(torch.arange(3))[0])


def test_caltechs_archive_in_an_archive_is_unpacked(_caltech, tmp_path, monkeypatch):
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        tar.add(_caltech, "101_ObjectCategories")
    path = tmp_path / "caltech101" / "caltech-101.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr("caltech-101/101_ObjectCategories.tar.gz", inner.getvalue())
        outer.writestr("caltech-101/Annotations.tar", b"not needed")
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    official = Caltech101Files(num_classes=3, md5=md5)
    entry = replace(DATASETS["caltech101"], num_classes=3, official=official)
    monkeypatch.setitem(DATASETS, "caltech101", entry)
    assert len(load_dataset("caltech101", tmp_path, stream=True).train) == 27
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        "101_ObjectCategories",
        "caltech-101.zip",
    ]


# ImageNet


def test_imagenet_has_torchvisions_order_and_labels(imagenet):
    data = load_dataset("imagenet", imagenet)
    for split, folder in ((data.train, "train"), (data.test, "val")):
        reference = ImageFolder(str(imagenet / "imagenet" / folder))
        files = [str(imagenet / "imagenet" / name) for name in split.images.names]
        assert list(zip(files, split.labels.tolist(), strict=True)) == reference.samples
        assert data.class_names == tuple(reference.classes)
    assert data.validation is None
    assert data.image_shape == (3, 224, 224)
    assert not list(imagenet.rglob("*.safetensors"))


def test_imagenets_fingerprint_follows_names_sizes_and_labels(imagenet, photo):
    def sha256():
        return load_dataset("imagenet", imagenet).fingerprint["sha256"]

    fingerprint = load_dataset("imagenet", imagenet).fingerprint
    assert fingerprint["source"] == "official files; streamed, hash of names, sizes and labels"
    assert fingerprint["note"] == "18 of 1,281,167 training images; 6 of 50,000 test images"
    assert fingerprint["shape"] == [3, 224, 224]
    before = sha256()
    path = imagenet / "imagenet" / "train" / "n02119789" / "n02119789_1.JPEG"
    os.utime(path, ns=(1, 1))
    assert sha256() == before
    photo(path, 77)
    longer = sha256()
    path.rename(path.with_name("n02119789_9.JPEG"))
    moved = sha256()
    assert len({before, longer, moved}) == 3
    (imagenet / "imagenet").rename(imagenet / "elsewhere")
    (imagenet / "imagenet").symlink_to(imagenet / "elsewhere")
    assert sha256() == moved


def test_wrong_folders_of_imagenet_are_named(imagenet, tmp_path):
    folder = imagenet / "imagenet"
    with pytest.raises(
        UserError, match=r"imagenet: not found; put the images at .*/\{train,val\}/"
    ):
        load_dataset("imagenet", tmp_path / "nowhere", download=True)
    (folder / "val" / "n01440764").rename(folder / "n01440764")
    with pytest.raises(UserError, match=r"/val: found 2 classes, expected 3; every class has a"):
        load_dataset("imagenet", imagenet)
    (folder / "n01440764").rename(folder / "val" / "n00000001")
    with pytest.raises(UserError, match="class 'n00000001' is in only one of train and val"):
        load_dataset("imagenet", imagenet)
    (folder / "val" / "n00000001").rename(folder / "val" / "n01440764")
    for path in (folder / "train" / "n01440764").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="train/n01440764: class without images"):
        load_dataset("imagenet", imagenet)
    shutil.rmtree(folder / "val")
    with pytest.raises(UserError, match="imagenet: not found; put the images at"):
        load_dataset("imagenet", imagenet)


def test_the_registered_sets_count_their_classes(_caltech, tmp_path):
    shutil.copytree(_caltech, tmp_path / "caltech101")
    with pytest.raises(UserError, match="caltech101: found 3 classes, expected 101"):
        load_dataset("caltech101", tmp_path)
    for part in ("train", "val"):
        shutil.copytree(_caltech, tmp_path / "imagenet" / part)
    with pytest.raises(UserError, match="imagenet/train: found 4 classes, expected 1000"):
        load_dataset("imagenet", tmp_path)


def test_small_data_sets_are_not_streamed():
    for name in ("digits", "digits_a", "cifar10", "tiny_imagenet", "tiny_imagenet_half"):
        with pytest.raises(UserError, match=f"{name} is kept in memory .*caltech101, imagenet"):
            load_dataset(name, stream=True)


# TinyImageNet with half of its official validation images


def test_half_of_tiny_imagenets_validation_images_is_the_test_set(tmp_path):
    folder = tmp_path / "tiny-imagenet-200"
    wnids = [f"n{number:08}" for number in range(200)]
    (folder / "val" / "images").mkdir(parents=True)
    lines = []
    for number, wnid in enumerate(wnids):
        images = folder / "train" / wnid / "images"
        images.mkdir(parents=True)
        Image.new("RGB", (64, 64), (number, 0, 0)).save(images / f"{wnid}_0.JPEG")
        for index in range(4):
            name = f"val_{4 * number + index}.JPEG"
            image = Image.new("RGB", (64, 64), (number, 60 * index, 0))
            image.save(folder / "val" / "images" / name, quality=100)
            lines.append(f"{name}\t{wnid}\t0\t0\t63\t63\n")
    (folder / "wnids.txt").write_text("\n".join(wnids))
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))

    data = load_dataset("tiny_imagenet_half", tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (200, 400, 400)
    assert data.validation.class_counts(200) == data.test.class_counts(200) == [2] * 200
    whole = load_dataset("tiny_imagenet", tmp_path)
    assert (whole.validation, len(whole.test)) == (None, 800)

    def rows(split):
        return {
            (tuple(x[:, 9, 9].tolist()), y) for x, y in zip(split.images, split.labels.tolist())
        }

    assert rows(data.validation) | rows(data.test) == rows(whole.test)
    assert not rows(data.validation) & rows(data.test)
    assert len({tuple(row) for row in rows(data.test)}) == 400
    again = load_dataset("tiny_imagenet_half", tmp_path)
    assert torch.equal(again.test.images, data.test.images)
    assert again.fingerprint == data.fingerprint
    assert data.name == data.fingerprint["name"] == "tiny_imagenet_half"
    assert data.fingerprint["test_images"] == data.fingerprint["validation_images"] == 400
    assert data.fingerprint["source"] == "official files, test images halved with seed 42"
    assert data.fingerprint["sha256"] != whole.fingerprint["sha256"]


# In a run


@pytest.fixture
def in_context(imagenet, context):
    """Put ImageNet where runs look for it."""
    context.workspace.data.mkdir()
    (imagenet / "imagenet").rename(context.workspace.data / "imagenet")
    return context


class Net(nn.Module):
    """A network that is small enough for 224x224 pixels on one core."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(32)
        self.conv = nn.Conv2d(3, 8, 3)
        self.linear = nn.Linear(8, 3)

    def forward(self, images):
        return self.linear(self.conv(self.pool(images)).relu().mean((2, 3)))


def test_a_streamed_set_trains_through_the_pipeline(in_context, run_config, one_thread):
    run = run_config(
        "train.epochs=2",
        "train.batch_size=5",
        data={
            "name": "imagenet",
            "validation": 3,
            "validation_choice": "stratified",
            "corruption": {"random_labels": True},
            "augment": {"crop_padding": 0, "crop": "resized", "min_area": 0.25},
        },
    )
    assert run.data.model_dump()["augment"]["crop"] == "resized"
    dataset = prepare_dataset(run.data, in_context, seed=0)
    assert dataset.validation is not None and dataset.validation.class_counts(3) == [1, 1, 1]
    data = training_data(run.data, dataset, run.train.batch_size, in_context)
    assert data.train.augment.resized_crop.min_area == 0.25
    assert data.test.augment is None
    assert [len(labels) for _, labels in data.train.epoch(torch.Generator())] == [5, 5, 5]
    histories = [
        train(
            net,
            data,
            run.train,
            masks={},
            seed=0,
            device=torch.device("cpu"),
            precision="float32",
        ).history
        for net in (build(), build())
    ]
    first, second = ([row["train_loss"] for row in history] for history in histories)
    assert first == second
    assert {"test_accuracy", "validation_accuracy"} <= set(histories[0][-1])
    images, labels = finder_data(run.data, dataset, in_context).minibatch(4, torch.Generator())
    assert images.shape == (4, 3, 224, 224) and len(labels) == 4


def build():
    torch.manual_seed(0)
    return Net().to(memory_format=torch.channels_last)


def test_data_stream_leaves_caltech_in_its_files(_caltech, context, run_config, small):
    shutil.copytree(_caltech, context.workspace.data / "caltech101")
    raw = {"name": "caltech101", "augment": None}
    resident = run_config(data=raw).data
    streamed = run_config(data={**raw, "stream": True}).data
    assert "stream" not in resident.model_dump() and streamed.model_dump()["stream"] is True
    sets = [prepare_dataset(config, context, 0) for config in (resident, streamed)]
    assert [isinstance(data.train.images, torch.Tensor) for data in sets] == [True, False]
    both = [training_data(resident, data, 8, context).test for data in sets]
    for (images, _), (others, _) in zip(*(one.sequential() for one in both), strict=True):
        assert torch.equal(images, others)


def test_random_pixels_need_memory(in_context, run_config):
    data = {"name": "imagenet", "corruption": {"random_pixels": "values"}}
    with pytest.raises(UserError, match=r"random_pixels: needs all images in memory"):
        prepare_dataset(run_config(data=data).data, in_context, 0)
