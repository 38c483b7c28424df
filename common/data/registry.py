"""The data sets by name: what is known of each, and the constants that papers normalise it with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from common.data import caltech101, digits, imagenet
from common.data.datasets import Normalization, Split
from common.data.files import Fit, Frame
from common.data.official import CifarFiles, MnistFiles, OfficialFormat, SvhnFiles
from common.data.tiny_imagenet import TinyImagenetFiles

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a data set before any file is read.

    Attributes:
        num_classes: number of classes.
        train_count, test_count: images of the complete set.
        shape: channels, height and width of an image.
        normalizations: constants by name, among them ``default``.
        class_names: official names in the order of the labels; None: the files tell them.
        official: the official files' format; None: there are none, or they are embedded.
        original_is_jpeg: whether the original images are JPEG files themselves.
        embedded: makes the training, validation and test split without any file.
        half: name of the whole data set and which of its alternate halves this is (0 or 1).
        halved_test: name of the data set with the same training images whose test images are, half
            and half, the validation and the test images of this one.
        fit: how images of any size become images of the shape; ``exact``: they must have it.
        short_side: what ``centre`` resizes the shorter side to.
        ignored: class folders that are no class.
        storage: where images are: in ``memory``; in ``files``, too many for any memory; or
            ``either``, as a run's config asks for.
    """

    num_classes: int
    train_count: int
    test_count: int
    shape: Shape
    normalizations: dict[str, Normalization]
    class_names: tuple[str, ...] | None = None
    official: OfficialFormat | None = None
    original_is_jpeg: bool = False
    embedded: Callable[[], tuple[Split, Split, Split]] | None = None
    half: tuple[str, int] | None = None
    halved_test: str | None = None
    fit: Fit = "exact"
    short_side: int = 0
    ignored: tuple[str, ...] = ()
    storage: Literal["memory", "either", "files"] = "memory"

    @property
    def frame(self) -> Frame:
        """How the image of a file becomes one of the shape."""
        return Frame(self.shape, self.fit, self.short_side)


def _constants(pixel: Normalization, **others: Normalization) -> dict[str, Normalization]:
    """Return the constants by name: the pixels' own are the default, two fit every data set."""
    return {
        "default": pixel,
        "pixel": pixel,  # mean and standard deviation of all training pixels
        "half": Normalization((0.5,), (0.5,)),  # to [-1, 1] (Generalizing Tickets)
        "none": Normalization((0.0,), (1.0,)),  # to [0, 1] (ASLP without augmentation)
        **others,
    }


_CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
_CIFAR10_PIXEL = Normalization(_CIFAR10_MEAN, (0.2470, 0.2435, 0.2616))
# Widely copied: standard deviations averaged over images, not over pixels.
_CIFAR10_LEGACY = Normalization(_CIFAR10_MEAN, (0.2023, 0.1994, 0.2010))

