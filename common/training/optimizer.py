"""Optimisers, and the one place that keeps removed weights at zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from common.config.recipe import TrainConfig
from common.errors import UserError


def build_optimizer(
    recipe: TrainConfig,
    parameters: Iterable[nn.Parameter],
    undecayed: Iterable[nn.Parameter] = (),
) -> Optimizer:
    """Return the recipe's optimiser; weight decay acts on every parameter but the undecayed ones.

    Adam's weight decay is the L2 term added to the gradient, not the decoupled one.
    """
    groups: list[dict[str, Any]] = [{"params": list(parameters)}]
    if rest := list(undecayed):
        groups.append({"params": rest, "weight_decay": 0.0})
    if recipe.optimizer == "sgd":
        return SGD(
            groups,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
    return Adam(groups, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)


def norm_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the scales and shifts of a network's norm layers."""
    return [
        parameter
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm)
        for parameter in module.parameters(recurse=False)
    ]


FREEZES_BELOW = 1e-6
"""Weights below this do not learn where negative weights are frozen."""


class Constraint(Protocol):
    """What a method does around every step of the optimiser, beside following the loss."""

    def prepare(self) -> None:
        """Change the gradients before the step."""

    def apply(self, optimizer: Optimizer | None = None) -> None:
        """Put the parameters back where they may be after the step."""


class MaskKeeper:
    """Multiplies the weights of a ticket, and their momentum, by its masks.

    Args:
        model: the network that is trained.
        masks: parameter name -> bool mask; other parameters are left alone.
        freeze_negative: no gradient moves what is negative of any parameter called a weight, those
            of norm layers too: a bug of a known lottery-ticket code (ToST, spec 2.4).
    """

    def __init__(
        self, model: nn.Module, masks: Mapping[str, Tensor], *, freeze_negative: bool = False
    ) -> None:
        parameters = dict(model.named_parameters())
        for name in masks:
            if name not in parameters:
                raise UserError(f"ticket: its mask {name!r} fits no parameter of the model")
        self._weights: list[Tensor] = [parameters[name] for name in masks]
        # A mask laid out like its weight makes the product one pass over memory.
        self._masks = [
            torch.empty_like(parameters[name], requires_grad=False).copy_(mask)
            for name, mask in masks.items()
        ]
        self._names = list(masks)
        watched = [value for name, value in parameters.items() if "weight" in name]
        self._watched = watched if freeze_negative else []

    @torch.no_grad()
    def prepare(self) -> None:
        """Clear the gradients of frozen weights; a removed weight is cleared after the step."""
        for weight in self._watched:
            if weight.grad is not None:
                weight.grad.masked_fill_(weight < FREEZES_BELOW, 0.0)

    @torch.no_grad()
    def apply(self, optimizer: Optimizer | None = None) -> None:
        """Set removed weights to zero, and what the optimiser remembers of them."""
        if not self._weights:
            return
        tensors, masks = list(self._weights), list(self._masks)
        if optimizer is not None:
            for weight, mask in zip(self._weights, self._masks, strict=True):
                for value in optimizer.state.get(weight, {}).values():
                    if isinstance(value, Tensor) and value.shape == mask.shape:
                        tensors.append(value)
                        masks.append(mask)
        torch._foreach_mul_(tensors, masks)

    @torch.no_grad()
    def assert_kept(self) -> None:
        """Raise ``AssertionError`` if a removed weight is not exactly zero."""
        for name, weight, mask in zip(self._names, self._weights, self._masks, strict=True):
            if bool(((mask == 0) & (weight != 0)).any()):
                raise AssertionError(f"a removed weight of {name} came back")
