"""Saliency scores: one number per prunable weight, higher = keep.

Every score is computed on a copy of the model, so weights, BatchNorm statistics, mode and
``requires_grad`` of the model that was handed in stay exactly as they were.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.errors import UserError, nearest, unknown_name
from common.models import prunable_parameters

Batch = tuple[Tensor, Tensor]
Scores = dict[str, Tensor]


def _copy_for_scoring(model: nn.Module, *, train: bool) -> nn.Module:
    copied = copy.deepcopy(model).train(train)
    for parameter in copied.parameters():
        parameter.grad = None
        parameter.requires_grad_(True)
    return copied


def _loss(model: nn.Module, batch: Batch, temperature: float = 1.0) -> Tensor:
    images, labels = batch
    logits = model(images.to(next(model.parameters()).dtype))
    return F.cross_entropy(logits / temperature, labels)


def _gradients(loss: Tensor, weights: Mapping[str, Tensor], *, graph: bool) -> list[Tensor]:
    values = list(weights.values())
    found = torch.autograd.grad(loss, values, create_graph=graph, allow_unused=True)
    return [
        torch.zeros_like(value) if gradient is None else gradient
        for value, gradient in zip(values, found, strict=True)
    ]


def _need_batches(name: str, batches: Sequence[Batch]) -> None:
    if not batches:
        raise UserError(f"score {name}: needs at least one batch of (images, labels), found none")


def magnitude(
    model: nn.Module, batches: Sequence[Batch] = (), *, layers: str = "conv_linear"
) -> Scores:
    """Score ``|w|``; uses no data."""
    weights = prunable_parameters(model, layers)
    return {name: w.detach().abs().clone() for name, w in weights.items()}


def snip(
    model: nn.Module,
    batches: Sequence[Batch],
    *,
    bn_mode: str = "train",
    layers: str = "conv_linear",
) -> Scores:
    """Score ``|w * sum_b dL_b/dw|``, the connection sensitivity of SNIP (Lee et al. 2019).

    Args:
        model: any plain module.
        batches: ``(images, labels)`` pairs; the gradients of their mean losses are summed.
        bn_mode: ``"train"`` normalises by each batch's own statistics, ``"eval"`` by the running
            ones.
        layers: what is scored, a scope of ``prunable_parameters``.
    """
    _need_batches("snip", batches)
    copied = _copy_for_scoring(model, train=_is_train(bn_mode))
    weights = prunable_parameters(copied, layers)
    total = [torch.zeros_like(w) for w in weights.values()]
    for batch in batches:
        gradients = _gradients(_loss(copied, batch), weights, graph=False)
        torch._foreach_add_(total, gradients)
    return {
        name: (w.detach() * g).abs() for (name, w), g in zip(weights.items(), total, strict=True)
    }


def taylor(
    model: nn.Module,
    batches: Sequence[Batch],
    *,
    bn_mode: str = "train",
    layers: str = "conv_linear",
) -> Scores:
    """Score the first-order Taylor change of the loss, ``|w * sum_b dL_b/dw|``.

    The same number as SNIP's; the two differ in the weights they are meant for (trained weights
    here, initial weights there).
    """
    return snip(model, batches, bn_mode=bn_mode, layers=layers)


def grasp(
    model: nn.Module,
    batches: Sequence[Batch],
    *,
    temperature: float = 200.0,
    bn_mode: str = "train",
    layers: str = "conv_linear",
) -> Scores:
    """Score ``w * (H g)``, the negative of GraSP's (Wang et al. 2020), so that higher = keep.

    ``g`` is the plain sum of the batches' mean-loss gradients, held constant; ``H g`` is the sum
    over batches of the Hessian of that batch's loss times ``g``, by double backward. Each batch
    passes through batch normalisation on its own.

    Args:
        model: any plain module.
        batches: ``(images, labels)`` pairs; the original hands over the two halves of one batch.
        temperature: logits are divided by it before the cross-entropy.
        bn_mode: see ``snip``.
        layers: see ``snip``; ``g`` is taken over the scored weights alone.
    """
    _need_batches("grasp", batches)
    copied = _copy_for_scoring(model, train=_is_train(bn_mode))
    weights = prunable_parameters(copied, layers)
    summed = [torch.zeros_like(w) for w in weights.values()]
    for batch in batches:
        torch._foreach_add_(
            summed, _gradients(_loss(copied, batch, temperature), weights, graph=False)
        )
    product = [torch.zeros_like(w) for w in weights.values()]
    for batch in batches:
        gradients = _gradients(_loss(copied, batch, temperature), weights, graph=True)
        inner = sum(
            ((constant * gradient).sum() for constant, gradient in zip(summed, gradients)),
            start=torch.zeros((), dtype=summed[0].dtype, device=summed[0].device),
        )
        torch._foreach_add_(product, _gradients(inner, weights, graph=False))
    return {name: w.detach() * hg for (name, w), hg in zip(weights.items(), product, strict=True)}


def synflow(
    model: nn.Module,
    batches: Sequence[Batch] = (),
    *,
    input_shape: tuple[int, ...] | None = None,
    bn_mode: str = "eval",
    layers: str = "conv_linear",
) -> Scores:
    """Score ``|w| * dR/d|w|``, the synaptic flow of Tanaka et al. (2020).

    ``R`` is the sum of the outputs for one all-ones image when every entry of the state dict is
    replaced by its absolute value. With batch normalisation in evaluation mode the scores of every
    layer of a chain sum to the same number.

    Args:
        model: any plain module; computed in float64, because products over many layers leave the
            range of float32, and returned in the model's dtype.
        batches: only the image shape of the first one is used, where ``input_shape`` is None.
        input_shape: channels, height and width of an image.
        bn_mode: see ``snip``; ``"train"`` loses the conservation and can empty the mask.
        layers: see ``snip``.
    """
    if input_shape is None:
        _need_batches("synflow", batches)
        input_shape = tuple(batches[0][0].shape[1:])
    dtypes = {name: w.dtype for name, w in prunable_parameters(model, layers).items()}
    copied = _copy_for_scoring(model, train=_is_train(bn_mode)).double()
    with torch.no_grad():
        for value in copied.state_dict().values():
            if value.is_floating_point():
                value.abs_()
    weights = prunable_parameters(copied, layers)
    device = next(iter(weights.values())).device
    flow = copied(torch.ones(1, *input_shape, dtype=torch.float64, device=device)).sum()
    gradients = _gradients(flow, weights, graph=False)
    return {
        name: (w.detach() * g).abs().to(dtypes[name])
        for (name, w), g in zip(weights.items(), gradients, strict=True)
    }


def _is_train(bn_mode: str) -> bool:
    if bn_mode not in ("train", "eval"):
        raise UserError(f"bn_mode: must be 'train' or 'eval', found {bn_mode!r}")
    return bn_mode == "train"


SCORES: dict[str, Callable[..., Scores]] = {
    "magnitude": magnitude,
    "snip": snip,
    "grasp": grasp,
    "synflow": synflow,
    "taylor": taylor,
}


def score(name: str, model: nn.Module, batches: Sequence[Batch] = (), **options: Any) -> Scores:
    """Return the saliency scores of the prunable weights of ``model``, higher = keep.

    Args:
        name: ``magnitude``, ``snip``, ``grasp``, ``synflow`` or ``taylor``.
        model: any plain module; it comes back exactly as it went in.
        batches: list of ``(images, labels)``; images are normalised floats, NCHW for conv nets.
        options: options of that score; ``layers`` of all of them: ``conv_linear`` or ``conv``.

    Returns:
        A tensor per prunable parameter, of its shape and dtype.

    Raises:
        UserError: an unknown score or option, or no batch where the score needs data.
    """
    if name not in SCORES:
        raise unknown_name("score", name, SCORES)
    function = SCORES[name]
    allowed = set(function.__kwdefaults__ or {})
    for option in options:
        if option not in allowed:
            guess = nearest(option, allowed)
            hint = f"; did you mean {guess!r}?" if guess else ""
            known = ", ".join(sorted(allowed)) or "none"
            raise UserError(f"score {name}: unknown option {option!r}{hint} (allowed: {known})")
    device = next(model.parameters()).device
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        torch.manual_seed(0)  # a model with dropout scores the same at every call
        return function(model, batches, **options)
