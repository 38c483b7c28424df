"""Weights that torchvision has published, for the ResNets that have the same layers as its own."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn

from common.errors import UserError

#: Value of the option ``pretrained`` -> torchvision's name of that set of weights.
RELEASES = {"imagenet1k_v1": "IMAGENET1K_V1"}

#: What the other options must be for the layers to be torchvision's.
REQUIRED = {"stem": "imagenet", "width": 64, "shortcut": "B", "bn_affine": True}

#: torchvision's names of layers and ours, where they differ.
RENAMED = {"downsample.0.": "shortcut.conv.", "downsample.1.": "shortcut.bn.", "fc.": "classifier."}

#: What can go wrong while a file is fetched and read, short of a defect of this package.
UNAVAILABLE = (OSError, RuntimeError, EOFError, HTTPException, pickle.UnpicklingError)


def our_name(name: str) -> str:
    """Return the name that a parameter or buffer of torchvision's ResNets has in ours."""
    for theirs, ours in RENAMED.items():
        name = name.replace(theirs, ours)
    return name


@torch.no_grad()
def copy_released(model: nn.Module, state: Mapping[str, Tensor], *, classifier: bool) -> None:
    """Copy a state dict of one of torchvision's ResNets into ours.

    Args:
        model: a ``ResNet`` with the options of ``REQUIRED``; changed in place.
        state: torchvision's values by torchvision's names.
        classifier: whether the classifier is copied, too; without it the head stays as it is.

    Raises:
        ValueError: a value is missing, left over, or of another shape.
    """
    values = {our_name(name): value for name, value in state.items()}
    if not classifier:
        values = {name: value for name, value in values.items() if not _in_head(name)}
    for name, target in model.state_dict().items():
        if _in_head(name) and not classifier:
            continue
        if name not in values:
            if name.endswith("num_batches_tracked"):  # older files have no such counter
                continue
            raise ValueError(f"{name} is missing")
        value = values.pop(name)
        if _in_head(name) and value.dim() == 2:
            value = value.reshape(*value.shape, *target.shape[2:])
        if value.shape != target.shape:
            raise ValueError(f"{name} has shape {[*value.shape]}, not {[*target.shape]}")
        target.copy_(value)
    if values:
        raise ValueError(f"{min(values)} is not known")


def _in_head(name: str) -> bool:
    return name.startswith(("hidden.", "classifier."))


@dataclass(frozen=True)
class Released:
    """What torchvision has published for the four-stage ResNet of one depth.

    Args:
        depth: 18, 34, 50, 101 or 152.
    """

    depth: int

    def check(self, options: Mapping[str, object]) -> None:
        """Raise a UserError where the options ask for published weights that cannot fit."""
        pretrained = options["pretrained"]
        if pretrained is None:
            return
        for option, needed in REQUIRED.items():
            if options[option] != needed:
                raise UserError(
                    f"model.pretrained: {pretrained!r} needs {option} {needed!r}, "
                    f"not {options[option]!r}"
                )

    def load(self, model: nn.Module, options: Mapping[str, object]) -> None:
        """Put the published weights that the options name in place of the drawn ones.

        The head keeps its drawn weights, unless it has the form of the published one: one layer,
        with a bias, for 1000 classes. A model on the meta device is left as it is.

        Raises:
            UserError: other than three image channels, or the file can neither be read nor fetched.
        """
        pretrained = options["pretrained"]
        if pretrained is None:
            return
        assert isinstance(pretrained, str)
        shapes = {name: value.shape for name, value in model.state_dict().items()}
        if shapes["conv1.weight"][1] != 3:
            raise UserError(
                f"model.pretrained: {pretrained!r} needs images of 3 channels, "
                f"not {shapes['conv1.weight'][1]}"
            )
        if any(parameter.is_meta for parameter in model.parameters()):
            return
        one_layer = options["head"] == "linear" and "classifier.bias" in shapes
        classifier = one_layer and shapes["classifier.weight"][0] == 1000
        self._copy(model, RELEASES[pretrained], classifier)

    def _copy(self, model: nn.Module, release: str, classifier: bool) -> None:
        # Imported here: no other model needs it, and it takes a second.
        from torchvision.models import get_weight  # noqa: PLC0415

        name = f"ResNet{self.depth}_Weights.{release}"
        weights = get_weight(name)
        file = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
        try:
            state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except UNAVAILABLE as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"model.pretrained: cannot get {name} from {weights.url} ({reason}); without a "
                f"network put that file at {file}, and delete it there if it is damaged"
            ) from error
        try:
            copy_released(model, state, classifier=classifier)
        except ValueError as error:
            raise UserError(f"model.pretrained: {file} does not hold {name}: {error}") from error
