"""The ticket: what every finder makes, every transform changes and every recipe trains."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from common.errors import UserError, nearest
from common.tickets.files import (
    keep_weights,
    link_file,
    plain,
    read_header,
    read_tensors,
    read_weights,
    replacing,
    weights_path,
)
from common.tickets.packing import packed_masks, read_masks

FORMAT = "lottery-ticket"
FORMAT_VERSION = 1
LIGHT_VERSION = 2
WEIGHTS_DIGEST = "weights_sha256"
WEIGHT = "weight/"


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
        weights = {WEIGHT + name: value for name, value in self.weights.items()}
        self._write(Path(path), weights | packed_masks(self.masks), FORMAT_VERSION)

    def save_light(
        self, path: str | Path, pool: Path | None = None, own: Collection[str] = ()
    ) -> None:
        """Write the ticket so that tickets with the same start weights hold them once.

        The weights that have a mask go to a second file in the same folder, named by its content
        (``weights-<16 digits>.safetensors``); its SHA-256 is in the ticket's metadata. The others
        (norm layers, biases, statistics), which a round of pruning may change, stay in the ticket,
        and masks are compressed where that is shorter. Both files together are the ticket.

        Args:
            path: of the ticket.
            pool: a folder with the weights of all light tickets; where the same weights are there
                already, the second file is a hard link to them.
            own: weights that stay in the ticket though they have a mask; one that other tickets do
                not have would keep all the rest from being shared.
        """
        path = Path(path)
        names = [name for name in self.masks if name not in own]
        if not names:  # there is nothing to share
            self.save(path)
            return
        shared = {WEIGHT + name: self.weights[name] for name in names}
        digest = keep_weights(shared, path.parent, pool)
        others = {
            WEIGHT + name: value
            for name, value in self.weights.items()
            if WEIGHT + name not in shared
        }
        tensors = others | packed_masks(self.masks, compress=True)
        self._write(path, tensors, LIGHT_VERSION, {WEIGHTS_DIGEST: digest})

    def _write(
        self,
        path: Path,
        tensors: Mapping[str, Tensor],
        version: int,
        more: Mapping[str, str] | None = None,
    ) -> None:
        shapes = {name: list(mask.shape) for name, mask in self.masks.items()}
        metadata = {
            "format": FORMAT,
            "format_version": str(version),
            "mask_shapes": json.dumps(shapes),
            "meta": json.dumps(self.meta, sort_keys=True),
            **(more or {}),
        }
        with replacing(path) as temporary:
            save_file(plain(tensors), temporary, metadata=metadata)

    @classmethod
    def load(cls, path: str | Path) -> Ticket:
        """Read a ticket file, and the weights file beside it if it is a light one.

        Masks may also be stored unpacked as ``mask/<name>`` tensors of zeros and ones, which is
        how other programs write them most easily.

        Raises:
            UserError: no such file, not a ticket, damaged metadata, a mask with values other than
                0 and 1, a mask that is not listed, one that does not fit its weight, or a weights
                file that is missing or has another content than the ticket names.
        """
        path = Path(path)
        try:
            tensors, metadata = read_tensors(path)
            shapes, meta, digest = _read_metadata(metadata)
            masks = read_masks(tensors, shapes)
            if digest is not None:
                tensors |= read_weights(path.parent, digest)
            weights = {
                key.removeprefix(WEIGHT): value
                for key, value in tensors.items()
                if key.startswith(WEIGHT)
            }
            return cls(masks, weights, meta)
        except UserError as error:
            raise UserError(f"ticket {path}: {error}") from None


def weights_file(path: str | Path) -> Path | None:
    """Return the file with the weights of a light ticket; None where the ticket holds them itself.

    Raises:
        UserError: no such file, or not a ticket.
    """
    path = Path(path)
    try:
        *_, digest = _read_metadata(read_header(path))
    except UserError as error:
        raise UserError(f"ticket {path}: {error}") from None
    return None if digest is None else weights_path(path.parent, digest)


def link_ticket(source: Path, target: Path) -> None:
    """Make a ticket appear at a second place, its weights file beside it; no copy where links work.

    Raises:
        UserError: the source is not a ticket, or its weights file is missing.
    """
    weights = weights_file(source)
    if weights is not None:
        if not weights.is_file():
            raise UserError(f"ticket {source}: its weights file {weights.name} is not beside it")
        link_file(weights, target.parent / weights.name)
    link_file(source, target)


def _read_metadata(
    metadata: Mapping[str, str],
) -> tuple[dict[str, list[int]], dict[str, Any], str | None]:
    """Return the masks' shapes in their order, ``meta``, and the SHA-256 of shared weights."""
    if metadata.get("format") != FORMAT:
        raise UserError(f"not a ticket (its metadata names no {FORMAT!r})")
    try:
        version = int(metadata.get("format_version", "0"))
        if version > LIGHT_VERSION:
            raise UserError(
                f"format version {version} is newer than {LIGHT_VERSION}, the newest this "
                "version reads"
            )
        listed = json.loads(metadata["mask_shapes"])
        shapes = {name: [int(size) for size in shape] for name, shape in listed.items()}
        meta = dict(json.loads(metadata.get("meta", "{}")))
        digest = metadata[WEIGHTS_DIGEST] if version == LIGHT_VERSION else None
        # The digest becomes part of a path: nothing but a digest may stand there.
        if digest is not None and not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError(f"{WEIGHTS_DIGEST} is no SHA-256")
        return shapes, meta, digest
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"its metadata are damaged ({type(error).__name__}: {error})") from None


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
