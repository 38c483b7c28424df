"""The distributions that initial weights are drawn from.

Every draw is made in float32 on the CPU from the generator it is given, so that the same seed gives
the same numbers on every device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Fans:
    """How many weights lead into one output (``fan_in``) and out of one input (``fan_out``)."""

    fan_in: float
    fan_out: float

    @classmethod
    def of(cls, shape: torch.Size, scale: float = 1.0) -> Fans:
        """Return the fans of a convolution or linear weight of shape (out, in / groups, *kernel).

        Args:
            shape: the weight's shape.
            scale: factor on both fans, such as the density of a mask that will thin the weight.
        """
        kernel = math.prod(shape[2:])
        return cls(shape[1] * kernel * scale, shape[0] * kernel * scale)


#: Draws a tensor of a shape, whose scale follows the fans, from a generator.
Draw = Callable[[torch.Size, Fans, torch.Generator], Tensor]


def _normal(shape: torch.Size, std: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device="cpu").normal_(
        0.0, std, generator=generator
    )


def _uniform(shape: torch.Size, bound: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device="cpu").uniform_(
        -bound, bound, generator=generator
    )


def framework_default(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw U(-b, b) with b = 1 / sqrt(fan_in), PyTorch's own choice for weights and biases."""
    return _uniform(shape, 1 / math.sqrt(fans.fan_in), generator)


def kaiming_normal(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw N(0, 2 / fan_in)."""
    return _normal(shape, math.sqrt(2 / fans.fan_in), generator)


def kaiming_normal_fan_out(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw N(0, 2 / fan_out)."""
    return _normal(shape, math.sqrt(2 / fans.fan_out), generator)


def kaiming_uniform(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw from the uniform distribution of mean 0 and variance 2 / fan_in."""
    return _uniform(shape, math.sqrt(6 / fans.fan_in), generator)


def xavier_normal(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw N(0, 2 / (fan_in + fan_out))."""
    return _normal(shape, math.sqrt(2 / (fans.fan_in + fans.fan_out)), generator)


def small_normal(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw N(0, 0.01^2), whatever the fans."""
    return _normal(shape, 0.01, generator)


def standard_normal(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw N(0, 1), whatever the fans."""
    return _normal(shape, 1.0, generator)


def zero(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Return zeros; the generator does not move."""
    return torch.zeros(shape, dtype=torch.float32, device="cpu")


def _fair_signs(shape: torch.Size, generator: torch.Generator) -> Tensor:
    coins = torch.randint(0, 2, tuple(shape), generator=generator, device="cpu")
    return coins.to(torch.float32).mul_(2).sub_(1)


def signed_constant(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw fair signs times sqrt(2 / fan_in)."""
    return _fair_signs(shape, generator).mul_(math.sqrt(2 / fans.fan_in))


def unsigned_constant(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Return sqrt(2 / fan_in) everywhere; the generator does not move."""
    return torch.full(tuple(shape), math.sqrt(2 / fans.fan_in), dtype=torch.float32, device="cpu")


def xavier_constant(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw fair signs times sqrt(2 / (fan_in + fan_out))."""
    return _fair_signs(shape, generator).mul_(math.sqrt(2 / (fans.fan_in + fans.fan_out)))


def to_signed_constant(weight: Tensor) -> Tensor:
    """Return the signs of ``weight`` times its own standard deviation (unbiased, n - 1)."""
    return torch.sign(weight) * weight.std()


def empirical_signed_constant(shape: torch.Size, fans: Fans, generator: torch.Generator) -> Tensor:
    """Draw N(0, 2 / fan_in) and give every weight of the tensor its standard deviation as size."""
    drawn = kaiming_normal(shape, fans, generator)
    if drawn.numel() == 1:  # one number has no unbiased deviation; take the distribution's
        return torch.sign(drawn) * math.sqrt(2 / fans.fan_in)
    return to_signed_constant(drawn)
