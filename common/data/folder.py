"""Data sets as folders of images: ``<root>/<name>/{train,test}/<class>/<id>.{png,jpg,jpeg}``."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from common.data.arrays import Decoded, decode_images
from common.data.datasets import Split
from common.data.files import Frame, ImageFiles
from common.errors import UserError

PARTS = ("train", "test")

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


@dataclass(frozen=True)
class FileList:
    """The image files of a data set, listed but not decoded.

    Attributes:
        root: the folder that their names are relative to.
        source: what they are, for the fingerprint.
        class_names: in the order of the labels.
        parts: for train, test and perhaps validation the files in stored order, and their labels.
    """

    root: Path
    source: str
    class_names: tuple[str, ...]
    parts: dict[str, tuple[list[str], list[int]]]

    def read(self, frame: Frame) -> Decoded:
        """Decode all files."""

        def decode(names: list[str]) -> Tensor:
            return decode_images([self.root / name for name in names], frame)

        return self._decoded(decode, self.source)

    def stream(self, frame: Frame) -> tuple[Decoded, str]:
        """Return splits whose images stay in their files, and the hash that stands for them.

        The hash is that of names, sizes in bytes and labels: files are not read before a batch
        needs them.
        """
        digest = hashlib.sha256()
        for part, (names, labels) in sorted(self.parts.items()):
            for name, label in zip(names, labels, strict=True):
                size = os.stat(f"{self.root}/{name}").st_size  # noqa: PTH116 (a million of them)
                line = f"{part} {name} {size} {label}\n"
                digest.update(line.encode(errors="surrogateescape"))
        source = f"{self.source}; streamed, hash of names, sizes and labels"
        decoded = self._decoded(lambda names: ImageFiles(self.root, names, frame), source)
        return decoded, digest.hexdigest()

    def _decoded(self, images: Callable[[list[str]], Tensor | ImageFiles], source: str) -> Decoded:
        splits = {
            part: Split(images(names), torch.tensor(labels))
            for part, (names, labels) in self.parts.items()
        }
        validation = splits.get("validation")
        return Decoded(splits["train"], splits["test"], source, self.class_names, validation)

    def files(self) -> list[Path]:
        """Return all files."""
        return [self.root / name for names, _ in self.parts.values() for name in names]


def natural_key(text: str) -> tuple[str | int, ...]:
    """Return a sort key by which ``2`` comes before ``10``, and ``a2`` before ``a10``."""
    pieces = re.split(r"(\d+)", text.lower())
    return tuple(int(piece) if index % 2 else piece for index, piece in enumerate(pieces))


def is_folder(folder: Path) -> bool:
    """Tell whether a data set's folder is there, sound or not."""
    return any((folder / part).is_dir() for part in PARTS)


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the image files of a data set's folder, in no order."""
    for part in PARTS:
        if (folder / part).is_dir():
            for directory in os.scandir(folder / part):
                if _is_class(directory):
                    yield from _images(directory.path)


def list_folder(
    folder: Path,
    num_classes: int,
    official: tuple[str, ...] | None,
    ignored: tuple[str, ...] = (),
) -> FileList:
    """List a data set's folder and check its shape.

    Images are ordered by their id, ties by their class, so that files named by their official index
    come in the official order.

    Args:
        folder: ``<root>/<name>``.
        num_classes: the number of class folders there must be.
        official: the official class names in the order of the labels. Folders that carry these
            names, or the labels 0, 1, ... themselves, get the official labels; any others are
            labelled in natural order.
        ignored: class folders that are no class.

    Raises:
        UserError: for a missing part, a wrong number of classes, a class without images, or PNG
            and JPEG files side by side.
    """
    formats: dict[str, Path] = {}
    names: list[str] = []
    parts = {}
    for part in PARTS:
        directory = folder / part
        if not directory.is_dir():
            raise UserError(f"{directory}: no such folder; expected {part}/<class>/<id>.png")
        found = [name for name in class_folders(directory) if name not in ignored]
        if len(found) != num_classes:
            raise UserError(f"{directory}: found {len(found)} classes, expected {num_classes}")
        ordered = _class_order(found, official)
        if names and ordered != names:
            odd = sorted(set(ordered) ^ set(names))[0]
            raise UserError(f"{folder}: class {odd!r} is in only one of train and test")
        names = ordered
        parts[part] = _files(folder, part, names, formats)
    if len(formats) > 1:
        examples = " and ".join(str(path) for path in formats.values())
        raise UserError(
            f"{folder}: PNG and JPEG files side by side ({examples}); lossless and lossy images "
            "must not be mixed"
        )
    return FileList(folder, f"{next(iter(formats))} image folder", tuple(names), parts)


def class_folders(directory: Path) -> list[str]:
    """Return the names of the class folders, sorted."""
    return sorted(entry.name for entry in os.scandir(directory) if _is_class(entry))


def images_of(directory: Path) -> list[str]:
    """Return the names of the image files of one class, in no order; ``UserError`` for none."""
    names = [entry.name for entry in _images(directory)]
    if not names:
        raise UserError(f"{directory}: class without images (.png, .jpg, .jpeg)")
    return names


def _is_class(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.is_dir()


def _images(directory: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield the image files of one class."""
    for entry in os.scandir(directory):
        if entry.name.lower().endswith(tuple(_FORMATS)) and not entry.name.startswith("."):
            yield entry


def _plain(name: str) -> str:
    """Return a class name without what a folder's name may not hold or may vary in."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def _class_order(found: list[str], official: tuple[str, ...] | None) -> list[str]:
    """Return the class folders in the order of their labels."""
    by_plain = {_plain(name): name for name in found}
    for known in (official or (), tuple(map(str, range(len(found))))):
        if set(by_plain) == set(map(_plain, known)):
            return [by_plain[_plain(name)] for name in known]
    return sorted(found, key=natural_key)


def _files(
    folder: Path, part: str, names: list[str], formats: dict[str, Path]
) -> tuple[list[str], list[int]]:
    """Return a part's files in stored order and their labels; note the formats met."""
    found: list[tuple[tuple[str | int, ...], int, Path]] = []
    for label, name in enumerate(names):
        for file in images_of(folder / part / name):
            path = Path(part, name, file)
            formats.setdefault(_FORMATS[path.suffix.lower()], folder / path)
            found.append((natural_key(path.stem), label, path))
    found.sort()
    return [str(path) for _, _, path in found], [label for _, label, _ in found]
