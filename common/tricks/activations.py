"""Ghost soft neurons: smooth functions in place of ReLU, which they turn into (spec 2.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.config.tricks import SLOPED, SoftActivationConfig
from common.errors import unknown_name


def bent_identity(x: Tensor) -> Tensor:
    """Return x + (sqrt(x^2 + 1) - 1) / 2."""
    return x + (torch.sqrt(x * x + 1) - 1) / 2


def smooth_relu(x: Tensor) -> Tensor:
    """Return relu(x) - ln(200 relu(x) + 1) / 200."""
    positive = F.relu(x)
    return positive - torch.log1p(200 * positive) / 200


def lisht(x: Tensor) -> Tensor:
    """Return x tanh(x), an even function."""
    return x * torch.tanh(x)


class _SmoothGradient(torch.autograd.Function):
    """ReLU whose gradient is sigmoid(10 x)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return F.relu(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradients[0] * torch.sigmoid(10 * x)


def smooth_gradient_relu(x: Tensor) -> Tensor:
    """Return relu(x); its derivative is taken to be sigmoid(10 x)."""
    out: Tensor = _SmoothGradient.apply(x)
    return out


SOFT_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "swish": F.silu,
    "pswish": lambda x: x * torch.sigmoid(2 * x),
    "mish": F.mish,
    "gelu": F.gelu,
    "elu": F.elu,
    "softplus": F.softplus,
    "lisht": lisht,
    "bent_identity": bent_identity,
    "smooth_relu": smooth_relu,
    "smooth_gradient_relu": smooth_gradient_relu,
}
"""Functions by name; ``pswish`` with its default slope of 2."""


class SoftActivation(nn.Module):
    """A soft function that turns into ReLU as u goes from 0 to 1; no parameters, no state.

    ``beta``: x sigmoid(b x / (1 - u)), where b is 1 for swish and the given slope for pswish;
    ``linear``: (1 - u) soft(x) + u relu(x); ``step`` and ``none``: soft(x), whatever u.

    Args:
        name: a key of ``SOFT_ACTIVATIONS``.
        fading: how u acts.
        fade: 0-dimensional tensor with u, on the network's device; shared, changed from outside.
        beta: the slope of pswish.
    """

    def __init__(
        self,
        name: str,
        fading: Literal["beta", "linear", "step", "none"] = "none",
        fade: Tensor | None = None,
        beta: float = 2.0,
    ) -> None:
        super().__init__()
        if name not in SOFT_ACTIVATIONS:
            raise unknown_name("soft_activation.name", name, SOFT_ACTIVATIONS)
        self.name, self.fading = name, fading
        self.slope = beta if name == "pswish" else 1.0
        # A plain attribute: it belongs to the training and to no state dict.
        self.fade = torch.zeros(()) if fade is None else fade

    def soft(self, x: Tensor) -> Tensor:
        """Return the function without any decay."""
        if self.name == "pswish":
            return x * torch.sigmoid(self.slope * x)
        return SOFT_ACTIVATIONS[self.name](x)

    def forward(self, x: Tensor) -> Tensor:
        """Map values of any shape."""
        if self.fading == "beta" and self.name in SLOPED:
            slope = self.slope / (1.0 - self.fade)
            return x * torch.sigmoid(x * slope.to(x.dtype))
        if self.fading == "linear":
            return torch.lerp(self.soft(x), F.relu(x), self.fade.to(x.dtype))
        return self.soft(x)

    def extra_repr(self) -> str:
        """Return what ``print`` shows."""
        return f"{self.name}, fading={self.fading}"


class Swap:
    """Activations that stand in for a network's ReLUs until ``undo``."""

    def __init__(self, places: list[tuple[nn.Module, str, nn.Module]]) -> None:
        self._places = places

    @property
    def count(self) -> int:
        """Return how many ReLUs were replaced."""
        return len(self._places)

    def undo(self) -> None:
        """Put the ReLUs back."""
        for parent, name, relu in self._places:
            setattr(parent, name, relu)
        self._places = []


def swap_relus(model: nn.Module, make: str | Callable[[], nn.Module]) -> Swap:
    """Replace every ``nn.ReLU`` module of a network, in place.

    Args:
        model: any module whose activations are modules.
        make: makes each replacement, or the name of a soft activation.

    Returns:
        What takes them back.
    """
    name = make
    factory = (lambda: SoftActivation(name)) if isinstance(name, str) else name
    places: list[tuple[nn.Module, str, nn.Module]] = [
        (parent, child_name, child)
        for parent in model.modules()
        for child_name, child in parent.named_children()
        if isinstance(child, nn.ReLU)
    ]
    for parent, child_name, child in places:
        setattr(parent, child_name, factory().train(child.training))
    return Swap(places)


def soft_activations(model: nn.Module, config: SoftActivationConfig, fade: Tensor) -> Swap:
    """Replace a network's ReLUs as a recipe asks for; ``fade`` holds u."""
    return swap_relus(model, lambda: SoftActivation(config.name, config.fading, fade, config.beta))
