"""Named initialisation schemes, and the function that re-draws a whole model with one of them.

A scheme says how convolutions and linear layers draw weights and biases. Norm layers always restart
as the identity (scale 1, shift 0, running statistics of an untrained network).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from common.errors import UserError, unknown_name
from common.models import draws
from common.models.draws import Draw, Fans
from common.models.options import is_number
from common.models.prunable import CONV_TYPES

BATCH_NORM_TYPES = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
NORM_TYPES = (*BATCH_NORM_TYPES, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


@dataclass(frozen=True)
class Scheme:
    """How one named initialisation draws.

    Args:
        description: one line for people.
        conv: draw of a convolution's weight.
        linear: draw of a linear layer's weight.
        conv_bias: draw of a convolution's bias; its fans are those of the weight.
        linear_bias: draw of a linear layer's bias.
        norm_std: norm scales are N(1, norm_std^2); 0 means exactly 1.
        has_scope: the option ``scope`` may restrict it to convolutions.
    """

    description: str
    conv: Draw
    linear: Draw
    conv_bias: Draw
    linear_bias: Draw
    norm_std: float = 0.0
    has_scope: bool = False


def _uniform_scheme(description: str, draw: Draw, bias: Draw, has_scope: bool = False) -> Scheme:
    """Return the scheme that treats convolutions and linear layers alike."""
    return Scheme(description, draw, draw, bias, bias, has_scope=has_scope)


_FAN_OUT = Scheme(
    "convolutions N(0, 2/fan_out), their biases 0; linear layers as the framework",
    draws.kaiming_normal_fan_out,
    draws.framework_default,
    draws.zero,
    draws.framework_default,
)

SCHEMES: dict[str, Scheme] = {
    "torch_default": _uniform_scheme(
        "weights and biases U(-b, b), b = 1/sqrt(fan_in)",
        draws.framework_default,
        draws.framework_default,
    ),
    "grasp": Scheme(
        "convolutions N(0, 2/fan_out), linear layers N(0, 0.01^2), biases 0",
        draws.kaiming_normal_fan_out,
        draws.small_normal,
        draws.zero,
        draws.zero,
    ),
    "su_vgg": Scheme(
        "convolutions N(0, 2/fan_in), linear layers N(0, 0.01^2), biases 0",
        draws.kaiming_normal,
        draws.small_normal,
        draws.zero,
        draws.zero,
    ),
    "kaiming_normal": _uniform_scheme(
        "weights N(0, 2/fan_in), biases as the framework",
        draws.kaiming_normal,
        draws.framework_default,
    ),
    "kaiming_normal_fan_out": _FAN_OUT,
    "vgg_fan_out": _FAN_OUT,
    "kaiming_uniform": _uniform_scheme(
        "weights uniform with variance 2/fan_in, biases as the framework",
        draws.kaiming_uniform,
        draws.framework_default,
    ),
    "xavier_normal": _uniform_scheme(
        "weights N(0, 2/(fan_in + fan_out)), biases 0", draws.xavier_normal, draws.zero
    ),
    "xavier_conv": Scheme(
        "convolutions N(0, 2/(fan_in + fan_out)), their biases 0; linear layers as the framework",
        draws.xavier_normal,
        draws.framework_default,
        draws.zero,
        draws.framework_default,
    ),
    "xavier_noisy": Scheme(
        "weights N(0, 2/(fan_in + fan_out)), biases N(0, 1), norm scales N(1, 0.02^2)",
        draws.xavier_normal,
        draws.xavier_normal,
        draws.standard_normal,
        draws.standard_normal,
        norm_std=0.02,
    ),
    "xavier_constant": _uniform_scheme(
        "weights +-sqrt(2/(fan_in + fan_out)), biases as the framework",
        draws.xavier_constant,
        draws.framework_default,
    ),
    "signed_constant": _uniform_scheme(
        "weights +-sqrt(2/fan_in), biases as the framework",
        draws.signed_constant,
        draws.framework_default,
        has_scope=True,
    ),
    "unsigned_constant": _uniform_scheme(
        "weights sqrt(2/fan_in), biases as the framework",
        draws.unsigned_constant,
        draws.framework_default,
        has_scope=True,
    ),
    "signed_constant_empirical": _uniform_scheme(
        "weights +-(standard deviation of a Kaiming-normal draw), biases as the framework",
        draws.empirical_signed_constant,
        draws.framework_default,
        has_scope=True,
    ),
}


@dataclass(frozen=True)
class ResolvedScheme:
    """A scheme with its options put in: what ``initialise`` follows."""

    scheme: Scheme
    fan_scale: float

    def draw(self, module: nn.Module, generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
        """Yield the new weight, then the new bias, of a convolution or linear layer."""
        weight, bias = module.weight, module.bias
        assert isinstance(weight, Tensor)
        is_conv = isinstance(module, CONV_TYPES)
        draw = self.scheme.conv if is_conv else self.scheme.linear
        yield "weight", draw(weight.shape, Fans.of(weight.shape, self.fan_scale), generator)
        if isinstance(bias, Tensor):
            draw = self.scheme.conv_bias if is_conv else self.scheme.linear_bias
            yield "bias", draw(bias.shape, Fans.of(weight.shape), generator)


def resolve_scheme(name: str, options: Mapping[str, object], field: str = "init") -> ResolvedScheme:
    """Look a scheme up and put its options in.

    Args:
        name: a key of ``SCHEMES``.
        options: as in ``initialise``.
        field: where the name stood in the config, for error messages.

    Raises:
        UserError: an unknown scheme or option, or a value that is not allowed.
    """
    if name not in SCHEMES:
        raise unknown_name(field, name, SCHEMES)
    scheme = SCHEMES[name]
    known = ["bias", "fan_scale"] + (["scope"] if scheme.has_scope else [])
    for option in options:
        if option not in known:
            raise unknown_name(f"{field}_options of {name!r}", option, known)
    bias = options.get("bias")
    if bias is not None:
        draw = _bias_draw(bias, f"{field}_options.bias")
        scheme = replace(scheme, conv_bias=draw, linear_bias=draw)
    scope = options.get("scope", "all")
    if scope == "conv":
        scheme = replace(scheme, linear=draws.kaiming_normal)
    elif scope != "all":
        raise UserError(f"{field}_options.scope: {scope!r} is not allowed; it must be all or conv")
    fan_scale = options.get("fan_scale", 1.0)
    if not (is_number(fan_scale) and fan_scale > 0):
        raise UserError(
            f"{field}_options.fan_scale: {fan_scale!r} is not allowed; it must be a positive number"
        )
    return ResolvedScheme(scheme, float(fan_scale))


def _bias_draw(bias: object, field: str) -> Draw:
    if bias == "zero":
        return draws.zero
    if bias == "default":
        return draws.framework_default
    if is_number(bias):
        value = float(bias)
        return lambda shape, fans, generator: torch.full(tuple(shape), value, device="cpu")
    raise UserError(f"{field}: {bias!r} is not allowed; it must be 'default', 'zero' or a number")


@runtime_checkable
class _Resettable(Protocol):
    def reset_parameters(self) -> None: ...


def initialise(
    model: nn.Module, scheme: str, generator: torch.Generator, **options: object
) -> None:
    """Re-draw every parameter of ``model`` in place, and reset the statistics of its norm layers.

    Works on any plain module, also one a user wrote. Modules are drawn in registration order,
    weight before bias; so two models that differ in the last layer only agree in all others. Draws
    are made on the CPU in float32, then converted. Other layers with parameters (an embedding, say)
    draw by their own ``reset_parameters``. A model on the meta device has no values and is left as
    it is.

    Args:
        model: what to re-draw.
        scheme: a key of ``SCHEMES``.
        generator: a CPU generator; it alone decides the values.
        options: ``bias``: "default" (U(-b, b), b = 1/sqrt(fan_in)), "zero" or a number, in place of
            the scheme's own rule. ``fan_scale``: a positive factor on the fans of the weights, such
            as the density a mask will leave (default 1). ``scope``, for the signed and unsigned
            constants: "all" (default), or "conv" (linear weights are then N(0, 2/fan_in)).

    Raises:
        UserError: an unknown scheme or option, a value that is not allowed, or a layer that has
            parameters but no ``reset_parameters`` method.
        ValueError: a layer's parameters are computed by a parametrization (a learned mask); draw
            before it is attached.
    """
    resolved = resolve_scheme(scheme, options)
    if any(parameter.is_meta for parameter in model.parameters()):
        return
    with torch.no_grad():
        for name, module in model.named_modules():
            _initialise_module(name, module, resolved, generator)


def _initialise_module(
    name: str, module: nn.Module, resolved: ResolvedScheme, generator: torch.Generator
) -> None:
    if parametrize.is_parametrized(module):
        raise ValueError(f"layer {name!r} is parametrized; initialise before that")
    if isinstance(module, (*CONV_TYPES, nn.Linear)):
        for parameter, value in resolved.draw(module, generator):
            getattr(module, parameter).copy_(value)
    elif isinstance(module, NORM_TYPES):
        _reset_norm(module, resolved.scheme.norm_std, generator)
    elif any(True for _ in module.parameters(recurse=False)):
        _reset_by_its_own_method(name, module, generator)


def _reset_norm(module: nn.Module, std: float, generator: torch.Generator) -> None:
    for name, parameter in module.named_parameters(recurse=False):
        parameter.fill_(1.0 if name == "weight" else 0.0)
        if name == "weight" and std:
            noise = draws.standard_normal(parameter.shape, Fans(1, 1), generator)
            parameter.add_((std * noise).to(parameter))
    if isinstance(module, BATCH_NORM_TYPES):
        module.reset_running_stats()


def _reset_by_its_own_method(name: str, module: nn.Module, generator: torch.Generator) -> None:
    """Draw a layer that no scheme knows by ``reset_parameters``, leaving the global state alone."""
    if not isinstance(module, _Resettable):
        raise UserError(
            f"init: layer {name!r} ({type(module).__name__}) has parameters that no scheme knows; "
            "give its class a reset_parameters method"
        )
    seed = int(torch.randint(2**62, (), generator=generator, device="cpu"))
    twin = copy.deepcopy(module).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        assert isinstance(twin, _Resettable)
        twin.reset_parameters()
    new = dict(twin.named_parameters(recurse=False))
    for key, parameter in module.named_parameters(recurse=False):
        parameter.copy_(new[key])
