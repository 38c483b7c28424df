"""Where activations are measured: the names of a network's activations, and a hook on each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from common.data import Batches
from common.errors import UserError, unknown_name
from common.models.mobilenet import SeparableBlock
from common.models.residual import BasicBlock, Bottleneck
from common.training import evaluate

ALL, OUTPUTS = "all", "outputs"
STEM = "stem"

_BLOCKS = (BasicBlock, Bottleneck, SeparableBlock)
"""Blocks whose output is that of their last activation."""

_STAGES = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
_INDICES = {
    "resnet18": (9, 16, 24, 33, 41, 50, 58, 67, 70),
    "resnet34": (9, 16, 23, 31, 40, 47, 54, 62, 71, 78, 85, 92, 99, 107, 116, 123, 126),
}


@dataclass(frozen=True)
class Point:
    """An activation of a network.

    Attributes:
        name: ``layer2.1`` for a block's output, ``stem``, else the module's own name.
        module: name of the module.
        kind: ``output`` of a block, ``stem``, or ``inside`` whatever else.
    """

    name: str
    module: str
    kind: str


@dataclass
class Counts:
    """Values that an activation gave.

    Attributes:
        near_zero: those of a magnitude up to the threshold.
        zero: those that are exactly 0.
        values: all of them.
    """

    near_zero: int = 0
    zero: int = 0
    values: int = 0

    @property
    def near_zero_percent(self) -> float:
        """Return the activation sparsity."""
        return 100 * self.near_zero / self.values

    @property
    def zero_percent(self) -> float:
        """Return the share of exact zeros."""
        return 100 * self.zero / self.values


def original_indices(model: str) -> dict[int, str]:
    """Return the original's index of every activation it can measure -> the name here.

    The index counts its modules depth first; it is known of ResNet-18 and ResNet-34 (spec 2.10).

    Raises:
        UserError: another model.
    """
    if model not in _STAGES:
        raise UserError(
            f"--layer: the original's indices are known of {' and '.join(_STAGES)}, but this is a "
            f"{model}; name its layers with --layers"
        )
    names = [
        f"layer{stage}.{block}"
        for stage, blocks in enumerate(_STAGES[model], 1)
        for block in range(blocks)
    ]
    return dict(zip(_INDICES[model], [*names, STEM], strict=True))


def activation_points(model: nn.Module) -> list[Point]:
    """Return the activations of a plain network, in the order in which modules are registered."""
    modules = dict(model.named_modules())
    has_blocks = any(isinstance(module, _BLOCKS) for module in modules.values())
    points = []
    for name, module in modules.items():
        if not isinstance(module, nn.ReLU):
            continue
        parent_name, _, own = name.rpartition(".")
        parent = modules[parent_name]
        if isinstance(parent, _BLOCKS) and own == _last_relu(parent):
            points.append(Point(parent_name, name, "output"))
        elif not parent_name and has_blocks and not any(p.kind == "stem" for p in points):
            points.append(Point(STEM, name, "stem"))
        else:
            points.append(Point(name, name, "inside"))
    return points


def _last_relu(block: nn.Module) -> str:
    return [name for name, child in block.named_children() if isinstance(child, nn.ReLU)][-1]


def choose_points(
    points: Iterable[Point], layers: Iterable[str], where: str = "--layers"
) -> list[Point]:
    """Return the points that names choose.

    Args:
        points: of the network.
        layers: ``all``, ``outputs``, names of points, or of their modules.
        where: what to call the names in an error.

    Raises:
        UserError: a name that is none of these.
    """
    points = list(points)
    by_name = {point.module: point for point in points} | {point.name: point for point in points}
    chosen: dict[str, Point] = {}
    for layer in layers:
        if layer in (ALL, OUTPUTS):
            found = [p for p in points if layer == ALL or p.kind != "inside"]
            # A plain sequence of layers has no blocks; each of its activations is an output.
            found = found or points
        elif layer in by_name:
            found = [by_name[layer]]
        else:
            raise unknown_name(where, layer, [ALL, OUTPUTS, *(point.name for point in points)])
        chosen |= {point.name: point for point in found}
    return list(chosen.values())


def near_zero(values: Tensor, threshold: float) -> Tensor:
    """Return how many values a, in a tensor of any shape, have |a| <= threshold: a count, int64."""
    return (values.abs() <= threshold).sum()


@contextmanager
def hooked(
    model: nn.Module, points: Iterable[Point], threshold: float
) -> Iterator[Mapping[str, list[tuple[Tensor, Tensor, int]]]]:
    """Note what activations give, one entry a forward pass of a module, until the block ends.

    The hooks are gone afterwards, whatever happened.
    """
    seen: dict[str, list[tuple[Tensor, Tensor, int]]] = {}
    handles = []
    try:
        for point in points:

            def note(
                module: nn.Module, inputs: tuple[Any, ...], output: Tensor, name: str = point.name
            ) -> None:
                counted = (near_zero(output, threshold), near_zero(output, 0.0), output.numel())
                seen.setdefault(name, []).append(counted)

            handles.append(model.get_submodule(point.module).register_forward_hook(note))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def measure(
    model: nn.Module, points: Iterable[Point], test: Batches, threshold: float, batch_size: int
) -> tuple[dict[str, Counts], float]:
    """Run a network over test images and count activations near zero.

    Args:
        model: on the device of the images; it comes back as it was.
        points: where to measure.
        test: the images.
        threshold: up to which a magnitude is near zero.
        batch_size: images at a time.

    Returns:
        The counts by the name of the point, in the order of the forward pass, and the test accuracy
        in percent.
    """
    with hooked(model, points, threshold) as seen:
        _, accuracy = evaluate(model, test, "float32", batch_size=batch_size)
    counts = {
        name: Counts(
            int(torch.stack([near for near, _, _ in passes]).sum()),
            int(torch.stack([zero for _, zero, _ in passes]).sum()),
            sum(values for *_, values in passes),
        )
        for name, passes in seen.items()
    }
    return counts, accuracy
