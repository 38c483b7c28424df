"""ImageNet (ILSVRC 2012) as class folders; its labelled validation images are the test set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from common.data.archives import Archive
from common.data.files import Frame
from common.data.folder import FileList, class_folders, images_of
from common.data.official import SOURCE, FileFormat
from common.errors import UserError

FRAME = Frame((3, 224, 224), fit="centre", short_side=256)

_FOLDER = "imagenet"
_PARTS = {"train": "train", "test": "val"}


@dataclass(frozen=True)
class ImagenetFiles(FileFormat):
    """``imagenet/{train,val}/<WordNet id>/*.JPEG``; the order is that of torchvision's folders.

    It cannot be downloaded without an account, so that there is no archive to fetch.
    """

    num_classes: int = 1000
    frame: Frame = FRAME

    @override
    def archives(self) -> list[Archive]:
        return []

    @override
    def required(self) -> list[str]:
        return [f"{_FOLDER}/{folder}" for folder in _PARTS.values()]

    @override
    def missing(self, root: Path) -> list[str]:
        return [path for path in self.required() if not (root / path).is_dir()]

    @override
    def wanted(self, root: Path) -> str:
        return f"the images at {root / _FOLDER}/{{train,val}}/<WordNet id>/<id>.JPEG"

    @override
    def listing(self, root: Path) -> FileList:
        classes: list[str] = []
        parts = {}
        for part, folder in _PARTS.items():
            directory = root / _FOLDER / folder
            found = class_folders(directory)
            if len(found) != self.num_classes:
                raise UserError(
                    f"{directory}: found {len(found)} classes, expected {self.num_classes}; every "
                    "class has a folder, called by its WordNet id"
                )
            if classes and found != classes:
                odd = sorted(set(classes) ^ set(found))[0]
                raise UserError(f"{root / _FOLDER}: class {odd!r} is in only one of train and val")
            classes = found
            names: list[str] = []
            labels: list[int] = []
            for label, name in enumerate(classes):
                files = sorted(images_of(directory / name))
                names += [f"{folder}/{name}/{file}" for file in files]
                labels += [label] * len(files)
            parts[part] = names, labels
        return FileList(root / _FOLDER, SOURCE, tuple(classes), parts)
