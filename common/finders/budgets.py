"""Layer budgets: how many weights each layer keeps, before anyone asks which ones."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

import numpy as np
from torch import nn

from common.errors import UserError, nearest, unknown_name
from common.models import prunable_parameters
from common.tickets.counts import check_sparsity, kept_count

Budget = dict[str, int]
Profile = Literal["smart", "linear", "cubic", "ascend", "uniform"]


def uniform(shapes: Mapping[str, tuple[int, ...]], sparsity: float) -> Budget:
    """Keep the same fraction of every layer; the total is exact.

    Each layer keeps its floor, and the weights still missing go one by one to the layers with the
    largest remainder, the earlier first.
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    return _apportion(
        {name: size * (1 - sparsity) for name, size in sizes.items()}, sizes, sparsity
    )


def erk(shapes: Mapping[str, tuple[int, ...]], sparsity: float) -> Budget:
    """Erdos-Renyi-kernel densities (Evci et al. 2020); the total is exact.

    A layer's density is proportional to the sum of its dimensions over their product (kernel
    included); layers that would exceed density 1 stay dense and the others take what is left.
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    raw = {name: sum(shape) / math.prod(shape) for name, shape in shapes.items()}
    goal = sum(sizes.values()) * (1 - sparsity)
    dense: set[str] = set()
    while True:
        rest = goal - sum(sizes[name] for name in dense)
        open_layers = [name for name in sizes if name not in dense]
        weight = sum(raw[name] * sizes[name] for name in open_layers)
        factor = rest / weight if weight else 0.0
        full = [name for name in open_layers if factor * raw[name] > 1]
        if not full:
            break
        dense.update(full)
    wanted = {
        name: float(size) if name in dense else factor * raw[name] * size
        for name, size in sizes.items()
    }
    return _apportion(wanted, sizes, sparsity)


def _apportion(wanted: Mapping[str, float], sizes: Mapping[str, int], sparsity: float) -> Budget:
    total = kept_count(sum(sizes.values()), sparsity)
    budget = {name: min(sizes[name], math.floor(value + 1e-9)) for name, value in wanted.items()}
    order = sorted(wanted, key=lambda name: budget[name] - wanted[name])
    while sum(budget.values()) != total:
        missing = total - sum(budget.values())
        step = 1 if missing > 0 else -1
        for name in order if step > 0 else reversed(order):
            if missing and 0 <= budget[name] + step <= sizes[name]:
                budget[name] += step
                missing -= step
    return budget


def smart_ratio(
    shapes: Mapping[str, tuple[int, ...]],
    sparsity: float,
    *,
    allocation: Literal["su", "rep", "rare_gems"] = "su",
    family: Literal["vgg", "resnet"] = "resnet",
    profile: Profile = "smart",
    length: int | None = None,
    classifier_density: float = 0.3,
    vgg_division: bool = True,
) -> Budget:
    """Return the decreasing layer budget of random tickets (Su et al., arXiv:2009.11094).

    Layer l of L gets an unnormalised density ``(L' - l + 1)^2 + (L' - l + 1)``, divided by ``l^2``
    for VGG nets; the classifier, always the last layer, has a fixed density. What does not fit
    into a layer moves on to the following ones. Totals are a few weights below the target, as in
    the original codes.

    Args:
        shapes: shape of every prunable tensor in registration order, the classifier last.
        sparsity: fraction removed, over all layers together.
        allocation: ``"su"``, the paper's own code (float32 ratios); ``"rep"``, the
            reproducibility-challenge replication's (float64; its normaliser counts the classifier);
            or ``"rare_gems"``, that of Rare Gems (float64; Sreenivasan et al., arXiv:2202.12002).
        family: ``"vgg"`` divides by ``l^2``.
        profile: the ablation's other shapes: ``linear`` L-l+1, ``cubic`` (L-l+1)^3, ``ascend``
            l^2+l, ``uniform`` the same density for every layer but the classifier.
        length: L'; the number of layers by default. The replication uses 19 for VGG19 and 33 for
            ResNet32.
        classifier_density: density of the last layer, whatever the sparsity.
        vgg_division: whether the division by ``l^2`` also applies, for VGG nets, to the profiles
            ``linear``, ``cubic`` and ``ascend`` (it does in the paper's code).

    Raises:
        UserError: an unknown option value, or a density too low to pay for the classifier.
    """
    _one_of("allocation", allocation, ("su", "rep", "rare_gems"))
    _one_of("family", family, ("vgg", "resnet"))
    _one_of("profile", profile, ("smart", "linear", "cubic", "ascend", "uniform"))
    names = list(shapes)
    sizes = [math.prod(shape) for shape in shapes.values()]
    if len(sizes) < 2:
        raise UserError("smart_ratio: needs a classifier and at least one layer before it")
    span = length if length is not None else len(sizes)
    ratios = _profile(len(sizes), span, family, profile, vgg_division)
    kept = _ALLOCATIONS[allocation](sizes, ratios, sparsity, classifier_density, profile)
    return dict(zip(names, kept, strict=True))


def _profile(layers: int, length: int, family: str, profile: str, division: bool) -> list[float]:
    ratios = []
    for layer in range(1, layers + 1):
        left = length - layer + 1
        value = {
            "smart": float(left**2 + left),
            "linear": float(left),
            "cubic": float(left**3),
            "ascend": float(layer**2 + layer),
            "uniform": 1.0,
        }[profile]
        if family == "vgg" and profile != "uniform" and (division or profile == "smart"):
            value /= layer**2
        ratios.append(value)
    return ratios


def _goal(sizes: list[int], sparsity: float, classifier: float) -> None:
    if (1 - sparsity) * sum(sizes) < classifier * sizes[-1]:
        lowest = 1 - classifier * sizes[-1] / sum(sizes)
        raise UserError(
            f"find.sparsity: {sparsity} leaves fewer weights than the classifier's fixed density "
            f"{classifier} takes; the highest possible here is {lowest:.6f}"
        )


def _allocate_su(
    sizes: list[int], ratios: list[float], sparsity: float, classifier: float, profile: str
) -> list[int]:
    _goal(sizes, sparsity, classifier)
    head = int(classifier * sizes[-1])
    goal = kept_count(sum(sizes), sparsity) - head
    convs = sizes[:-1]
    single = np.float32
    if profile == "uniform":
        density = [single(goal / sum(convs))] * len(convs)
    else:
        normaliser = sum(int(n * w) for n, w in zip(convs, ratios))
        density = [single(single(w) * single(goal) / single(normaliser)) for w in ratios[:-1]]
    surplus = 0
    for index, size in enumerate(convs):
        ratio = density[index]
        if ratio >= 1:
            surplus += int((ratio - single(1)) * single(size))
            density[index] = single(1)
        else:
            room = int((single(1) - ratio) * single(size))
            if room >= surplus:
                density[index] = ratio + single(surplus / size)
                surplus = 0
            else:
                surplus -= room
                density[index] = single(1)
        if surplus == 0:
            break
    kept = [n if r >= 1 else int(r * single(n)) for r, n in zip(density, convs)]
    return [*kept, head]


def _allocate_rep(
    sizes: list[int], ratios: list[float], sparsity: float, classifier: float, profile: str
) -> list[int]:
    _goal(sizes, sparsity, classifier)
    goal = (1 - sparsity) * sum(sizes) - classifier * sizes[-1]
    factor = goal / sum(w * n for w, n in zip(ratios, sizes))
    density = [factor * w for w in ratios]
    density[-1] = classifier
    for index in range(len(sizes) - 1):
        if density[index] > 1:
            spilled = (density[index] - 1) * sizes[index]
            density[index + 1] += spilled / sizes[index + 1]
            density[index] = 1.0
    density[-1] = min(density[-1], 1.0)
    return [int(r * n) for r, n in zip(density, sizes)]


def _allocate_rare_gems(
    sizes: list[int], ratios: list[float], sparsity: float, classifier: float, profile: str
) -> list[int]:
    _goal(sizes, sparsity, classifier)
    goal = (1 - sparsity) * sum(sizes) - classifier * sizes[-1]
    factor = goal / sum(w * n for w, n in zip(ratios[:-1], sizes[:-1], strict=True))
    density = [factor * w for w in ratios[:-1]]
    surplus = 0
    for index, size in enumerate(sizes[:-1]):
        if density[index] >= 1:
            surplus += int((density[index] - 1) * size)
            density[index] = 1.0
        else:
            room = int((1 - density[index]) * size)
            if room >= surplus:
                density[index] += surplus / size
                surplus = 0
            else:
                surplus -= room
                density[index] = 1.0
        if surplus == 0:
            break
    return [min(n, int(r * n)) for r, n in zip([*density, classifier], sizes, strict=True)]


_ALLOCATIONS = {"su": _allocate_su, "rep": _allocate_rep, "rare_gems": _allocate_rare_gems}


def _one_of(option: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise unknown_name(option, value, allowed)


BUDGETS: dict[str, Callable[..., Budget]] = {
    "uniform": uniform,
    "erk": erk,
    "smart_ratio": smart_ratio,
}


def layer_budget(
    name: str,
    model: nn.Module,
    *,
    sparsity: float,
    exclude: Collection[str] = (),
    **options: Any,
) -> Budget:
    """Return how many weights every prunable tensor of ``model`` keeps.

    Args:
        name: ``uniform``, ``erk`` or ``smart_ratio``.
        model: any plain module; conv and linear weights count.
        sparsity: fraction removed, over all layers together.
        exclude: names of weights that do not count.
        options: options of that budget.

    Raises:
        UserError: an unknown budget, option or option value.
    """
    if name not in BUDGETS:
        raise unknown_name("layer budget", name, BUDGETS)
    check_sparsity(sparsity)
    function = BUDGETS[name]
    parameters = inspect.signature(function).parameters.values()
    allowed = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    for option in options:
        if option not in allowed:
            guess = nearest(option, allowed)
            hint = f"; did you mean {guess!r}?" if guess else ""
            known = ", ".join(allowed) or "none"
            raise UserError(f"layer budget {name}: unknown option {option!r}{hint} ({known})")
    counted = prunable_parameters(model, exclude=exclude)
    shapes = {key: tuple(value.shape) for key, value in counted.items()}
    return function(shapes, sparsity, **options)
