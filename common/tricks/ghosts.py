"""Ghost skip connections: a 1x1 convolution and a BN beside every 3x3 convolution (spec 2.6).

For a convolution with input x in front of the next activation the network computes
``act(... bn(conv(x)) + alpha * b(j(x)))`` with j the ghost convolution and b its own BN. Ghosts are
hooks on a plain network: its modules, names and state dict stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from common.errors import UserError
from common.models.mobilenet import InvertedResidual, SeparableBlock
from common.models.residual import BasicBlock, Bottleneck

PATHS: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    BasicBlock: (("conv1", "bn1"), ("conv2", "bn2")),
    Bottleneck: (("conv2", "bn2"),),
    SeparableBlock: (("conv1", "bn1"),),
    InvertedResidual: (("conv2", "bn2"),),
}
"""The 3x3 convolutions of every kind of block, and the modules whose output ghosts are added to."""

SEQUENCE = "features"
"""What a network without blocks calls the sequence of its convolutions, norms and activations."""


@dataclass(frozen=True)
class GhostPath:
    """One place for a ghost.

    Attributes:
        conv: name of the convolution that it runs beside.
        target: name of the module to whose output it is added.
    """

    conv: str
    target: str


def ghost_paths(model: nn.Module, *, bottleneck: bool = True) -> list[GhostPath]:
    """Return where a network's ghosts go: the declared map of its family.

    Args:
        model: a network of this package's families with blocks or a plain sequence of layers.
        bottleneck: False leaves bottleneck blocks out, as the released code does.

    Raises:
        UserError: nothing is declared for this kind of network.
    """
    found: list[GhostPath] = []
    known = False
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        pairs = PATHS.get(type(module), ())
        known = known or bool(pairs)
        if isinstance(module, Bottleneck) and not bottleneck:
            continue
        found += [GhostPath(prefix + conv, prefix + target) for conv, target in pairs]
    if known:
        return found
    features = getattr(model, SEQUENCE, None)
    if isinstance(features, nn.Sequential):
        found = list(_along(features))
    if not found:
        families = ", ".join(kind.__name__ for kind in PATHS)
        raise UserError(
            f"ghost_skip: no skips are declared for {type(model).__name__} (known: networks of "
            f"{families}, and plain sequences of 3x3 convolutions such as VGG)"
        )
    return found


def _along(features: nn.Sequential) -> Iterator[GhostPath]:
    """Yield a path for every 3x3 convolution of a sequence, up to its norm layer if it has one."""
    children = list(features.named_children())
    for (name, module), following in zip(children, [*children[1:], ("", nn.Identity())]):
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            target = following[0] if isinstance(following[1], nn.BatchNorm2d) else name
            yield GhostPath(f"{SEQUENCE}.{name}", f"{SEQUENCE}.{target}")


class _Ghost(nn.Module):
    """One ghost: a 1x1 convolution (per channel where the real one is) and its BN."""

    def __init__(self, real: nn.Conv2d, init: float) -> None:
        super().__init__()
        height, width = real.stride
        self.conv = nn.Conv2d(
            real.in_channels,
            real.out_channels,
            1,
            (height, width),
            groups=real.groups,
            bias=False,
        )
        nn.init.constant_(self.conv.weight, init)
        self.bn = nn.BatchNorm2d(real.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        out: Tensor = self.bn(self.conv(x))
        return out


class GhostSkips(nn.Module):
    """The ghosts of a network, on its device; they act from ``attach`` to ``detach``.

    Args:
        model: the plain network.
        paths: as :func:`ghost_paths` tells.
        init: the constant that all their convolutions start from.
        alpha: 0-dimensional tensor, the factor on them; shared, changed from outside.
    """

    def __init__(
        self, model: nn.Module, paths: list[GhostPath], init: float, alpha: Tensor
    ) -> None:
        super().__init__()
        self._paths, self.alpha = paths, alpha
        with torch.random.fork_rng(devices=[]):  # constructors draw what is replaced at once
            ghosts = [_Ghost(_conv(model, path.conv), init) for path in paths]
        self.ghosts = nn.ModuleList(ghosts).to(alpha.device)
        self._handles: list[RemovableHandle] = []

    @property
    def parameter_count(self) -> int:
        """Return the number of dense parameters that they add."""
        return sum(parameter.numel() for parameter in self.parameters())

    def attach(self, model: nn.Module) -> None:
        """Hook them onto the network."""
        for ghost, path in zip(self.ghosts, self._paths, strict=True):
            seen = _Seen()
            conv, target = model.get_submodule(path.conv), model.get_submodule(path.target)
            self._handles.append(conv.register_forward_pre_hook(seen.take))
            adder = _Adder(ghost, seen, self.alpha)
            self._handles.append(target.register_forward_hook(adder))

    def detach(self) -> None:
        """Take them off the network."""
        for handle in self._handles:
            handle.remove()
        self._handles = []


class _Seen:
    """Holds the input of a convolution until its ghost has used it."""

    def __init__(self) -> None:
        self.value: Tensor | None = None

    def take(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note the input, as a forward pre-hook."""
        self.value = inputs[0]


class _Adder:
    """Adds a ghost's output to that of a module, as a forward hook."""

    def __init__(self, ghost: nn.Module, seen: _Seen, alpha: Tensor) -> None:
        self._ghost, self._seen, self._alpha = ghost, seen, alpha

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        """Return the sum."""
        value, self._seen.value = self._seen.value, None
        assert value is not None
        if self._ghost.training != module.training:
            self._ghost.train(module.training)
        out: Tensor = self._ghost(value)
        return output + self._alpha.to(out.dtype) * out


def _conv(model: nn.Module, name: str) -> nn.Conv2d:
    conv = model.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    return conv
