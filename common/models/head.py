"""The end of the networks with a global pool: linear layers, or the same as 1x1 convolutions."""

from __future__ import annotations

from torch import Tensor, nn


def make_layer(kind: str, in_features: int, out_features: int, bias: bool) -> nn.Module:
    """Return a layer that acts on pooled features.

    Args:
        kind: "linear" or "conv" (a 1x1 convolution, whose weight has two more dimensions of 1).
        in_features: channels of the pooled map.
        out_features: classes, or the width of a hidden layer.
        bias: whether the layer has one.
    """
    if kind == "conv":
        return nn.Conv2d(in_features, out_features, 1, bias=bias)
    return nn.Linear(in_features, out_features, bias=bias)


def classify(pooled: Tensor, *layers: nn.Module) -> Tensor:
    """Map a pooled map (N, C, 1, 1) to logits (N, classes) through layers of ``make_layer``.

    All layers are of the kind of the last one.
    """
    x = pooled if isinstance(layers[-1], nn.Conv2d) else pooled.flatten(1)
    for layer in layers:
        x = layer(x)
    return x.flatten(1)
