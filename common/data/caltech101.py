"""Caltech-101: one folder of photographs a class, of all sizes, and no official split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from typing_extensions import override

from common.data.archives import Archive
from common.data.files import Frame
from common.data.folder import FileList, class_folders, images_of, is_folder, natural_key
from common.data.official import SOURCE, FileFormat
from common.data.partition import SEED, three_parts
from common.errors import UserError

FRAME = Frame((3, 224, 224), fit="stretch")
BACKGROUND = "BACKGROUND_Google"

_FOLDER = "caltech101"
_CATEGORIES = "101_ObjectCategories"


@dataclass(frozen=True)
class Caltech101Files(FileFormat):
    """The class folders in ``caltech101/101_ObjectCategories``, or in ``caltech101`` itself.

    The folder of background images is no class. The images are split 60/20/20, every class in
    proportion, as the Rare Gems code does; which images go where is this project's own choice and
    the same for every run, so that accuracies are comparable between its runs, and with the paper's
    only up to the luck of the split.
    """

    num_classes: int = 101
    frame: Frame = FRAME
    url: str = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
    md5: str = "3138e1922a9193bfa496528edbbc45d0"

    @override
    def archives(self) -> list[Archive]:
        inner = f"caltech-101/{_CATEGORIES}.tar.gz"
        return [Archive((self.url,), f"{_FOLDER}/caltech-101.zip", self.md5, inner=inner)]

    @override
    def required(self) -> list[str]:
        return [f"{_FOLDER}/{_CATEGORIES}/<class>/*.jpg"]

    @override
    def missing(self, root: Path) -> list[str]:
        return self.required() if _categories(root) is None else []

    @override
    def damage(self, root: Path) -> str | None:
        # Single files are checked as they are decoded.
        try:
            self.listing(root)
        except UserError as error:
            return str(error)
        return None

    @override
    def listing(self, root: Path) -> FileList:
        folder = _categories(root)
        if folder is None:
            raise UserError(f"{root / _FOLDER}: no class folders")
        classes = [name for name in class_folders(folder) if name != BACKGROUND]
        if len(classes) != self.num_classes:
            raise UserError(f"{folder}: found {len(classes)} classes, expected {self.num_classes}")
        names: list[str] = []
        labels: list[int] = []
        for label, name in enumerate(classes):
            files = sorted(images_of(folder / name), key=natural_key)
            names += [f"{name}/{file}" for file in files]
            labels += [label] * len(files)
        parts = {
            part: ([names[index] for index in indices], [labels[index] for index in indices])
            for part, indices in (
                (part, tensor.tolist())
                for part, tensor in three_parts(torch.tensor(labels)).items()
            )
        }
        source = f"{SOURCE}, own split 60/20/20 with seed {SEED}"
        return FileList(folder, source, tuple(classes), parts)


def _categories(root: Path) -> Path | None:
    """Return the folder of the class folders; None where there is none, or a split folder."""
    folder = root / _FOLDER
    if (folder / _CATEGORIES).is_dir():
        return folder / _CATEGORIES
    if folder.is_dir() and not is_folder(folder) and class_folders(folder):
        return folder
    return None
