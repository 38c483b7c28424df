"""Data sets as folders of images, and the cache of what was decoded."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from common.data import load_dataset
from common.data.folder import natural_key
from common.errors import UserError

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def write_image(path, value, size=(32, 32), mode="RGB"):
    """Write an image of one colour; PNG keeps it exactly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (value, 255 - value, 7) if mode == "RGB" else value
    Image.new(mode, size, colour).save(path)


def write_folder(root, name="cifar10", classes=CIFAR10, per_class=2, suffix="png", **options):
    """Write a small set whose ids run over the classes in reverse, as official indices may."""
    count = 0
    for part in ("train", "test"):
        for _index in range(per_class):
            for label in reversed(classes):
                path = root / name / part / label / f"{count}.{suffix}"
                write_image(path, count % 256, **options)
                count += 1
    return root


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path)


def test_images_come_in_the_order_of_their_ids_with_official_labels(root):
    data = load_dataset("cifar10", root)
    assert data.train.images.shape == (20, 3, 32, 32)
    assert data.train.labels.tolist() == [*range(9, -1, -1)] * 2
    # The red value is the id: 0, 1, ..., 10, 11, not 0, 1, 10, 11, ...
    assert data.train.images[:, 0, 0, 0].tolist() == list(range(20))
    assert data.test.images[:, 0, 5, 5].tolist() == list(range(20, 40))
    assert (data.train.images[:, 2] == 7).all()
    assert data.class_names == tuple(CIFAR10)
    assert data.num_classes == 10


def test_an_incomplete_set_says_so(root):
    fingerprint = load_dataset("cifar10", root).fingerprint
    assert fingerprint["complete"] is False
    assert fingerprint["note"] == "20 of 50,000 training images; 20 of 10,000 test images"
    assert (
        fingerprint["train_images"],
        fingerprint["validation_images"],
        fingerprint["test_images"],
    ) == (20, 0, 20)
    assert fingerprint["source"] == "png image folder"
    assert fingerprint["shape"] == [3, 32, 32]
    assert len(fingerprint["sha256"]) == 64
    assert json.loads(json.dumps(fingerprint)) == fingerprint


def test_jpeg_copies_say_so(tmp_path):
    lossy = load_dataset("cifar10", write_folder(tmp_path, suffix="jpg"))
    assert lossy.fingerprint["source"] == "jpeg image folder"
    assert lossy.fingerprint["note"].endswith("pixels from JPEG copies, not the originals")


def test_original_jpegs_need_no_such_note(tmp_path):
    write_folder(
        tmp_path,
        "tiny_imagenet",
        [f"n{number:08}" for number in range(200)],
        per_class=1,
        suffix="jpeg",
        size=(64, 64),
    )
    fingerprint = load_dataset("tiny_imagenet", tmp_path).fingerprint
    assert fingerprint["note"] == "200 of 100,000 training images; 200 of 10,000 test images"


@pytest.mark.parametrize("name", ["svhn", "mnist", "fashion_mnist"])
def test_class_folders_may_be_the_labels(tmp_path, name):
    options = {} if name == "svhn" else {"mode": "L", "size": (28, 28)}
    write_folder(tmp_path, name, list("0123456789"), **options)
    data = load_dataset(name, tmp_path)
    assert data.train.labels.tolist() == [*range(9, -1, -1)] * 2
    assert data.image_shape == ((3, 32, 32) if name == "svhn" else (1, 28, 28))


def test_class_folders_may_be_written_differently(tmp_path):
    names = ["t_shirt_top", "trouser", "pullover", "dress", "coat"]
    names += ["sandal", "shirt", "sneaker", "bag", "ankle-boot"]
    write_folder(tmp_path, "fashion_mnist", names, mode="L", size=(28, 28))
    data = load_dataset("fashion_mnist", tmp_path)
    assert data.train.labels.tolist() == [*range(9, -1, -1)] * 2


def test_other_class_folders_come_in_natural_order(tmp_path):
    names = [f"kind {number}" for number in range(1, 11)]
    data = load_dataset("cifar10", write_folder(tmp_path, classes=names))
    assert data.class_names == tuple(names)
    assert data.train.labels.tolist() == [*range(9, -1, -1)] * 2


def test_halves_of_a_folder(tmp_path):
    write_folder(tmp_path, per_class=3)
    first, second = load_dataset("cifar10_a", tmp_path), load_dataset("cifar10_b", tmp_path)
    assert first.train.class_counts(10) == [2] * 10
    assert second.train.class_counts(10) == [1] * 10
    assert second.train.images[:, 0, 0, 0].tolist() == list(range(10, 20))
    assert len(first.test) == len(second.test) == 30
    assert first.fingerprint["note"].startswith("30 of 50,000 training images")


def test_other_files_are_left_alone(root):
    (root / "cifar10" / "train" / "cat" / "notes.txt").write_text("no image")
    (root / "cifar10" / "train" / "cat" / "._0.png").write_text("no image")
    (root / "cifar10" / "train" / ".hidden").mkdir()
    assert len(load_dataset("cifar10", root).train) == 20


def test_natural_order():
    names = ["b1", "a10", "a2", "A1", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "A1", "a2", "a10", "b1"]


def caches(root):
    return sorted((root / ".cache").glob("*.safetensors"))


