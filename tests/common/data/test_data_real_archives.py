"""Facts about real data: MNIST and Fashion-MNIST, unpacked where their archives are at hand."""

import subprocess
from pathlib import Path

import pytest

from common.data import Augment, Batches, load_dataset, random_labels_su

ARCHIVES = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    names = ("mnist", "fashion_mnist")
    if not all((ARCHIVES / f"{name}.tar.xz").is_file() for name in names):
        pytest.skip(f"no archives of real data in {ARCHIVES}")
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([ARCHIVES / "unpack.sh", folder, *names], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    ("name", "mean", "std", "counts"),
    [
        ("fashion_mnist", 0.2860, 0.3530, [6000] * 10),
        ("mnist", 0.1307, 0.3081, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
    ],
)
def test_real_grey_sets(root, name, mean, std, counts):
    data = load_dataset(name, root)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.train.class_counts(10) == counts
    assert data.image_shape == (1, 28, 28)
    assert data.fingerprint["complete"] is True
    assert "note" not in data.fingerprint
    assert data.fingerprint["source"] == "official files"
    pixels = data.train.images.float() / 255
    assert round(float(pixels.mean()), 4) == mean == data.normalization().mean[0]
    assert round(float(pixels.std()), 4) == std == data.normalization().std[0]
    assert load_dataset(name, root).fingerprint == data.fingerprint  # now from the cache


def test_real_images_become_what_the_networks_take(root):
    data = load_dataset("fashion_mnist", root)
    options = {"augment": Augment(crop_size=32), "channels": 3, "test_padding": 2}
    batches = Batches(data.test, 512, data.normalization("half"), **options)
    images, labels = next(batches.sequential())
    assert images.shape == (512, 3, 32, 32)
    assert (images.min(), images.max()) == (-1, 1)
    assert labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert data.class_names[9] == "Ankle boot"


def test_corrupted_labels_of_real_data_are_chance(root):
    train = load_dataset("fashion_mnist", root).train
    agreement = (random_labels_su(train, 10).labels == train.labels).float().mean()
    assert 0.09 < agreement < 0.11
