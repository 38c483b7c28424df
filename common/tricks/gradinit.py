"""Layer-wise re-scaled initialisation (LRsI): GradInit, Zhu et al., arXiv:2102.08098 (spec 2.8).

One positive factor a parameter tensor is learned so that the loss after one look-ahead step is
small while the norm of the gradient stays below a bound.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.config.tricks import LrsiConfig
from common.errors import RunFailedError, UserError

Batch = tuple[Tensor, Tensor]
SCALED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.modules.batchnorm._BatchNorm)
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
CONSTRAINT, OBJECTIVE = 0, 1


@dataclass(frozen=True)
class InitScales:
    """What GradInit learned.

    Attributes:
        scales: parameter name -> its factor.
        constraint_steps: iterations in which the gradient's norm was above its bound.
        objective_steps: the others.
        norms: of the gradient, in every iteration.
        objectives: the loss after the look-ahead step over its size, in the objective steps.
        seconds: what it took.
    """

    scales: dict[str, float]
    constraint_steps: int = 0
    objective_steps: int = 0
    norms: list[float] = field(default_factory=list)
    objectives: list[float] = field(default_factory=list)
    seconds: float = 0.0


def scaled_parameters(models: Sequence[nn.Module]) -> dict[str, nn.Parameter]:
    """Return the weights and biases of convolutions, linear and BN layers, in module order.

    Args:
        models: the network, and what is attached to it; a later one's names are prefixed with its
            position, such as ``1:``.
    """
    found: dict[str, nn.Parameter] = {}
    for position, model in enumerate(models):
        prefix = f"{position}:" if position else ""
        for name, module in model.named_modules():
            if isinstance(module, SCALED):
                for kind in ("weight", "bias"):
                    parameter = getattr(module, kind)
                    if isinstance(parameter, nn.Parameter):
                        path = f"{name}.{kind}" if name else kind
                        found[prefix + path] = parameter
    return found


class ScaleOptimizer:
    """Adam on the factors, with two first moments and one second moment for two kinds of steps.

    Args:
        names: of the tensors; one that ends in ``bias`` may shrink to 0.
        norms: of the tensors at factor 1; one of norm 0 is never scaled.
        lr: the first move of any factor.
        min_scale: least factor of a tensor that is no bias.
        clip: bound on each factor's derivative; 0: none.
    """

    def __init__(
        self, names: Sequence[str], norms: Tensor, *, lr: float, min_scale: float, clip: float
    ) -> None:
        self.lr, self.clip = lr, clip
        self.alpha = torch.ones_like(norms)
        floors = [0.0 if name.endswith("bias") else min_scale for name in names]
        self._floor = torch.tensor(floors, dtype=norms.dtype, device=norms.device)
        self._alive = norms > 0
        self._first = [torch.zeros_like(norms), torch.zeros_like(norms)]
        self._second = torch.zeros_like(norms)
        self.steps = [0, 0]

    def step(self, derivatives: Tensor, kind: int) -> None:
        """Move the factors against a derivative by each of them.

        Args:
            derivatives: d/d alpha of the norm (``CONSTRAINT``) or the objective (``OBJECTIVE``).
            kind: which of the two.
        """
        if self.clip > 0:
            derivatives = derivatives.clamp(-self.clip, self.clip)
        # A factor that reached 0 stays there, as its tensor has no norm any more.
        moving = self._alive & (self.alpha != 0)
        s = torch.where(moving, derivatives, torch.zeros_like(derivatives))
        self.steps[kind] += 1
        first = self._first[kind].mul_(BETA1).add_(s, alpha=1 - BETA1)
        self._second.mul_(BETA2).addcmul_(s, s, value=1 - BETA2)
        rate = self.lr / (1 - BETA1 ** self.steps[kind])
        root = (self._second / (1 - BETA2 ** sum(self.steps))).sqrt_().add_(EPS)
        moved = torch.maximum(self.alpha - rate * first / root, self._floor)
        self.alpha = torch.where(moving, moved, self.alpha)


def learn_scales(
    model: nn.Module,
    batches: Iterator[Batch],
    config: LrsiConfig,
    *,
    masks: Mapping[str, Tensor] | None = None,
    attached: Sequence[nn.Module] = (),
) -> InitScales:
    """Learn the factors of a network's tensors and multiply them in (spec 2.8, float32).

    BN layers use the batches' statistics and keep their running ones; dropout is off. The norm is
    that of the sgd step's gradient (2-norm over all tensors) or adam's (1-norm).

    Args:
        model: any network of convolutions, linear and BN layers, removed weights at zero.
        batches: endless, augmented as in training; an iteration takes two or three of them.
        config: the options.
        masks: removed weights have no gradient where the options ask for it.
        attached: further modules that act in the network's forward pass (ghosts), scaled as well.

    Returns:
        The factors and what happened; the network holds its scaled weights.

    Raises:
        RunFailedError: a norm, a loss or a factor is not finite.
        UserError: the network has nothing to scale.
    """
    started = time.monotonic()
    named = scaled_parameters([model, *attached])
    if not named:
        raise UserError("lrsi: the network has no convolution, linear or BN layer to scale")
    names, parameters = list(named), list(named.values())
    learner = _ScaleLearner(names, parameters, config, masks or {})
    norms: list[Tensor] = []
    objectives: list[Tensor] = []
    with _batch_statistics([model, *attached]):
        for _ in range(config.iters):
            learner.iterate(model, batches, norms, objectives)
    found = [float(value) for value in norms]
    ahead = [float(value) for value in objectives]
    factors = learner.optimizer.alpha.tolist()
    for what, values in (
        ("the norm of the gradient", found),
        ("the loss after the look-ahead step", ahead),
        ("a factor", factors),
    ):
        if not all(math.isfinite(value) for value in values):
            raise RunFailedError(f"lrsi: {what} is not finite")
    constraint, objective = learner.optimizer.steps
    return InitScales(
        dict(zip(names, factors, strict=True)),
        constraint,
        objective,
        found,
        ahead,
        time.monotonic() - started,
    )


class _ScaleLearner:
    """The state of one GradInit run: the tensors at factor 1, and the factors."""

    def __init__(
        self,
        names: Sequence[str],
        parameters: Sequence[Tensor],
        config: LrsiConfig,
        masks: Mapping[str, Tensor],
    ) -> None:
        self._parameters: list[Tensor] = list(parameters)
        self._config = config
        self._first = [parameter.detach().clone() for parameter in parameters]
        norms = torch.stack([value.double().norm() for value in self._first])
        self.optimizer = ScaleOptimizer(
            names, norms, lr=config.lr, min_scale=config.min_scale, clip=config.grad_clip
        )
        wanted = masks if config.mask_gradients else {}
        self._masks = [wanted.get(name) for name in names]

    def iterate(
        self,
        model: nn.Module,
        batches: Iterator[Batch],
        norms: list[Tensor],
        objectives: list[Tensor],
    ) -> None:
        """Take a step of either kind."""
        first, second = next(batches), next(batches)
        loss = _loss(model, _both(first, second))
        gradients = self._masked(torch.autograd.grad(loss, self._parameters, create_graph=True))
        norm = self._norm(gradients)
        norms.append(norm.detach())
        bound = self._config.gamma
        if bound is not None and bool(norm.detach() > bound):
            derivatives = self._derive(norm)
            kind = CONSTRAINT
        else:
            direction = self._direction([value.detach() for value in gradients], norm.detach())
            third = next(batches)
            kept = next(batches) if self._config.no_overlap else first
            derivatives, ahead = self._look_ahead(model, direction, _both(kept, third))
            objectives.append(ahead)
            kind = OBJECTIVE
        self._move(derivatives, kind)

    def _derive(self, value: Tensor) -> list[Tensor]:
        found = torch.autograd.grad(value, self._parameters, allow_unused=True)
        return [
            torch.zeros_like(parameter) if gradient is None else gradient
            for parameter, gradient in zip(self._parameters, found, strict=True)
        ]

    def _masked(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        return [
            gradient if mask is None else gradient * mask.to(gradient)
            for gradient, mask in zip(gradients, self._masks, strict=True)
        ]

    def _norm(self, gradients: Sequence[Tensor]) -> Tensor:
        if self._config.alg == "adam":
            return torch.stack([value.abs().sum() for value in gradients]).sum()
        return torch.stack([value.square().sum() for value in gradients]).sum().sqrt()

    def _direction(self, gradients: Sequence[Tensor], norm: Tensor) -> list[Tensor]:
        if self._config.alg == "adam":
            return [value.sign() for value in gradients]
        if self._config.normalize_grad:
            return [value / norm for value in gradients]
        return list(gradients)

    def _look_ahead(
        self, model: nn.Module, direction: Sequence[Tensor], batch: Batch
    ) -> tuple[list[Tensor], Tensor]:
        """Return the gradient of loss / eta behind the step, and that number; weights come back."""
        eta = self._config.eta
        before = [parameter.detach().clone() for parameter in self._parameters]
        with torch.no_grad():
            torch._foreach_add_(self._parameters, list(direction), alpha=-eta)
        objective = _loss(model, batch) / eta
        derivatives = self._derive(objective)
        with torch.no_grad():
            torch._foreach_copy_(self._parameters, before)
        return self._masked(derivatives), objective.detach()

    @torch.no_grad()
    def _move(self, derivatives: Sequence[Tensor], kind: int) -> None:
        """Step the factors: the derivative by one is that by its tensor along what it scales."""
        pairs = zip(derivatives, self._first, strict=True)
        self.optimizer.step(torch.stack([(d.double() * w).sum() for d, w in pairs]), kind)
        for parameter, first, factor in zip(
            self._parameters, self._first, self.optimizer.alpha, strict=True
        ):
            torch.mul(first, factor.to(first.dtype), out=parameter.data)


@torch.no_grad()
def scale_weights(models: Sequence[nn.Module], scales: Mapping[str, float]) -> None:
    """Multiply a network's tensors by factors that were learned before.

    Args:
        models: the network, and what is attached to it, as in :func:`scaled_parameters`.
        scales: parameter name -> factor, for each of its tensors.

    Raises:
        UserError: factors and tensors have not the same names.
    """
    named = scaled_parameters(models)
    if odd := sorted(set(named) ^ set(scales)):
        raise UserError(f"lrsi.resume: its factors are another network's: {odd[0]!r} differs")
    for name, parameter in named.items():
        parameter.mul_(torch.tensor(scales[name], dtype=parameter.dtype))


def read_scales(path: Path, sha256: str) -> dict[str, float]:
    """Return the factors that a run's ``lrsi.json`` holds.

    Raises:
        UserError: the file has another content than when the config was read, or no factors.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"lrsi.sha256: {path} has another content now")
    try:
        scales = json.loads(content)["scales"]
        return {str(name): float(value) for name, value in scales.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"lrsi.resume: {path} is no lrsi.json of a run") from None


def _loss(model: nn.Module, batch: Batch) -> Tensor:
    images, labels = batch
    return F.cross_entropy(model(images), labels)


def _both(first: Batch, second: Batch) -> Batch:
    return torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]])


@contextmanager
def _batch_statistics(models: Sequence[nn.Module]) -> Iterator[None]:
    """Evaluation mode, but BN layers use the batch's statistics and keep their running ones."""
    modules = [module for model in models for module in model.modules()]
    modes = [(module, module.training) for module in modules]
    norms = [m for m in modules if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    tracked = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    try:
        for module in modules:
            module.training = False
        for norm in norms:
            norm.training = True
            norm.momentum = 0.0
            norm.num_batches_tracked = (
                None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
            )
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for norm, momentum, count in tracked:
            norm.momentum, norm.num_batches_tracked = momentum, count
