"""VGG networks with a single linear layer behind a global average pool."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from common.models.head import classify, make_layer
from common.models.options import scaled

#: Output channels of the 3x3 convolutions; "M" is a 2x2 max pool. VGG19 has no pool at its end.
PLANS: dict[str, tuple[int | str, ...]] = {
    "vgg11": (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "vgg16": (64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"),
    "vgg19": (64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4),
}


class VGG(nn.Module):
    """A VGG network: 3x3 convolutions, batch norm, ReLU, max pools, average pool, one linear layer.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        plan: a key of ``PLANS``.
        width_mult: factor on every width, rounded.
        batch_norm: batch norm after each convolution.
        bn_affine: batch norm with learnable scale and shift.
        conv_bias: bias of the convolutions.
        classifier: kind of the last layer, "linear" or "conv" (1x1).
        classifier_bias: bias of the last layer.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        plan: str,
        width_mult: float,
        batch_norm: bool,
        bn_affine: bool,
        conv_bias: bool,
        classifier: str,
        classifier_bias: bool,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels, conv, pool = in_channels, 0, 0
        entries = PLANS[plan]
        for position, entry in enumerate(entries):
            if isinstance(entry, str):
                pool += 1
                # A last pool on a 1x1 map (images of 16 or 28 pixels) lets it pass.
                last = position == len(entries) - 1
                layers[f"pool{pool}"] = nn.MaxPool2d(2, ceil_mode=last)
                continue
            conv += 1
            width = scaled(entry, width_mult)
            layers[f"conv{conv}"] = nn.Conv2d(channels, width, 3, padding=1, bias=conv_bias)
            if batch_norm:
                layers[f"bn{conv}"] = nn.BatchNorm2d(width, affine=bn_affine)
            layers[f"relu{conv}"] = nn.ReLU()
            channels = width
        self.features = nn.Sequential(layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = make_layer(classifier, channels, num_classes, classifier_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, num_classes)."""
        return classify(self.pool(self.features(x)), self.classifier)
