"""Checkpoints that survive a kill at any moment.

A checkpoint is one file: the SHA-256 of its content, then a safetensors image. It is written to a
temporary file, synchronised to disk and renamed into place; the one before it is kept. A file
whose digest does not fit is passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

DIGEST_BYTES = 32


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name and JSON values."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


class CheckpointStore:
    """The two newest checkpoints of one training.

    Args:
        directory: where they are.
    """

    def __init__(self, directory: Path) -> None:
        self.current = directory / "checkpoint.bin"
        self.previous = directory / "checkpoint.previous.bin"

    def save(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Write a checkpoint; the one written before stays as the previous one."""
        plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        body = save(plain, metadata={"values": json.dumps(values)})
        if self.current.exists():
            self.current.replace(self.previous)
        write_atomically(self.current, hashlib.sha256(body).digest() + body)

    def load(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole, or None."""
        for path in (self.current, self.previous):
            found = _read(path)
            if found is not None:
                return found
        return None

    def clear(self) -> None:
        """Remove both checkpoints; the phase they belong to is finished."""
        self.current.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)


def _read(path: Path) -> Checkpoint | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, body = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        # Else the next save would keep it as the previous one, in the place of the good one.
        path.unlink()
        return None
    header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
    return Checkpoint(load(body), json.loads(header["__metadata__"]["values"]))
