"""A learned mask: a parametrization that puts a mask over one weight of a plain model.

``attach`` puts one on every prunable weight and freezes everything else, so any network can be
searched; ``detach`` gives the plain network back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from common.errors import UserError
from common.models import prunable_parameters

View = Literal["searched", "rounded", "found"]


class Rescale(nn.Module):
    """How a masked weight is scaled; this one leaves it as it is."""

    def forward(self, weight: Tensor, mask: Tensor) -> Tensor:
        """Return the effective weight of a weight and its mask, both of one shape and dtype."""
        return weight * mask

    def factor(self, selected: Tensor) -> float:
        """Return the factor on the kept weights of the final network, given its bool mask."""
        return 1.0


class LearnedMask(nn.Module, ABC):
    """The mask of one weight, computed from a latent of the weight's shape or from one number.

    A subclass says how: ``mask`` for the search, ``selected`` for the network that is found, and
    ``probability`` where the mask is random. Where the search has yet another binary network on its
    way to the found one, ``rounded`` is its mask.

    Args:
        weight: the weight under the mask; the latent takes its dtype and device, and its layout.
        latent: its first value, of the weight's shape, or one number for the whole weight.
        rescale: how the masked weight is scaled.

    Attributes:
        shape, strides: those of the weight.
        size: how many weights there are.
        noise: uniform numbers in [0, 1) in the weight's shape and layout, drawn by whoever drives
            the search before each forward pass; None where the mask is not random.
        view: which network a forward pass computes: that of the search, its rounded form, or the
            one that is found.
        counted: whether the weight is part of the ticket; one that is not gets searched all the
            same and is dense in the end.
    """

    is_random = False
    is_relaxed = False
    """Whether the network of the search is another one than its rounded form."""

    def __init__(self, weight: Tensor, latent: Tensor, rescale: Rescale | None = None) -> None:
        super().__init__()
        self.shape, self.strides, self.size = weight.shape, weight.stride(), weight.numel()
        if latent.dim() == 0:
            self.latent = nn.Parameter(latent.to(weight))
        else:
            # One layout for weight, latent and noise keeps every product one pass over memory.
            self.latent = nn.Parameter(torch.empty_like(weight).copy_(latent))
        self.rescale = rescale if rescale is not None else Rescale()
        self.noise: Tensor | None = None
        self.view: View = "searched"
        self.counted = True

    @abstractmethod
    def mask(self) -> Tensor:
        """Return the mask of the search: floating, differentiable in the latent."""

    @abstractmethod
    def selected(self) -> Tensor:
        """Return the bool mask of the network that is found."""

    def rounded(self) -> Tensor:
        """Return the bool mask of the binary network that the search stands for."""
        return self.selected()

    def probability(self) -> Tensor | None:
        """Return the probability of every weight to be selected; None: nothing is random."""
        return None

    def drawn(self) -> Tensor:
        """Return the noise; ``ValueError`` where nobody has drawn any."""
        if self.noise is None:
            raise ValueError("a random mask needs its noise drawn before the forward pass")
        return self.noise

    def forward(self, weight: Tensor) -> Tensor:
        """Return the effective weight."""
        if self.view == "searched":
            return self.rescale(weight, self.mask())
        kept = self.selected() if self.view == "found" else self.rounded()
        return weight * kept.to(weight.dtype).mul_(self.rescale.factor(kept))


MakeMask = Callable[[str, Tensor], LearnedMask]


def attach(
    model: nn.Module, make: MakeMask, exclude: Collection[str] = ()
) -> dict[str, LearnedMask]:
    """Put a learned mask on every prunable weight of a plain model and freeze all its parameters.

    Args:
        model: any module; changed in place.
        make: gets a weight's name and the weight, and returns its mask.
        exclude: names of weights that get no mask.

    Returns:
        The masks by the names of their weights.

    Raises:
        UserError: an excluded name is no prunable weight, nothing is left to mask, or two layers
            share a weight.
    """
    weights = prunable_parameters(model, exclude=exclude)
    if not weights:
        raise UserError("find.exclude: leaves no weight to put a mask on")
    _refuse_shared(model, weights)
    model.requires_grad_(False)
    masks = {}
    for name, weight in weights.items():
        masks[name] = make(name, weight.detach())
        module = model.get_submodule(name.rpartition(".")[0])
        # unsafe: the check would compute a mask before its noise is there.
        parametrize.register_parametrization(module, "weight", masks[name], unsafe=True)
    return masks


def _refuse_shared(model: nn.Module, weights: Mapping[str, nn.Parameter]) -> None:
    for name, parameter in model.named_parameters(remove_duplicate=False):
        for masked, weight in weights.items():
            if parameter is weight and name != masked:
                raise UserError(
                    f"model: {masked} and {name} are one weight; a mask is learned for one layer"
                )


@contextmanager
def viewed(masks: Mapping[str, LearnedMask], view: View) -> Iterator[None]:
    """Let the model compute another network than that of the search."""
    for mask in masks.values():
        mask.view = view
    try:
        yield
    finally:
        for mask in masks.values():
            mask.view = "searched"


def detach(model: nn.Module, names: Collection[str]) -> None:
    """Take the learned masks off again; the weights under them come back as they were."""
    for name in names:
        module = model.get_submodule(name.rpartition(".")[0])
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)


def unmasked_state(model: nn.Module, names: Collection[str]) -> dict[str, Tensor]:
    """Return the state dict that a model would have without the masks on the named weights.

    The model keeps them. To take them off a copy would take them off the model, too: both are of
    one class, which holds what computes the masked weight.
    """
    hidden = {}
    for name in names:
        owner, dot, leaf = name.rpartition(".")
        hidden[f"{owner}{dot}parametrizations.{leaf}."] = name
    state: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        prefix = next((prefix for prefix in hidden if key.startswith(prefix)), None)
        if prefix is None:
            state[key] = value
        elif key == f"{prefix}original":
            state[hidden[prefix]] = value
    return state
