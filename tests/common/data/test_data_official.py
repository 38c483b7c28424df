"""The official files of every data set, in small sets written here, and their archives."""

import functools
import gzip
import hashlib
import http.server
import pickle
import shutil
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets as tv
from PIL import Image
from scipy.io import savemat

from common.data import load_dataset
from common.data.tiny_imagenet import TinyImagenetFiles
from common.errors import UserError


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def pixels(count, shape):
    """Return different random images of a fixed seed."""
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def write_pickle(path, content):
    """Write a batch as Python 2 did, whose form of dtypes NumPy 2.4 deprecates."""
    text = pickle.dumps(content, protocol=2)
    path.write_bytes(text.replace(b"\x89\x88\x87", b"K\x00K\x01\x87"))
    return md5(path)


@pytest.fixture
def cifar100(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    sums = {}
    for name, count in (("train", 200), ("test", 100)):
        content = {
            "data": pixels(count, (3072,)),
            "fine_labels": [(7 * index) % 100 for index in range(count)],
            "coarse_labels": [0] * count,
        }
        sums[name] = write_pickle(folder / name, content)
    names = {"fine_label_names": [f"class{number:02}" for number in range(100)]}
    sums["meta"] = write_pickle(folder / "meta", names)
    monkeypatch.setattr(tv.CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(tv.CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(tv.CIFAR100, "meta", tv.CIFAR100.meta | {"md5": sums["meta"]})
    return tmp_path


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    sums = []
    for number, name in enumerate(names, start=1):
        data = np.full((10, 3072), number, dtype=np.uint8)
        sums.append([name, write_pickle(folder / name, {"data": data, "labels": [*range(10)]})])
    meta = write_pickle(folder / "batches.meta", {"label_names": [f"name{n}" for n in range(10)]})
    monkeypatch.setattr(tv.CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(tv.CIFAR10, "test_list", sums[5:])
    monkeypatch.setattr(tv.CIFAR10, "meta", tv.CIFAR10.meta | {"md5": meta})
    return tmp_path


@pytest.fixture
def svhn(tmp_path, monkeypatch):
    listed = dict(tv.SVHN.split_list)
    for part, count in (("train", 20), ("test", 10)):
        path = tmp_path / f"{part}_32x32.mat"
        images = pixels(count, (32, 32, 3)).transpose(1, 2, 3, 0)
        labels = (np.arange(count) % 10 + 1).astype(np.uint8)[
            :, None
        ]  # the digit 0 is stored as 10
        savemat(path, {"X": images, "y": labels})
        listed[part] = [listed[part][0], path.name, md5(path)]
    monkeypatch.setattr(tv.SVHN, "split_list", listed)
    return tmp_path


def write_idx(path, values):
    header = bytes([0, 0, 8, values.ndim])
    header += b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(header + values.tobytes())


@pytest.fixture
def mnist(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", 30), ("t10k", 20)):
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels(count, (28, 28)))
        labels = (np.arange(count) % 10).astype(np.uint8)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return tmp_path


WNIDS = [f"n{number:08}" for number in range(200)]


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "tiny-imagenet-200"
    for number, wnid in enumerate(WNIDS):
        images = folder / "train" / wnid / "images"
        images.mkdir(parents=True)
        # Numbers 2 and 10: the order is that of numbers.
        for index in (10, 2):
            grey = Image.new("L", (64, 64), number)
            image = grey if index == 2 else Image.new("RGB", (64, 64), (number, 0, index))
            image.save(images / f"{wnid}_{index}.JPEG", quality=100)
    (folder / "wnids.txt").write_text("\n".join(reversed(WNIDS)) + "\n")
    (folder / "val" / "images").mkdir(parents=True)
    lines = []
    for number, wnid in enumerate(WNIDS):
        Image.new("RGB", (64, 64), (number,) * 3).save(
            folder / "val" / "images" / f"val_{number}.JPEG", quality=100
        )
        lines.append(f"val_{number}.JPEG\t{wnid}\t0\t0\t63\t63\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(reversed(lines)))
    return tmp_path


def test_cifar100_has_fine_labels_and_names(cifar100):
    data = load_dataset("cifar100", cifar100)
    stored = pixels(200, (3072,)).reshape(200, 3, 32, 32)
    assert (data.train.images.numpy() == stored).all()
    assert data.train.labels[:4].tolist() == [0, 7, 14, 21]
    assert data.num_classes == 100
    assert data.class_names[3] == "class03"
    assert data.fingerprint["note"] == "200 of 50,000 training images; 100 of 10,000 test images"


def test_cifar10_batches_come_in_order(cifar10):
    data = load_dataset("cifar10", cifar10)
    assert data.train.images[::10, 0, 0, 0].tolist() == [1, 2, 3, 4, 5]
    assert data.test.images.unique().tolist() == [6]
    assert data.train.labels.tolist() == [*range(10)] * 5


def test_svhn_label_0_is_the_digit_0(svhn):
    data = load_dataset("svhn", svhn)
    assert data.train.labels[:10].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert (data.train.images.permute(0, 2, 3, 1).numpy() == pixels(20, (32, 32, 3))).all()
    assert len(data.test) == 10


def test_mnist_files(mnist):
    data = load_dataset("mnist", mnist)
    assert (data.test.images[:, 0].numpy() == pixels(20, (28, 28))).all()
    assert data.test.labels.tolist() == [*range(10)] * 2


def test_tiny_imagenet_tests_on_the_annotated_images(tiny):
    data = load_dataset("tiny_imagenet", tiny)
    assert data.train.images.shape == (400, 3, 64, 64)
    assert data.train.labels.tolist() == [label for label in range(200) for _ in range(2)]
    # Grey images become three channels; number 2 stands before number 10.
    assert data.train.images[0::2, 2].flatten(1).float().mean(1).round().tolist() == [*range(200)]
    assert data.test.labels.tolist() == [*range(200)]
    means = data.test.images.flatten(1).float().mean(1)
    assert abs(means - torch.arange(200)).max() <= 1
    assert data.class_names == tuple(WNIDS)
    assert data.fingerprint["note"].startswith("400 of 100,000 training images; 200 of 10,000")


def test_official_files_are_read_once(cifar100, monkeypatch):
    fresh = load_dataset("cifar100", cifar100)
    monkeypatch.setattr(tv.CIFAR100, "__init__", None)
    assert load_dataset("cifar100", cifar100).fingerprint == fresh.fingerprint


def test_official_files_come_before_a_folder_unless_told(mnist):
    for part in ("train", "test"):
        for label in range(10):
            path = mnist / "mnist" / part / str(label) / "0.png"
            path.parent.mkdir(parents=True)
            Image.new("L", (28, 28), 0).save(path)
    assert load_dataset("mnist", mnist).fingerprint["source"] == "official files"
    folder = load_dataset("mnist", mnist, layout="folder")
    assert folder.fingerprint["source"] == "png image folder"
    shutil.rmtree(mnist / "MNIST")
    assert load_dataset("mnist", mnist).fingerprint == folder.fingerprint
    with pytest.raises(UserError, match="mnist: not found"):
        load_dataset("mnist", mnist, layout="official")


def cut(path, size=100):
    path.write_bytes(path.read_bytes()[:-size])


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cifar10", "cifar-10-batches-py/data_batch_3"),
        ("cifar100", "cifar-100-python/test"),
        ("svhn", "test_32x32.mat"),
        ("mnist", "MNIST/raw/t10k-images-idx3-ubyte"),
        ("mnist", "MNIST/raw/train-labels-idx1-ubyte"),
    ],
)
def test_a_truncated_official_file_is_named(name, file, request):
    root = request.getfixturevalue(name)
    cut(root / file, 5)
    with pytest.raises(UserError, match=f"{file}: .*truncated or damaged.*--download") as caught:
        load_dataset(name, root)
    assert "\n" not in str(caught.value)


def test_a_missing_official_file_is_named(cifar100):
    (cifar100 / "cifar-100-python" / "test").unlink()
    with pytest.raises(UserError, match=r"official files at .*cifar-100-python/test .*or the arch"):
        load_dataset("cifar100", cifar100)


def test_labels_must_match_the_images(mnist):
    write_idx(mnist / "MNIST/raw/train-labels-idx1-ubyte", np.zeros(29, dtype=np.uint8))
    with pytest.raises(UserError, match="train-labels-idx1-ubyte: 29 labels for 30 images"):
        load_dataset("mnist", mnist)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.arange(30) % 9, "mnist: found 9 classes in the training images, expected 10"),
        (np.arange(30) % 11, "mnist: training labels from 0 to 10, expected 0 to 9"),
    ],
)
def test_classes_must_be_the_expected_ones(mnist, labels, words):
    write_idx(mnist / "MNIST/raw/train-labels-idx1-ubyte", labels.astype(np.uint8))
    with pytest.raises(UserError, match=words):
        load_dataset("mnist", mnist)


