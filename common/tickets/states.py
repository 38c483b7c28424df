"""States of networks as files: compact where weights are removed, and read from any origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from common.errors import UserError
from common.tickets.files import WEIGHTS_FORMAT, plain, read_header, read_tensors
from common.tickets.packing import packed_masks, read_masks
from common.tickets.ticket import FORMAT as TICKET_FORMAT
from common.tickets.ticket import Ticket

FORMAT = "compact-state"
FORMAT_VERSION = 1
KEPT, WHOLE = "kept/", "whole/"
PYTORCH = (".pt", ".pth", ".pth.tar")


def save_state(state: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> bytes:
    """Return the content of a safetensors file that holds a state dict.

    Without masks it is a plain state dict. With masks it is compact: of a masked tensor only the
    kept values are stored (``kept/<name>``, in row-major order) and the mask; other tensors stay
    whole (``whole/<name>``). ``load_state`` returns the same bits, but for a removed -0.0, which
    becomes 0.0. A tensor with a removed weight that is not zero stays whole and loses its mask.

    Args:
        state: parameters and buffers by name.
        masks: bool, by the names of some of the parameters; True = kept.
    """
    values = plain(state)
    held = {
        name: mask.cpu()
        for name, mask in masks.items()
        if not bool((values[name] != 0)[~mask.cpu()].any())
    }
    if not held:
        return save(values)
    tensors = {KEPT + name: values[name][mask] for name, mask in held.items()}
    tensors |= {WHOLE + name: value for name, value in values.items() if name not in held}
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "mask_shapes": json.dumps({name: list(mask.shape) for name, mask in held.items()}),
    }
    return save(tensors | packed_masks(held, compress=True), metadata=metadata)


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Return the state dict in a file, with the removed weights at zero.

    Args:
        path: a plain or compact safetensors state, a ticket, or a PyTorch file (.pt, .pth) with a
            state dict, bare or under ``state_dict``. Where every name begins with ``module.``,
            as nn.DataParallel leaves it, that is taken away.

    Raises:
        UserError: no such file, or nothing of these.
    """
    start = load_start(path)
    state = dict(start.weights)
    for name, mask in start.masks.items():
        zero = torch.zeros((), dtype=state[name].dtype)
        state[name] = torch.where(mask, state[name], zero)
    return state


def load_start(path: str | Path) -> Ticket:
    """Return what a training can start from: a ticket as it is, or a checkpoint as a ticket.

    A compact state brings the masks it holds; every other checkpoint makes a ticket without masks.

    Args:
        path: as of ``load_state``.

    Raises:
        UserError: no such file, or nothing of these.
    """
    path = Path(path)
    try:
        kind = None if path.name.endswith(PYTORCH) else read_header(path).get("format")
        if kind != TICKET_FORMAT:
            masks, state = _read(path, kind)
            return Ticket(masks, state, {"checkpoint": path.name})
    except UserError as error:
        raise UserError(f"checkpoint {path}: {error}") from None
    return Ticket.load(path)


def _read(path: Path, kind: str | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the masks and the state of a checkpoint whose metadata name this format."""
    if path.name.endswith(PYTORCH):
        return {}, _pytorch_state(path)
    if kind == WEIGHTS_FORMAT:
        raise UserError("these are only the weights of a light ticket; name the ticket's file")
    tensors, metadata = read_tensors(path)
    if kind == FORMAT:
        return _compact(tensors, metadata)
    return {}, _without_module(tensors)


def _compact(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    try:
        version = int(metadata["format_version"])
        shapes = {
            name: [int(size) for size in shape]
            for name, shape in json.loads(metadata["mask_shapes"]).items()
        }
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"its metadata are damaged ({type(error).__name__}: {error})") from None
    if version > FORMAT_VERSION:
        raise UserError(
            f"format version {version} is newer than {FORMAT_VERSION}, the newest this "
            "version reads"
        )
    masks = read_masks(tensors, shapes)
    state = {
        key.removeprefix(WHOLE): value for key, value in tensors.items() if key.startswith(WHOLE)
    }
    for name, mask in masks.items():
        kept = tensors.get(KEPT + name)
        if kept is None or list(kept.shape) != [int(mask.sum())]:
            found = "none" if kept is None else f"shape {list(kept.shape)}"
            raise UserError(f"{name}: must hold {int(mask.sum())} kept values, found {found}")
        state[name] = torch.zeros(mask.shape, dtype=kept.dtype)
        state[name][mask] = kept
    return masks, state


def _pytorch_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError("no such file")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    # A file that is not one of PyTorch's fails in many ways, and none says more than its name.
    except Exception as error:
        raise UserError(
            f"PyTorch reads no tensors from it ({type(error).__name__}); write it with "
            "torch.save(model.state_dict(), path)"
        ) from None
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping):
        raise UserError(f"must hold a state dict, found {type(found).__name__}")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(
                "must hold a state dict, bare or under 'state_dict'; found "
                f"{type(value).__name__} under {name!r}"
            )
    return _without_module(plain(found))


def _without_module(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "module." if all(name.startswith("module.") for name in state) else ""
    return {name.removeprefix(prefix): value for name, value in state.items()}
