"""Data sets as folders of images: ``<root>/<name>/{train,test}/<class>/<id>.{png,jpg,jpeg}``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from common.data.arrays import Decoded, decode_images
from common.data.datasets import Split
from common.errors import UserError

PARTS = ("train", "test")

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


@dataclass(frozen=True)
class ImageFolder:
    """The files of a folder, listed but not decoded.

    Attributes:
        format: ``png`` or ``jpeg``, the same for all files.
        class_names: in the order of the labels.
        files: for each of train and test the files in stored order, and their labels.
    """

    format: str
    class_names: tuple[str, ...]
    files: dict[str, tuple[list[Path], list[int]]]

    def read(self, shape: tuple[int, int, int]) -> Decoded:
        """Decode all files into images of (channels, height, width)."""
        train, test = (
            Split(decode_images(paths, shape), torch.tensor(labels))
            for paths, labels in (self.files[part] for part in PARTS)
        )
        return Decoded(train, test, f"{self.format} image folder", self.class_names)


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


def list_folder(folder: Path, num_classes: int, official: tuple[str, ...] | None) -> ImageFolder:
    """List a data set's folder and check its shape.

    Images are ordered by their id, ties by their class, so that files named by their official index
    come in the official order.

    Args:
        folder: ``<root>/<name>``.
        num_classes: the number of class folders there must be.
        official: the official class names in the order of the labels. Folders that carry these
            names, or the labels 0, 1, ... themselves, get the official labels; any others are
            labelled in natural order.

    Raises:
        UserError: for a missing part, a wrong number of classes, a class without images, or PNG
            and JPEG files side by side.
    """
    formats: dict[str, Path] = {}
    names: list[str] = []
    files = {}
    for part in PARTS:
        directory = folder / part
        if not directory.is_dir():
            raise UserError(f"{directory}: no such folder; expected {part}/<class>/<id>.png")
        found = [entry.name for entry in os.scandir(directory) if _is_class(entry)]
        if len(found) != num_classes:
            raise UserError(f"{directory}: found {len(found)} classes, expected {num_classes}")
        ordered = _class_order(found, official)
        if names and ordered != names:
            odd = sorted(set(ordered) ^ set(names))[0]
            raise UserError(f"{folder}: class {odd!r} is in only one of train and test")
        names = ordered
        files[part] = _files(directory, names, formats)
    if len(formats) > 1:
        examples = " and ".join(str(path) for path in formats.values())
        raise UserError(
            f"{folder}: PNG and JPEG files side by side ({examples}); lossless and lossy images "
            "must not be mixed"
        )
    return ImageFolder(next(iter(formats)), tuple(names), files)


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
    directory: Path, names: list[str], formats: dict[str, Path]
) -> tuple[list[Path], list[int]]:
    """Return a part's files in stored order and their labels; note the formats met."""
    found: list[tuple[tuple[str | int, ...], int, Path]] = []
    for label, name in enumerate(names):
        before = len(found)
        for path in map(Path, _images(directory / name)):
            formats.setdefault(_FORMATS[path.suffix.lower()], path)
            found.append((natural_key(path.stem), label, path))
        if len(found) == before:
            raise UserError(f"{directory / name}: class without images (.png, .jpg, .jpeg)")
    found.sort()
    return [path for _, _, path in found], [label for _, label, _ in found]
