"""Wide convolutions on tiny images as matrix products, where the CPU's own kernels are slow.

The last layers of VGG19 or ResNet50 convolve hundreds of channels on 4x4 or 2x2 pixels. The CPU
library spends two to four times the arithmetic's time there (most of it in the gradients), while
one matrix product over unfolded windows runs at full speed. The models stay as they are: the
product stands in for ``conv2d`` while this mode is active.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from common.training.precision import Precision

MOST_PIXELS, FEWEST_CHANNELS = 16, 256


def convolve_as_product(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the 3x3 convolution with stride 1 and zero padding 1, as one matrix product.

    Args:
        images: (batch, in channels, height, width); fastest in channels_last memory format.
        weight: (out channels, in channels, 3, 3).
        bias: (out channels,) or None.

    Returns:
        (batch, out channels, height, width), channels_last.
    """
    batch, channels, height, width = images.shape
    padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    windows = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    columns = torch.stack(windows, dim=3).view(-1, 9 * channels)
    rows = weight.permute(0, 2, 3, 1).reshape(len(weight), 9 * channels)
    product = F.linear(columns, rows, bias)
    return product.view(batch, height, width, len(weight)).permute(0, 3, 1, 2)


class WideConvolutions(TorchFunctionMode):
    """Replaces the calls of ``conv2d`` that a matrix product computes faster on a CPU."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute ``func``, in the faster way where it is such a convolution."""
        if func in (F.conv2d, torch.conv2d) and not kwargs and _is_suited(*args):
            return convolve_as_product(*args[:3])
        return func(*args, **(kwargs or {}))


def _is_suited(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> bool:
    return (
        images.dim() == 4
        and images.shape[2] * images.shape[3] <= MOST_PIXELS
        and weight.shape[1] >= FEWEST_CHANNELS
        and tuple(weight.shape[2:]) == (3, 3)
        and groups == 1
        and all(_pair(value) == (1, 1) for value in (stride, padding, dilation))
    )


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else tuple(value)


def fast_convolutions(
    model: nn.Module, device: torch.device, precision: Precision
) -> AbstractContextManager[object]:
    """Return the mode that a model's forward and backward passes should run in.

    It is active for float32 on a CPU and a model that has such wide convolutions, and changes a
    result only by the rounding of sums in another order.
    """
    wide = any(
        isinstance(module, nn.Conv2d) and module.in_channels >= FEWEST_CHANNELS
        for module in model.modules()
    )
    if device.type == "cpu" and precision == "float32" and wide:
        return WideConvolutions()
    return contextlib.nullcontext()
