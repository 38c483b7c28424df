"""The files that the analyses read, and what is known of the network in each of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common.config import read_json
from common.errors import UserError
from common.tickets import Ticket
from common.tickets.states import PYTORCH, load_start
from common.tickets.transfer import is_classifier
from common.tracking.paths import PhasePaths, RunPaths
from replications.tost.analysis.options import Named

_ORIGINAL_NAMES = (
    (r"\.(shortcut|downsample)\.0\.", ".shortcut.conv."),
    (r"\.(shortcut|downsample)\.1\.", ".shortcut.bn."),
    (r"^(linear|fc)\.", "classifier."),
)
"""What the original's ResNets call their parts -> what they are called here."""


@dataclass(frozen=True)
class Source:
    """A file with a network.

    Attributes:
        label: what to call it.
        path: the file.
        start: its masks and weights; a checkpoint may have no masks.
        is_ticket: it is a ticket, whose weights are those to start from.
        known: sections of the config of the run it belongs to, such as ``data`` and ``model``.
    """

    label: str
    path: Path
    start: Ticket
    is_ticket: bool
    known: Mapping[str, Any]

    def state(self) -> dict[str, Tensor]:
        """Return the weights with the removed ones at zero."""
        state = dict(self.start.weights)
        for name, mask in self.start.masks.items():
            state[name] = torch.where(mask, state[name], torch.zeros_like(state[name]))
        return state

    def weight_names(self) -> list[str]:
        """Return the names of all weights in the order of the layers, the classifier last.

        A safetensors file does not keep the order of its tensors, so it is that of the masks where
        every weight has one, else that of the names, numbers in them by their size.
        """
        names = [name for name in self.start.weights if name.rpartition(".")[2] == "weight"]
        names = [name for name in names if self.start.weights[name].dim() > 0]
        if not self.path.name.endswith(PYTORCH):
            places = {name: place for place, name in enumerate(self.start.masks)}
            if any(name not in places for name in names if self.start.weights[name].dim() > 1):
                places = {}
            names.sort(key=lambda name: (places.get(name, len(places)), _natural(name)))
        return sorted(names, key=is_classifier)


def open_sources(given: Iterable[Named], *, distinct: bool) -> list[Source]:
    """Return the files that options name.

    Args:
        given: labels and files, or folders of runs and phases.
        distinct: refuse two files of one label.

    Raises:
        UserError: a file that is not there or holds no network; a label that stands twice.
    """
    sources = [open_source(one) for one in given]
    counts = Counter(source.label for source in sources)
    twice = [label for label, count in counts.items() if count > 1]
    if distinct and twice:
        raise UserError(f"--network: {twice[0]!r} is there twice; give labels, as in swish=FILE")
    return sources


def open_source(given: Named) -> Source:
    """Return one of the files."""
    path = _file(Path(given.value))
    start = load_start(path)
    is_ticket = "checkpoint" not in start.meta
    if path.name.endswith(PYTORCH):
        start = Ticket(start.masks, _named_as_here(start.weights), start.meta)
    label = given.label or default_label(path)
    return Source(label, path, start, is_ticket, _known(path, start))


def default_label(path: Path) -> str:
    """Return what to call a file without a label: its stem, or the run's name and seed."""
    known = {RunPaths(path.parent).checkpoint.name, *_in_phase(path.parent)}
    if path.name not in known:
        endings = (*sorted(PYTORCH, key=len, reverse=True), ".safetensors")
        fits = [ending for ending in endings if path.name.endswith(ending)]
        return path.name.removesuffix(fits[0]) if fits else path.name
    folder = path.resolve().parent
    if folder.name.startswith("seed_"):
        run = re.sub(r"-[0-9a-f]{8}$", "", folder.parent.name)
        return f"{run} {folder.name.replace('_', ' ')}"
    return folder.name


def _in_phase(folder: Path) -> list[str]:
    phase = PhasePaths(folder)
    return [phase.final.name, phase.ticket.name]


def _file(path: Path) -> Path:
    """Return the file itself, or of a folder the trained state, else the ticket."""
    if not path.is_dir():
        return path
    names = [RunPaths(path).checkpoint.name, *_in_phase(path)]
    for name in names:
        if (path / name).is_file():
            return path / name
    raise UserError(f"{path}: this folder holds none of {', '.join(names)}")


def _known(path: Path, start: Ticket) -> Mapping[str, Any]:
    """Return what is known of the run: from the ticket itself, or from the folder it lies in."""
    if "model" in start.meta:
        return start.meta
    for file in (RunPaths(path.parent).config, PhasePaths(path.parent).description):
        if file.is_file():
            return read_json(file)
    return {}


def _named_as_here(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state whose names are those of this workbench where they were the original's."""
    renamed = {}
    for name, value in state.items():
        new = name
        for pattern, replacement in _ORIGINAL_NAMES:
            new = re.sub(pattern, replacement, new)
        renamed[new] = value
    return renamed


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that puts layer3.2 before layer3.10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