def test_the_cache_gives_the_same_data_without_decoding(root, monkeypatch):
    fresh = load_dataset("cifar10", root)
    assert len(caches(root)) == 1
    assert not list((root / ".cache").glob("*.partial"))

    def refuse(*arguments):
        raise AssertionError("decoded again")

    monkeypatch.setattr("common.data.folder.decode_images", refuse)
    again = load_dataset("cifar10", root)
    assert again.fingerprint == fresh.fingerprint
    assert again.class_names == fresh.class_names
    for part in ("train", "test"):
        assert torch.equal(getattr(again, part).images, getattr(fresh, part).images)
        assert torch.equal(getattr(again, part).labels, getattr(fresh, part).labels)


def test_the_cache_is_one_file_with_the_fingerprint(root):
    data = load_dataset("cifar10", root)
    with safe_open(caches(root)[0], framework="pt") as file:
        meta = json.loads(file.metadata()["dataset"])
    assert meta["sha256"] == data.fingerprint["sha256"]


def test_a_changed_image_is_decoded_again(root):
    before = load_dataset("cifar10", root)
    (old,) = caches(root)
    write_image(root / "cifar10" / "train" / "truck" / "0.png", 99)
    after = load_dataset("cifar10", root)
    assert after.train.images[0, 0, 0, 0] == 99
    assert after.fingerprint["sha256"] != before.fingerprint["sha256"]
    (new,) = caches(root)  # the old one is gone
    assert new != old


def test_a_touched_or_added_or_removed_image_is_noticed(root):
    load_dataset("cifar10", root)
    path = root / "cifar10" / "train" / "truck" / "0.png"
    before = caches(root)
    os.utime(path, ns=(1, 1))
    load_dataset("cifar10", root)
    assert caches(root) != before
    write_image(path.with_name("77.png"), 3)
    assert len(load_dataset("cifar10", root).train) == 21
    path.unlink()
    assert len(load_dataset("cifar10", root).train) == 20


def test_a_moved_root_keeps_its_cache(root, tmp_path, monkeypatch):
    load_dataset("cifar10", root)
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    root.rename(moved)
    names = [path.name for path in caches(moved)]
    load_dataset("cifar10", moved)
    monkeypatch.chdir(moved.parent)
    load_dataset("cifar10", moved.name)
    assert [path.name for path in caches(moved)] == names


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty"])
def test_a_broken_cache_is_made_again(root, damage):
    fresh = load_dataset("cifar10", root)
    (path,) = caches(root)
    content = path.read_bytes()
    path.write_bytes(
        {"truncated": content[: len(content) // 2], "garbage": b"x" * 500, "empty": b""}[damage]
    )
    again = load_dataset("cifar10", root)
    assert torch.equal(again.train.images, fresh.train.images)
    assert path.read_bytes() == content


def test_a_root_that_cannot_hold_a_cache_is_read_all_the_same(root):
    (root / ".cache").write_text("in the way")
    data = load_dataset("cifar10", root)
    assert len(data.train) == 20


def test_loaded_tensors_can_be_written_to_without_harm(root):
    load_dataset("cifar10", root)
    load_dataset("cifar10", root).train.images.zero_()
    assert load_dataset("cifar10", root).train.images[3, 0, 0, 0] == 3


def no_test_folder(folder):
    (folder / "test").rename(folder / "spare")


def one_class_less(folder):
    (folder / "train" / "cat").rename(folder / "cat")


def another_class(folder):
    (folder / "test" / "cat").rename(folder / "test" / "lion")


def empty_class(folder):
    for path in (folder / "test" / "cat").iterdir():
        path.unlink()


def wrong_size(folder):
    write_image(folder / "train" / "cat" / "6.png", 0, size=(28, 32))


def truncated(folder):
    path = folder / "train" / "cat" / "6.png"
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1000])


def no_image(folder):
    (folder / "train" / "cat" / "6.png").write_text("not an image")


def mixed_formats(folder):
    write_image(folder / "test" / "cat" / "6.jpg", 0)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (no_test_folder, "cifar10/test: no such folder; expected test/<class>/<id>.png"),
        (one_class_less, "cifar10/train: found 9 classes, expected 10"),
        (another_class, "class 'cat' is in only one of train and test"),
        (empty_class, "cifar10/test/cat: class without images"),
        (wrong_size, "train/cat/6.png: image of 28x32 pixels, expected 32x32"),
        (truncated, "train/cat/6.png: no image, or a damaged one"),
        (no_image, "train/cat/6.png: no image, or a damaged one"),
        (mixed_formats, "PNG and JPEG files side by side .*must not be mixed"),
    ],
)
def test_what_is_wrong_is_named_on_one_line(root, harm, words):
    harm(root / "cifar10")
    with pytest.raises(UserError, match=words) as caught:
        load_dataset("cifar10", root)
    assert "\n" not in str(caught.value)
    assert not caches(root)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(
        UserError, match=r"data.name: unknown name 'cifar-10'; did you mean 'cifar10'"
    ):
        load_dataset("cifar-10")
    with pytest.raises(
        UserError, match=r"data.layout: unknown name 'folders'; did you .* 'folder'"
    ):
        load_dataset("cifar10", layout="folders")


def test_an_unknown_normalization_is_answered_with_the_known_ones(root):
    data = load_dataset("cifar10", root)
    with pytest.raises(UserError, match="unknown name 'legcy'; did you mean 'legacy'"):
        data.normalization("legcy")
    assert data.normalization() == data.normalization("pixel")
