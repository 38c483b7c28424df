"""The ticket: what every finder makes, every transform changes and every recipe trains."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from common.errors import UserError, nearest

FORMAT = "lottery-ticket"
FORMAT_VERSION = 1
MASK, PACKED, WEIGHT = "mask/", "mask.packed/", "weight/"


class LayerCollapseWarning(UserWarning):
    """A ticket keeps no weight at all in some layer, which cuts the network there."""


@dataclass(frozen=True)
class Ticket:
    """A binary mask per prunable tensor and the weights to start training from.

    Attributes:
        masks: parameter name -> bool tensor of the parameter's shape; True = kept. Parameters
            without a mask stay dense and do not count towards the sparsity.
        weights: the model's complete state dict (parameters and buffers), unmasked.
        meta: provenance, JSON values only (method, config hash, seed, versions, ...).
    """

    masks: dict[str, Tensor]
    weights: dict[str, Tensor]
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, mask in self.masks.items():
            if mask.dtype != torch.bool:
                raise UserError(f"ticket mask {name}: must be bool, found {mask.dtype}")
            if name not in self.weights:
                raise UserError(f"ticket mask {name}: the ticket holds no weight of that name")
            if mask.shape != self.weights[name].shape:
                raise UserError(
                    f"ticket mask {name}: shape {list(mask.shape)} differs from its weight's "
                    f"{list(self.weights[name].shape)}"
                )

    def sparsity(self) -> float:
        """Return the fraction of the masked tensors' weights that is removed."""
        total = sum(mask.numel() for mask in self.masks.values())
        return 1.0 - sum(self.layer_kept().values()) / total if total else 0.0

    def layer_kept(self) -> dict[str, int]:
        """Return the number of kept weights per masked tensor."""
        return {name: int(mask.sum()) for name, mask in self.masks.items()}

    def layer_densities(self) -> dict[str, float]:
        """Return the fraction of kept weights per masked tensor."""
        return {name: int(mask.sum()) / mask.numel() for name, mask in self.masks.items()}

    def collapsed_layers(self) -> list[str]:
        """Return the names of the tensors in which no weight is kept."""
        return [name for name, kept in self.layer_kept().items() if kept == 0]

    def warn_if_collapsed(self) -> None:
        """Issue a ``LayerCollapseWarning`` that names the emptied tensors, if there are any."""
        emptied = self.collapsed_layers()
        if emptied:
            warnings.warn(
                f"the ticket keeps no weight in {', '.join(emptied)}",
                LayerCollapseWarning,
                stacklevel=2,
            )

    def report(self) -> dict[str, Any]:
        """Return the ticket's statistics as JSON values, the form in which records hold them."""
        return {
            "sparsity": self.sparsity(),
            "layer_densities": self.layer_densities(),
            "layer_kept": self.layer_kept(),
            "layer_sizes": {name: mask.numel() for name, mask in self.masks.items()},
            "collapsed_layers": self.collapsed_layers(),
        }

    @torch.no_grad()
    def apply_to(self, model: nn.Module) -> None:
        """Load the ticket's weights into ``model`` and set the removed ones to zero.

        Raises:
            UserError: the model's names or shapes differ from the ticket's; the message tells
                which, and the nearest name where one is missing.
        """
        state = model.state_dict()
        _check_same(state, self.weights)
        model.load_state_dict(self.weights)
        parameters = dict(model.named_parameters())
        for name, mask in self.masks.items():
            parameters[name].mul_(mask.to(parameters[name].device))

    def save(self, path: str | Path) -> None:
        """Write the ticket to one safetensors file, atomically.

        Masks are stored as ``mask.packed/<name>``, eight to a byte in the order of numpy's
        ``packbits``, with their shapes in the metadata; weights as ``weight/<name>``.
        """
        path = Path(path)
        tensors = {
            WEIGHT + name: value.detach().cpu().contiguous().clone()
            for name, value in self.weights.items()
        }
        for name, mask in self.masks.items():
            packed = np.packbits(mask.cpu().numpy().reshape(-1))
            tensors[PACKED + name] = torch.from_numpy(packed)
        shapes = {name: list(mask.shape) for name, mask in self.masks.items()}
        metadata = {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "mask_shapes": json.dumps(shapes),
            "meta": json.dumps(self.meta, sort_keys=True),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
        os.close(handle)
        try:
            save_file(tensors, temporary, metadata=metadata)
            with Path(temporary).open("rb") as written:
                os.fsync(written.fileno())
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> Ticket:
        """Read a ticket file.

        Masks may also be stored unpacked as ``mask/<name>`` tensors of zeros and ones, which is
        how other programs write them most easily.

        Raises:
            UserError: no such file, not a ticket, damaged metadata, a mask with values other than
                0 and 1, a mask that is not listed, or one that does not fit its weight.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"ticket {path}: no such file")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise UserError(f"ticket {path}: not a readable safetensors file ({error})") from None
        if metadata.get("format") != FORMAT:
            raise UserError(f"ticket {path}: not a ticket (its metadata names no {FORMAT!r})")
        try:
            shapes, meta = _read_metadata(metadata)
            weights = {
                key.removeprefix(WEIGHT): value
                for key, value in tensors.items()
                if key.startswith(WEIGHT)
            }
            masks = {name: _read_mask(tensors, name, shape) for name, shape in shapes.items()}
            _refuse_unlisted(tensors, shapes)
            return cls(masks, weights, meta)
        except UserError as error:
            raise UserError(f"ticket {path}: {error}") from None


def _read_metadata(metadata: Mapping[str, str]) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """Return the masks' shapes in their order, and the ticket's ``meta``."""
    try:
        version = int(metadata.get("format_version", "0"))
        if version > FORMAT_VERSION:
            raise UserError(
                f"format version {version} is newer than {FORMAT_VERSION}, the newest this "
                "version reads"
            )
        listed = json.loads(metadata["mask_shapes"])
        shapes = {name: [int(size) for size in shape] for name, shape in listed.items()}
        return shapes, dict(json.loads(metadata.get("meta", "{}")))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"its metadata are damaged ({type(error).__name__}: {error})") from None


def _refuse_unlisted(tensors: Mapping[str, Tensor], shapes: Mapping[str, list[int]]) -> None:
    for key in tensors:
        for prefix in (MASK, PACKED):
            name = key.removeprefix(prefix)
            if key.startswith(prefix) and name not in shapes:
                raise UserError(f"mask {name}: in the file but not listed in its mask_shapes")


def _read_mask(tensors: Mapping[str, Tensor], name: str, shape: list[int]) -> Tensor:
    size = int(np.prod(shape, dtype=np.int64))
    if PACKED + name in tensors:
        packed = tensors[PACKED + name].numpy()
        if packed.dtype != np.uint8:
            raise UserError(f"mask {name}: packed as {packed.dtype}, must be uint8")
        if packed.size != (size + 7) // 8:
            raise UserError(f"mask {name}: {packed.size} bytes do not hold {size} bits")
        bits = np.unpackbits(packed, count=size).astype(bool)
        return torch.from_numpy(bits).view(shape)
    if MASK + name not in tensors:
        raise UserError(f"mask {name}: listed but not in the file")
    mask = tensors[MASK + name]
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise UserError(f"mask {name}: holds values other than 0 and 1")
    if list(mask.shape) != shape:
        raise UserError(f"mask {name}: shape {list(mask.shape)}, listed as {shape}")
    return mask.to(torch.bool)


def _check_same(state: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name in state:
        if name not in weights:
            guess = nearest(name, weights)
            hint = f" (nearest: {guess!r})" if guess else ""
            raise UserError(f"ticket: the model's {name!r} is not in the ticket{hint}")
    for name, weight in weights.items():
        if name not in state:
            guess = nearest(name, state)
            hint = f" (nearest: {guess!r})" if guess else ""
            raise UserError(f"ticket: its {name!r} is not in the model{hint}")
        if state[name].shape != weight.shape:
            raise UserError(
                f"ticket: {name} has shape {list(weight.shape)}, the model's has "
                f"{list(state[name].shape)}"
            )
