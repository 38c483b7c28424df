"""Regularisers on the scores of a search: their value and their gradient (spec 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

PenaltyName = Literal["L1", "L2", "L1_L2", "var_red_1", "var_red_2", "bin_entropy"]
Exponents = tuple[float, float]


@dataclass(frozen=True)
class Penalty:
    """A sum over all scores p of a layer with weights w.

    Attributes:
        value: the summands, from (p, w, exponents).
        slope: their derivatives by p.
        prunable_only: whether scores of weights that are not counted are left out.
    """

    value: Callable[[Tensor, Tensor, Exponents], Tensor]
    slope: Callable[[Tensor, Tensor, Exponents], Tensor]
    prunable_only: bool = False


def _variance(p: Tensor, w: Tensor, exponents: Exponents) -> Tensor:
    a, b = exponents
    return p**a * (1 - p) ** b


def _variance_slope(p: Tensor, w: Tensor, exponents: Exponents) -> Tensor:
    a, b = exponents
    return a * p ** (a - 1) * (1 - p) ** b - b * p**a * (1 - p) ** (b - 1)


def _entropy(p: Tensor, w: Tensor, exponents: Exponents) -> Tensor:
    return -torch.xlogy(p, p) - torch.xlogy(1 - p, 1 - p)


def _entropy_slope(p: Tensor, w: Tensor, exponents: Exponents) -> Tensor:
    inside = (p > 0) & (p < 1)
    return torch.where(inside, torch.log1p(-p) - torch.log(p), torch.zeros_like(p))


PENALTIES: dict[str, Penalty] = {
    "L2": Penalty(lambda p, w, _: p.square(), lambda p, w, _: 2 * p),
    "L1": Penalty(lambda p, w, _: p.abs(), lambda p, w, _: p.sign()),
    "L1_L2": Penalty(lambda p, w, _: p.abs() + p.square(), lambda p, w, _: p.sign() + 2 * p),
    "var_red_1": Penalty(_variance, _variance_slope),
    "var_red_2": Penalty(
        lambda p, w, _: w.square() * p * (1 - p),
        lambda p, w, _: w.square() * (1 - 2 * p),
        prunable_only=True,
    ),
    "bin_entropy": Penalty(_entropy, _entropy_slope),
}
"""``L2`` sum p^2; ``L1`` sum |p|; ``L1_L2`` both; ``var_red_1`` sum p^a (1 - p)^b; ``var_red_2``
sum w^2 p (1 - p); ``bin_entropy`` sum -p ln p - (1 - p) ln(1 - p). All are defined on [0, 1]."""