def test_images_must_have_the_expected_size(mnist):
    write_idx(mnist / "MNIST/raw/train-images-idx3-ubyte", pixels(30, (27, 28)))
    with pytest.raises(UserError, match=r"training images of shape \(1, 27, 28\), expected"):
        load_dataset("mnist", mnist)


def test_tiny_imagenet_errors(tiny):
    folder = tiny / "tiny-imagenet-200"
    broken = folder / "val" / "images" / "val_3.JPEG"
    whole = broken.read_bytes()
    cut(broken, len(whole) - 100)
    with pytest.raises(UserError, match=r"val_3.JPEG: no image, or a damaged one"):
        load_dataset("tiny_imagenet", tiny)
    broken.write_bytes(whole)
    annotations = folder / "val" / "val_annotations.txt"
    lines = annotations.read_text()
    annotations.write_text("val_0.JPEG\tn99\t0\t0\t63\t63\n" + lines)
    with pytest.raises(UserError, match=r"val_annotations.txt: line 1 names no class"):
        load_dataset("tiny_imagenet", tiny)
    annotations.write_text(lines)
    shutil.rmtree(folder / "train" / WNIDS[5])
    with pytest.raises(UserError, match=f"{WNIDS[5]}/images: class without images"):
        load_dataset("tiny_imagenet", tiny)


