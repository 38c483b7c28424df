"""Which parameters of a model may be pruned."""

from __future__ import annotations

from collections.abc import Callable, Collection

from torch import nn
from torch.nn.utils import parametrize

from common.errors import unknown_name

CONV_TYPES = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def _weights_of(model: nn.Module, types: tuple[type[nn.Module], ...]) -> dict[str, nn.Parameter]:
    found: dict[str, nn.Parameter] = {}
    for name, module in model.named_modules():
        if not isinstance(module, types):
            continue
        path = f"{name}.weight" if name else "weight"
        if parametrize.is_parametrized(module, "weight"):
            raise ValueError(f"{path} is computed by a parametrization, so it is no parameter")
        weight = module.weight
        assert isinstance(weight, nn.Parameter)
        if all(weight is not other for other in found.values()):
            found[path] = weight
    return found


def _conv(model: nn.Module) -> dict[str, nn.Parameter]:
    return _weights_of(model, CONV_TYPES)


def _conv_linear(model: nn.Module) -> dict[str, nn.Parameter]:
    return _weights_of(model, (*CONV_TYPES, nn.Linear))


def _all_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if "weight" in name.rpartition(".")[2]
    }


#: ``conv_linear``: weights of convolutions and linear layers. ``conv``: of convolutions only.
#: ``all_weights``: every parameter called a weight, so the scales of norm layers too.
SCOPES: dict[str, Callable[[nn.Module], dict[str, nn.Parameter]]] = {
    "conv_linear": _conv_linear,
    "conv": _conv,
    "all_weights": _all_weights,
}


def prunable_parameters(
    model: nn.Module, scope: str = "conv_linear", exclude: Collection[str] = ()
) -> dict[str, nn.Parameter]:
    """Return the parameters that may be pruned, by name, in the order the modules were registered.

    Biases are never among them; a parameter that two layers share comes once.

    Args:
        model: any module.
        scope: a key of ``SCOPES``.
        exclude: names of parameters in the scope to leave out.

    Raises:
        UserError: an unknown scope, or an excluded name that is not in the scope.
        ValueError: a weight is computed by a parametrization (a learned mask); ask before that.
    """
    if scope not in SCOPES:
        raise unknown_name("scope", scope, SCOPES)
    found = SCOPES[scope](model)
    for name in exclude:
        if name not in found:
            raise unknown_name("exclude", name, found)
    return {name: parameter for name, parameter in found.items() if name not in exclude}


def shortcut_weights(model: nn.Module) -> list[str]:
    """Return the names of the convolution weights on shortcuts, for a paper that excludes them.

    A shortcut is a module called ``shortcut``, as in the models of this package, or ``downsample``,
    as in torchvision's.
    """
    return [
        name
        for name in prunable_parameters(model, "conv")
        if {"shortcut", "downsample"} & set(name.split("."))
    ]
