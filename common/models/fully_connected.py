"""Fully connected networks, such as the 784-300-100-10 one for MNIST."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn


class FullyConnected(nn.Module):
    """Linear layers with ReLU between them, on the flattened image.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        hidden: widths of the hidden layers.
        image_size: side of the images in pixels.
        bias: bias of all layers.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        hidden: Sequence[int],
        image_size: int,
        bias: bool,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        width = in_channels * image_size * image_size
        for index, out in enumerate(hidden, start=1):
            layers[f"fc{index}"] = nn.Linear(width, out, bias=bias)
            layers[f"relu{index}"] = nn.ReLU()
            width = out
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(width, num_classes, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, image_size, image_size) to logits (N, num_classes)."""
        return self.classifier(self.features(x.flatten(1)))