def pack(root, folder, archive):
    """Replace a folder by an archive of it."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for path in sorted((root / folder).rglob("*")):
                packed.write(path, path.relative_to(root))
    else:
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(root / folder, folder)
    shutil.rmtree(root / folder)


@pytest.fixture
def packed_cifar100(cifar100, monkeypatch):
    archive = cifar100 / "cifar-100-python.tar.gz"
    pack(cifar100, "cifar-100-python", archive)
    monkeypatch.setattr(tv.CIFAR100, "tgz_md5", md5(archive))
    return cifar100


def test_an_archive_in_place_is_unpacked(packed_cifar100):
    assert len(load_dataset("cifar100", packed_cifar100).train) == 200
    assert (packed_cifar100 / "cifar-100-python" / "meta").is_file()
    assert not list(packed_cifar100.glob(".unpack-*"))


def test_packed_mnist_files_are_unpacked(mnist, monkeypatch):
    resources = []
    for path in sorted((mnist / "MNIST" / "raw").iterdir()):
        target = path.with_name(path.name + ".gz")
        target.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        resources.append((target.name, md5(target)))
    monkeypatch.setattr(tv.MNIST, "resources", resources)
    assert len(load_dataset("mnist", mnist).train) == 30


def test_a_packed_tiny_imagenet_is_unpacked(tiny, monkeypatch):
    archive = tiny / "tiny-imagenet-200.zip"
    pack(tiny, "tiny-imagenet-200", archive)
    monkeypatch.setattr(
        TinyImagenetFiles, "archives", with_address(TinyImagenetFiles.archives, md5(archive))
    )
    assert len(load_dataset("tiny_imagenet", tiny).test) == 200


def with_address(archives, checksum):
    """Return the method with another checksum in what it returns."""

    def changed(self):
        (archive,) = archives(self)
        return [type(archive)(archive.urls, archive.path, checksum)]

    return changed


def test_a_truncated_archive_is_named(packed_cifar100):
    cut(packed_cifar100 / "cifar-100-python.tar.gz")
    with pytest.raises(UserError, match=r"cifar-100-python.tar.gz: MD5 is not .* truncated"):
        load_dataset("cifar100", packed_cifar100)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Write nothing."""