CIFAR10_NORMALIZATIONS = _constants(
    _CIFAR10_PIXEL,  # the re-implementation of Su et al. (REP-S)
    legacy=_CIFAR10_LEGACY,  # Su et al., GraSP, ASLP, ToST
    rounded=Normalization((0.491, 0.482, 0.447), (0.247, 0.243, 0.262)),  # Rare Gems
)
CIFAR100_NORMALIZATIONS = _constants(
    Normalization((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),  # REP-S
    legacy=Normalization((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),  # Su, Rare Gems
    cifar10_legacy=_CIFAR10_LEGACY,  # ToST
    cifar10_pixel=_CIFAR10_PIXEL,
)
_IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # torchvision's
TINY_IMAGENET_NORMALIZATIONS = _constants(
    Normalization(
        (0.48024578664982126, 0.44807218089384643, 0.3975477478649648),
        (0.2769864069088257, 0.26906448510256, 0.282081906210584),
    ),
    rounded=Normalization((0.48025, 0.44807, 0.39755), (0.27699, 0.26906, 0.28208)),
    imagenet=_IMAGENET,
)
IMAGENET_NORMALIZATIONS = _constants(_IMAGENET, imagenet=_IMAGENET)
# Rare Gems normalises Caltech-101 as ImageNet; constants of its own pixels are not published.
CALTECH101_NORMALIZATIONS = {
    name: constants for name, constants in IMAGENET_NORMALIZATIONS.items() if name != "pixel"
}
SVHN_NORMALIZATIONS = _constants(Normalization((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)))
MNIST_NORMALIZATIONS = _constants(Normalization((0.1307,), (0.3081,)))
FASHION_MNIST_NORMALIZATIONS = _constants(Normalization((0.2860,), (0.3530,)))
DIGITS_NORMALIZATIONS = _constants(Normalization((0.3055,), (0.3196,)))

_CIFAR10 = DatasetSpec(
    num_classes=10,
    train_count=50_000,
    test_count=10_000,
    shape=(3, 32, 32),
    normalizations=CIFAR10_NORMALIZATIONS,
    class_names=(
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
    official=CifarFiles(
        "CIFAR10",
        folder="cifar-10-batches-py",
        names=(*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
    ),
)  # fmt: skip
_FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_MNIST = DatasetSpec(
    num_classes=10,
    train_count=60_000,
    test_count=10_000,
    shape=(1, 28, 28),
    normalizations=MNIST_NORMALIZATIONS,
    class_names=tuple("0123456789"),
    official=MnistFiles("MNIST"),
)
_TINY_IMAGENET = DatasetSpec(
    num_classes=200,
    train_count=100_000,
    test_count=10_000,
    shape=(3, 64, 64),
    normalizations=TINY_IMAGENET_NORMALIZATIONS,
    official=TinyImagenetFiles(),
    original_is_jpeg=True,
)
_DIGITS = DatasetSpec(
    num_classes=10,
    train_count=digits.TRAIN,
    test_count=digits.TEST,
    shape=(1, 16, 16),
    normalizations=DIGITS_NORMALIZATIONS,
    class_names=tuple("0123456789"),
    embedded=digits.digits_splits,
)

DATASETS: dict[str, DatasetSpec] = {
    "cifar10": _CIFAR10,
    "cifar10_a": replace(_CIFAR10, half=("cifar10", 0)),
    "cifar10_b": replace(_CIFAR10, half=("cifar10", 1)),
    "cifar100": replace(
        _CIFAR10,
        num_classes=100,
        normalizations=CIFAR100_NORMALIZATIONS,
        class_names=None,  # the official order is the alphabetical one
        official=CifarFiles("CIFAR100", folder="cifar-100-python", names=("train", "test", "meta")),
    ),
    "svhn": DatasetSpec(
        num_classes=10,
        train_count=73_257,
        test_count=26_032,
        shape=(3, 32, 32),
        normalizations=SVHN_NORMALIZATIONS,
        class_names=tuple("0123456789"),
        official=SvhnFiles(),
    ),
    "mnist": _MNIST,
    "fashion_mnist": replace(
        _MNIST,
        normalizations=FASHION_MNIST_NORMALIZATIONS,
        class_names=_FASHION_NAMES,
        official=MnistFiles("FashionMNIST"),
    ),
    "tiny_imagenet": _TINY_IMAGENET,
    "tiny_imagenet_half": replace(
        _TINY_IMAGENET, test_count=5_000, halved_test="tiny_imagenet"
    ),  # Rare Gems: 5,000 of the official validation images to validate on, 5,000 to test on
    "caltech101": DatasetSpec(
        num_classes=101,
        train_count=5_205,
        test_count=1_736,
        shape=caltech101.FRAME.shape,
        normalizations=CALTECH101_NORMALIZATIONS,
        official=caltech101.Caltech101Files(),
        original_is_jpeg=True,
        fit=caltech101.FRAME.fit,
        ignored=(caltech101.BACKGROUND,),
        storage="either",
    ),
    "imagenet": DatasetSpec(
        num_classes=1000,
        train_count=1_281_167,
        test_count=50_000,
        shape=imagenet.FRAME.shape,
        normalizations=IMAGENET_NORMALIZATIONS,
        official=imagenet.ImagenetFiles(),
        original_is_jpeg=True,
        fit=imagenet.FRAME.fit,
        short_side=imagenet.FRAME.short_side,
        storage="files",
    ),
    "digits": _DIGITS,
    "digits_a": replace(_DIGITS, half=("digits", 0)),
    "digits_b": replace(_DIGITS, half=("digits", 1)),
}
