"""Decoded data sets on disk, so that files are decoded once and not once a run."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from common.data.arrays import Decoded
from common.data.datasets import Split, content_hash

_FORMAT = 1  # to be raised when what is stored changes

Cached = tuple[Decoded, str]


def source_key(root: Path, source: str, files: Iterable[Path | os.DirEntry[str]]) -> str:
    """Return a hash of the files' places under the root, sizes and times of change.

    The order of the files does not matter.
    """
    lines, prefix = [], f"{root}{os.sep}"
    for file in files:
        stat = file.stat()
        lines.append(f"{os.fspath(file).removeprefix(prefix)} {stat.st_size} {stat.st_mtime_ns}")
    text = "\n".join([f"{_FORMAT} {source}", *sorted(lines)])
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def cache_path(root: Path, name: str, key: str) -> Path:
    """Return the file that holds the decoded data set."""
    return root / ".cache" / f"{name}-{key}.safetensors"


def load_cached(path: Path) -> Cached | None:
    """Return the decoded data set and its content hash; None where the file is not there or broken.

    A broken file is no error, as it can be made again.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta: dict[str, Any] = json.loads(file.metadata()["dataset"])
            train = Split(file.get_tensor("train.images"), file.get_tensor("train.labels"))
            test = Split(file.get_tensor("test.images"), file.get_tensor("test.labels"))
            validation = None
            if "validation.images" in file.keys():  # noqa: SIM118 (it is no dict)
                images = file.get_tensor("validation.images")
                validation = Split(images, file.get_tensor("validation.labels"))
            names = tuple(meta["class_names"]) if meta["class_names"] else None
            decoded = Decoded(train, test, meta["source"], names, validation)
            return decoded, str(meta["sha256"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def store(path: Path, decoded: Decoded) -> Cached:
    """Write the decoded data set and its content hash, whole or not at all.

    Files that an earlier state of the same data set left behind are removed. A root that cannot be
    written to is no error: the data set is then decoded in every run.
    """
    sha256 = content_hash(decoded.train, decoded.validation, decoded.test)
    meta = {"source": decoded.source, "sha256": sha256, "class_names": decoded.class_names}
    parts = {"train": decoded.train, "validation": decoded.validation, "test": decoded.test}
    tensors = {}
    for part, split in parts.items():
        if split is not None:
            tensors[f"{part}.images"] = split.pixels("the cache").contiguous()
            tensors[f"{part}.labels"] = split.labels.contiguous()
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        os.close(descriptor)
        save_file(tensors, temporary, metadata={"dataset": json.dumps(meta)})
        with Path(temporary).open("rb+") as file:
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        name = path.name.rsplit("-", 1)[0]
        for other in path.parent.glob(f"{name}-*.safetensors"):
            if other != path:
                other.unlink(missing_ok=True)
    except (OSError, SafetensorError):
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return decoded, sha256
