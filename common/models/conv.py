"""Convolutional networks without shortcuts: Conv2, Conv4 and Conv6, LeNet-5, and a small CNN."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from common.errors import UserError
from common.models.head import classify, make_layer
from common.models.options import scaled


def pooled_size(image_size: int, smallest: int, size: int) -> int:
    """Return ``size``, the side of the last feature map, if it is positive.

    Args:
        image_size: side of the images, for the error message.
        smallest: the smallest side that works, for the error message.
        size: side of the map in front of the first linear layer.

    Raises:
        UserError: nothing is left of the image.
    """
    if size < 1:
        raise UserError(
            f"model.image_size: {image_size} is too small for this model; the least is {smallest}"
        )
    return size


class PairedConvNet(nn.Module):
    """Conv2, Conv4 and Conv6: pairs of 3x3 convolutions, a 2x2 max pool each, three linear layers.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        widths: channels of each pair.
        width_mult: factor on every hidden width, rounded.
        image_size: side of the images in pixels.
        bias: bias of all layers.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        widths: Sequence[int],
        width_mult: float,
        image_size: int,
        bias: bool,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = in_channels
        for pair, full_width in enumerate(widths, start=1):
            width = scaled(full_width, width_mult)
            for index in (2 * pair - 1, 2 * pair):
                layers[f"conv{index}"] = nn.Conv2d(channels, width, 3, padding=1, bias=bias)
                layers[f"relu{index}"] = nn.ReLU()
                channels = width
            layers[f"pool{pair}"] = nn.MaxPool2d(2)
        pools = len(widths)
        side = pooled_size(image_size, 2**pools, image_size // 2**pools)
        hidden = scaled(256, width_mult)
        self.features = nn.Sequential(layers)
        self.fc1 = nn.Linear(channels * side * side, hidden, bias=bias)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(hidden, hidden, bias=bias)
        self.relu2 = nn.ReLU()
        self.classifier = nn.Linear(hidden, num_classes, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, image_size, image_size) to logits (N, num_classes)."""
        x = self.features(x).flatten(1)
        x = self.relu2(self.fc2(self.relu1(self.fc1(x))))
        return self.classifier(x)


class LeNet5(nn.Module):
    """LeNet-5 in two variants: "cifar" (the classic one) and "mnist" (wide, one pool).

    "cifar" has 5x5 convolutions to 6 and 16 channels, a 2x2 max pool each, and linear layers of 120
    and 84. "mnist" has two padded 3x3 convolutions to 64 channels, one pool, and two linear layers
    of 256.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        variant: "cifar" or "mnist".
        image_size: side of the images in pixels.
    """

    def __init__(
        self, num_classes: int, in_channels: int, *, variant: str, image_size: int
    ) -> None:
        super().__init__()
        if variant == "cifar":
            channels, hidden = 16, (120, 84)
            side = pooled_size(image_size, 16, ((image_size - 4) // 2 - 4) // 2)
            layers = OrderedDict(
                conv1=nn.Conv2d(in_channels, 6, 5),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(6, 16, 5),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(2),
            )
        else:
            channels, hidden = 64, (256, 256)
            side = pooled_size(image_size, 2, image_size // 2)
            layers = OrderedDict(
                conv1=nn.Conv2d(in_channels, 64, 3, padding=1),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(64, 64, 3, padding=1),
                relu2=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
            )
        self.features = nn.Sequential(layers)
        self.fc1 = nn.Linear(channels * side * side, hidden[0])
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(hidden[0], hidden[1])
        self.relu2 = nn.ReLU()
        self.classifier = nn.Linear(hidden[1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, image_size, image_size) to logits (N, num_classes)."""
        x = self.features(x).flatten(1)
        x = self.relu2(self.fc2(self.relu1(self.fc1(x))))
        return self.classifier(x)


class SmallCNN(nn.Module):
    """Six 3x3 convolutions of widths w, w, 2w, 2w, 4w, 4w for runs of seconds on one core.

    The third and the fifth have stride 2; batch norm and ReLU follow each; then a global average
    pool and one linear layer.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        width: channels of the first two convolutions.
        bn_affine: batch norm with learnable scale and shift.
        classifier: kind of the last layer, "linear" or "conv" (1x1).
        classifier_bias: bias of the last layer.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        width: int,
        bn_affine: bool,
        classifier: str,
        classifier_bias: bool,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = in_channels
        plan = ((1, 1), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1))
        for index, (multiple, stride) in enumerate(plan, start=1):
            out = multiple * width
            layers[f"conv{index}"] = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
            layers[f"bn{index}"] = nn.BatchNorm2d(out, affine=bn_affine)
            layers[f"relu{index}"] = nn.ReLU()
            channels = out
        self.features = nn.Sequential(layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = make_layer(classifier, channels, num_classes, classifier_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, num_classes)."""
        return classify(self.pool(self.features(x)), self.classifier)
