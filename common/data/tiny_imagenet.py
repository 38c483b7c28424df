"""TinyImageNet as it is distributed: class folders to train on, one annotated folder to test on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from typing_extensions import override

from common.data.archives import Archive
from common.data.arrays import Decoded, decode_images
from common.data.datasets import Split
from common.data.files import Frame
from common.data.folder import natural_key
from common.data.official import SOURCE, OfficialFormat
from common.errors import UserError

_FOLDER = "tiny-imagenet-200"
_FRAME = Frame((3, 64, 64))


@dataclass(frozen=True)
class TinyImagenetFiles(OfficialFormat):
    """The unpacked official archive; its 10,000 labelled validation images are the test set.

    Training images are ordered by class, then by number; test images by number.
    """

    url: str = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
    md5: str = "90528d7ca1a48142e341f4ef8d21d0de"

    @override
    def archives(self) -> list[Archive]:
        return [Archive((self.url,), f"{_FOLDER}.zip", self.md5)]

    @override
    def required(self) -> list[str]:
        return [f"{_FOLDER}/wnids.txt", f"{_FOLDER}/val/val_annotations.txt"]

    @override
    def files(self, root: Path) -> list[Path]:
        train, _ = _training_files(root / _FOLDER)
        test, _ = _test_files(root / _FOLDER)
        return [*super().files(root), *train, *test]

    @override
    def damage(self, root: Path) -> str | None:
        # Single files are checked as they are decoded.
        try:
            for paths, _ in (_training_files(root / _FOLDER), _test_files(root / _FOLDER)):
                if not paths:
                    return f"{root / _FOLDER}: no images where the official archive has them"
        except UserError as error:
            return str(error)
        return None

    @override
    def read(self, root: Path) -> Decoded:
        train, test = (
            Split(decode_images(paths, _FRAME), torch.tensor(labels))
            for paths, labels in (_training_files(root / _FOLDER), _test_files(root / _FOLDER))
        )
        return Decoded(train, test, SOURCE, tuple(_classes(root / _FOLDER)))


def _classes(folder: Path) -> list[str]:
    """Return the WordNet ids, sorted: their positions are the labels."""
    return sorted((folder / "wnids.txt").read_text().split())


def _training_files(folder: Path) -> tuple[list[Path], list[int]]:
    """Return the training images and their labels."""
    paths: list[Path] = []
    labels: list[int] = []
    for label, wnid in enumerate(_classes(folder)):
        directory = folder / "train" / wnid / "images"
        found = sorted(directory.glob("*.JPEG"), key=lambda path: natural_key(path.stem))
        if not found:
            raise UserError(f"{directory}: class without images (.JPEG)")
        paths += found
        labels += [label] * len(found)
    return paths, labels


def _test_files(folder: Path) -> tuple[list[Path], list[int]]:
    """Return the annotated images that are there, and their labels."""
    annotations = folder / "val" / "val_annotations.txt"
    label_of = {wnid: label for label, wnid in enumerate(_classes(folder))}
    present = {path.name for path in (folder / "val" / "images").glob("*.JPEG")}
    entries = []
    for number, line in enumerate(annotations.read_text().splitlines(), start=1):
        name, _, rest = line.partition("\t")
        wnid = rest.split("\t")[0]
        if wnid not in label_of:
            raise UserError(f"{annotations}: line {number} names no class of wnids.txt: {line!r}")
        if name in present:
            entries.append((natural_key(name), folder / "val" / "images" / name, label_of[wnid]))
    entries.sort()
    return [path for _, path, _ in entries], [label for _, _, label in entries]
