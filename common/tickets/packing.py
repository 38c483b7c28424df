"""How a mask lies in a safetensors file: as values, as bits, or as compressed bits."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from common.errors import UserError

MASK, PACKED, DEFLATED = "mask/", "mask.packed/", "mask.deflated/"
LEVEL = 1  # masks look random: the levels above take ten times as long for a few per cent


def packed_masks(masks: Mapping[str, Tensor], *, compress: bool = False) -> dict[str, Tensor]:
    """Return every mask as uint8, eight entries to a byte in the order of numpy's ``packbits``.

    Args:
        masks: bool tensors by name.
        compress: store the bytes as a zlib stream, ``mask.deflated/<name>``, where that is
            shorter; the masks of sparse tickets shrink to a fraction.
    """
    tensors = {}
    for name, mask in masks.items():
        bits = np.packbits(mask.cpu().numpy().reshape(-1))
        if compress and len(stream := zlib.compress(bits.tobytes(), LEVEL)) < bits.size:
            shrunk = np.frombuffer(stream, dtype=np.uint8).copy()
            tensors[DEFLATED + name] = torch.from_numpy(shrunk)
        else:
            tensors[PACKED + name] = torch.from_numpy(bits)
    return tensors


def read_masks(tensors: Mapping[str, Tensor], shapes: Mapping[str, list[int]]) -> dict[str, Tensor]:
    """Return the masks of a file in the order in which its metadata list them.

    Args:
        tensors: everything in the file.
        shapes: of the masks, by name.

    Raises:
        UserError: a mask is missing, not listed, or does not have the listed shape.
    """
    masks = {name: _read(tensors, name, shape) for name, shape in shapes.items()}
    _refuse_unlisted(tensors, shapes)
    return masks


def _refuse_unlisted(tensors: Mapping[str, Tensor], shapes: Iterable[str]) -> None:
    for key in tensors:
        for prefix in (MASK, PACKED, DEFLATED):
            name = key.removeprefix(prefix)
            if key.startswith(prefix) and name not in shapes:
                raise UserError(f"mask {name}: in the file but not listed in its mask_shapes")


def _read(tensors: Mapping[str, Tensor], name: str, shape: list[int]) -> Tensor:
    size = int(np.prod(shape, dtype=np.int64))
    if DEFLATED + name in tensors:
        stream = _bytes(tensors[DEFLATED + name], name).tobytes()
        try:
            unpacked = zlib.decompressobj().decompress(stream, (size + 7) // 8 + 1)
        except zlib.error as error:
            raise UserError(f"mask {name}: no zlib stream ({error})") from None
        return _unpack(np.frombuffer(unpacked, dtype=np.uint8), name, size).view(shape)
    if PACKED + name in tensors:
        return _unpack(_bytes(tensors[PACKED + name], name), name, size).view(shape)
    if MASK + name not in tensors:
        raise UserError(f"mask {name}: listed but not in the file")
    mask = tensors[MASK + name]
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise UserError(f"mask {name}: holds values other than 0 and 1")
    if list(mask.shape) != shape:
        raise UserError(f"mask {name}: shape {list(mask.shape)}, listed as {shape}")
    return mask.to(torch.bool)


def _bytes(stored: Tensor, name: str) -> np.ndarray:
    if stored.dtype != torch.uint8:
        found = str(stored.dtype).removeprefix("torch.")
        raise UserError(f"mask {name}: packed as {found}, must be uint8")
    return stored.numpy()


def _unpack(packed: np.ndarray, name: str, size: int) -> Tensor:
    if packed.size != (size + 7) // 8:
        raise UserError(f"mask {name}: {packed.size} bytes do not hold {size} bits")
    return torch.from_numpy(np.unpackbits(packed, count=size).astype(bool))
