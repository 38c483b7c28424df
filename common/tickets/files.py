"""Files that are whole or absent, and weights that several tickets hold together."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from common.errors import UserError

WEIGHTS_FORMAT = "lottery-ticket-weights"
WEIGHTS_FILES = "weights-*.safetensors"
READABLE_DIGEST = 16


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file to write; at the end it takes the place of ``path``, synchronised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def link_file(source: Path, target: Path) -> None:
    """Make a file appear at a second place, without a copy where the file system can."""
    if target.exists() and target.samefile(source):
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)


def plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors on the CPU, contiguous, and none sharing memory with another."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise UserError("no such file")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise UserError(f"not a readable safetensors file ({error})") from None


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file.

    Raises:
        UserError: no such file, or it is not one.
    """
    with _opened(path) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def read_header(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file and leave its tensors on the disk."""
    with _opened(path) as file:
        return file.metadata() or {}


def weights_path(folder: Path, digest: str) -> Path:
    """Return where the weights of a SHA-256 are in a folder."""
    return folder / WEIGHTS_FILES.replace("*", digest[:READABLE_DIGEST])


def keep_weights(weights: Mapping[str, Tensor], folder: Path, pool: Path | None) -> str:
    """Make weights appear in a folder as a file named by its content; return its SHA-256.

    Args:
        weights: by name; the same tensors make the same bytes, whatever their order.
        folder: where the file is to be.
        pool: a folder with one file of each content. The new file is a hard link to the one
            there, which is put there if it is new. Where the file system knows no links, nothing
            is put there and the folder holds a file of its own.
    """
    content = save(plain(weights), metadata={"format": WEIGHTS_FORMAT})
    digest = hashlib.sha256(content).hexdigest()
    path = weights_path(folder, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    pooled = None if pool is None else weights_path(pool, digest)
    if pooled is not None and _holds(pooled, content):
        link_file(pooled, path)
        return digest
    if not _holds(path, content):
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    if pooled is not None:
        with suppress(OSError):
            pooled.parent.mkdir(parents=True, exist_ok=True)
            pooled.unlink(missing_ok=True)
            os.link(path, pooled)
    return digest


def read_weights(folder: Path, digest: str) -> dict[str, Tensor]:
    """Return the weights of a SHA-256 from their file in a folder.

    Raises:
        UserError: the file is missing, or its content has another SHA-256.
    """
    path = weights_path(folder, digest)
    if not path.is_file():
        raise UserError(f"its weights file {path.name} is not beside it")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise UserError(
            f"its weights file {path.name} is damaged or another one: its SHA-256 is {found}, "
            f"the ticket names {digest}"
        )
    return read_tensors(path)[0]


def _holds(path: Path, content: bytes) -> bool:
    """Tell whether a file has this content; a damaged one is not built upon."""
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False
