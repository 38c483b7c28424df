"""The data sets' official files, in the layouts that torchvision keeps them in.

Addresses, checksums and readers are torchvision's. It is imported only when files are read: that
takes seconds, and most runs find everything in the cache.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from common.data.archives import Archive, has_md5
from common.data.arrays import Decoded
from common.data.datasets import Split
from common.data.files import Frame, one_line
from common.data.folder import FileList
from common.errors import UserError

SOURCE = "official files"


class OfficialFormat(ABC):
    """Where a data set's official files lie under the data root, and how they are read."""

    @abstractmethod
    def archives(self) -> list[Archive]:
        """Return what is downloaded."""

    @abstractmethod
    def required(self) -> list[str]:
        """Return the files whose presence makes the layout, relative to the data root."""

    @abstractmethod
    def damage(self, root: Path) -> str | None:
        """Return what is wrong with the files, naming one; None where nothing is."""

    @abstractmethod
    def read(self, root: Path) -> Decoded:
        """Decode the files, which are sound."""

    def files(self, root: Path) -> list[Path]:
        """Return all files that are read."""
        return [root / path for path in self.required()]

    def missing(self, root: Path) -> list[str]:
        """Return which of the required files are not there."""
        return [path for path in self.required() if not (root / path).is_file()]

    def wanted(self, root: Path) -> str:
        """Say what files to put where."""
        missing = self.missing(root)
        files = f"{root / missing[0]}" if missing else str(root)
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        archives = self.archives()
        archive = f" (or the archive {root / archives[0].path})" if len(archives) == 1 else ""
        return f"the official files at {files}{more}{archive}"


class FileFormat(OfficialFormat):
    """Official files that are one image each, and so can stay where they are.

    Attributes:
        frame: how an image becomes one of the data set's shape.
    """

    frame: Frame

    @abstractmethod
    def listing(self, root: Path) -> FileList:
        """List the files; ``UserError`` where folders are not what they should be."""

    @override
    def files(self, root: Path) -> list[Path]:
        return self.listing(root).files()

    @override
    def damage(self, root: Path) -> str | None:
        return None  # folders are checked as they are listed, files as they are decoded

    @override
    def read(self, root: Path) -> Decoded:
        return self.listing(root).read(self.frame)


def _torchvision(name: str) -> Any:
    """Return a class of torchvision.datasets."""
    import torchvision.datasets  # noqa: PLC0415

    return getattr(torchvision.datasets, name)


def _checksum_damage(root: Path, files: dict[str, str]) -> str | None:
    """Compare files (path: MD5) and describe the first that differs."""
    for path, md5 in files.items():
        if not has_md5(root / path, md5):
            return f"{root / path}: MD5 is not {md5}, the file is truncated or damaged"
    return None


@dataclass(frozen=True)
class CifarFiles(OfficialFormat):
    """The pickled batches of CIFAR-10 or CIFAR-100 (fine labels).

    Attributes:
        reader: torchvision's class.
        folder: where the batches lie.
        names: the batches' and the class names' files.
    """

    reader: str
    folder: str
    names: tuple[str, ...]

    @override
    def archives(self) -> list[Archive]:
        reader = _torchvision(self.reader)
        return [Archive((reader.url,), reader.filename, reader.tgz_md5)]

    @override
    def required(self) -> list[str]:
        return [f"{self.folder}/{name}" for name in self.names]

    @override
    def damage(self, root: Path) -> str | None:
        reader = _torchvision(self.reader)
        checksums = dict(reader.train_list + reader.test_list)
        checksums[reader.meta["filename"]] = reader.meta["md5"]
        return _checksum_damage(
            root, {f"{self.folder}/{name}": checksums[name] for name in self.names}
        )

    @override
    def read(self, root: Path) -> Decoded:
        with warnings.catch_warnings():
            # The batches were pickled in a way that NumPy 2.4 deprecates.
            warnings.simplefilter("ignore")
            train, test = (_torchvision(self.reader)(str(root), train=part) for part in (1, 0))
        splits = [
            Split(
                torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous(),
                torch.tensor(part.targets),
            )
            for part in (train, test)
        ]
        return Decoded(splits[0], splits[1], SOURCE, tuple(train.classes))


@dataclass(frozen=True)
class MnistFiles(OfficialFormat):
    """The IDX files of MNIST or Fashion-MNIST, unpacked.

    Attributes:
        reader: torchvision's class, which is also the name of the folder.
    """

    reader: str

    @override
    def archives(self) -> list[Archive]:
        reader = _torchvision(self.reader)
        return [
            Archive(tuple(mirror + name for mirror in reader.mirrors), self._raw(name), md5)
            for name, md5 in reader.resources
        ]

    @override
    def required(self) -> list[str]:
        kinds = ("images-idx3", "labels-idx1")
        return [self._raw(f"{part}-{kind}-ubyte") for part in ("train", "t10k") for kind in kinds]

    @override
    def damage(self, root: Path) -> str | None:
        # The unpacked files have no published checksum; a file whose length contradicts its header
        # does not parse.
        try:
            self.read(root)
        except UserError as error:
            return str(error)
        return None

    @override
    def read(self, root: Path) -> Decoded:
        files = [root / path for path in self.required()]
        return Decoded(_read_idx(files[0], files[1]), _read_idx(files[2], files[3]), SOURCE)

    def _raw(self, name: str) -> str:
        return f"{self.reader}/raw/{name}"


def _read_idx(image_file: Path, label_file: Path) -> Split:
    """Read one part of an MNIST-like set."""
    from torchvision.datasets.mnist import read_image_file, read_label_file  # noqa: PLC0415

    def parsed(path: Path, reader: Callable[[str], Tensor]) -> Tensor:
        try:
            return reader(str(path))
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: not a sound IDX file, truncated or damaged ({one_line(error)})"
            ) from error

    images, labels = parsed(image_file, read_image_file), parsed(label_file, read_label_file)
    if len(images) != len(labels):
        raise UserError(f"{label_file}: {len(labels)} labels for {len(images)} images")
    return Split(images.unsqueeze(1), labels)


@dataclass(frozen=True)
class SvhnFiles(OfficialFormat):
    """The cropped digits of SVHN as MATLAB files; the extra images are not used."""

    @override
    def archives(self) -> list[Archive]:
        listed = _torchvision("SVHN").split_list
        parts = (listed[part] for part in ("train", "test"))
        return [Archive((url,), name, md5, packed=False) for url, name, md5 in parts]

    @override
    def required(self) -> list[str]:
        return ["train_32x32.mat", "test_32x32.mat"]

    @override
    def damage(self, root: Path) -> str | None:
        return _checksum_damage(root, {file.path: file.md5 for file in self.archives()})

    @override
    def read(self, root: Path) -> Decoded:
        stored = (_torchvision("SVHN")(str(root), split=part) for part in ("train", "test"))
        train, test = (
            Split(torch.from_numpy(part.data).contiguous(), torch.from_numpy(part.labels))
            for part in stored
        )
        return Decoded(train, test, SOURCE)