@pytest.fixture
def address(tmp_path, monkeypatch):
    """Serve the test's folder over HTTP and return its address."""
    monkeypatch.setenv("no_proxy", "*")
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_download_is_checked_and_unpacked(packed_cifar100, address, monkeypatch):
    served = packed_cifar100 / "cifar-100-python.tar.gz"
    root = packed_cifar100 / "data"
    monkeypatch.setattr(tv.CIFAR100, "url", f"{address}/{served.name}")
    assert len(load_dataset("cifar100", root, download=True).train) == 200
    # A damaged file is mended from the archive that is there by now.
    cut(root / "cifar-100-python" / "train")
    served.unlink()
    assert len(load_dataset("cifar100", root, download=True).train) == 200


def test_a_download_with_another_checksum_is_refused(packed_cifar100, address, monkeypatch):
    served = packed_cifar100 / "cifar-100-python.tar.gz"
    monkeypatch.setattr(tv.CIFAR100, "url", f"{address}/{served.name}")
    cut(served)
    with pytest.raises(UserError, match=r"downloaded from http:.*, but its MD5 is not") as caught:
        load_dataset("cifar100", packed_cifar100 / "data", download=True)
    assert "\n" not in str(caught.value)


def test_an_address_without_the_file_is_named(address, tmp_path, monkeypatch):
    monkeypatch.setattr(tv.CIFAR100, "url", f"{address}/nothing.tar.gz")
    with pytest.raises(UserError, match=r"nothing.tar.gz \(.*404.*put the file there by hand"):
        load_dataset("cifar100", tmp_path / "data", download=True)


def test_svhn_is_downloaded_file_by_file(svhn, address, monkeypatch):
    listed = {
        part: [f"{address}/{name}", name, checksum]
        for part, (_, name, checksum) in tv.SVHN.split_list.items()
    }
    monkeypatch.setattr(tv.SVHN, "split_list", listed)
    assert len(load_dataset("svhn", svhn / "data", download=True).train) == 20


@pytest.mark.parametrize("name", ["cifar10", "mnist", "tiny_imagenet", "svhn"])
def test_without_a_network_one_line_says_so(name, tmp_path, monkeypatch):
    def offline(*arguments, **options):
        raise OSError("Name or service not known\nsecond line")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(UserError, match=r"cannot be downloaded from http.*\(Name or") as caught:
        load_dataset(name, tmp_path / "data", download=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("cifar10", "cifar-10-batches-py/data_batch_1 and 6 more"),
        ("cifar10_a", "cifar-10-batches-py/data_batch_1 and 6 more"),
        ("cifar100", "cifar-100-python/train and 2 more"),
        ("mnist", "MNIST/raw/train-images-idx3-ubyte and 3 more"),
        ("fashion_mnist", "FashionMNIST/raw/train-images-idx3-ubyte and 3 more"),
        ("svhn", "train_32x32.mat and 1 more"),
        ("tiny_imagenet", "tiny-imagenet-200/wnids.txt and 1 more"),
    ],
)
def test_missing_data_are_answered_with_what_to_put_where(name, first, tmp_path):
    with pytest.raises(UserError) as caught:
        load_dataset(name, tmp_path)
    message = str(caught.value)
    folder = "cifar10" if name == "cifar10_a" else name
    assert f"{tmp_path}/{first}" in message
    assert f"{tmp_path}/{folder}/{{train,test}}/<class>/<id>.png" in message
    assert "with --download (from http" in message
    assert "\n" not in message


def test_a_root_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(UserError, match="mnist: not found"):
        load_dataset("mnist", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_tiny_imagenet_comes_from_its_official_address():
    (archive,) = TinyImagenetFiles().archives()
    assert archive.urls == ("http://cs231n.stanford.edu/tiny-imagenet-200.zip",)
    assert archive.md5 == "90528d7ca1a48142e341f4ef8d21d0de"
    assert Path(archive.path).name == "tiny-imagenet-200.zip"
