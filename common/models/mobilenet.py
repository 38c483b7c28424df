"""MobileNets for small images: depthwise-separable (V1) and inverted-residual (V2) networks."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from common.models.head import classify, make_layer
from common.models.options import scaled

#: Output channels and stride of the thirteen depthwise and pointwise pairs of V1.
V1_PAIRS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)

#: Expansion, output channels, repeats and stride of the groups of V2.
V2_GROUPS = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class SeparableBlock(nn.Module):
    """A depthwise 3x3 convolution (with the stride) and a pointwise one, BN and ReLU after each."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, bn_affine: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False
        )
        self.bn1 = nn.BatchNorm2d(in_channels, affine=bn_affine)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, affine=bn_affine)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        x = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(x)))


class MobileNetV1(nn.Module):
    """MobileNet-V1 with a stem of stride 1.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        width_mult: factor on every width, rounded.
        bn_affine: batch norm with learnable scale and shift.
        classifier: kind of the last layer, "linear" or "conv" (1x1).
        classifier_bias: bias of the last layer.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        width_mult: float,
        bn_affine: bool,
        classifier: str,
        classifier_bias: bool,
    ) -> None:
        super().__init__()
        channels = scaled(32, width_mult)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, affine=bn_affine)
        self.relu1 = nn.ReLU()
        blocks = []
        for full_width, stride in V1_PAIRS:
            width = scaled(full_width, width_mult)
            blocks.append(SeparableBlock(channels, width, stride, bn_affine))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = make_layer(classifier, channels, num_classes, classifier_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.blocks(self.relu1(self.bn1(self.conv1(x))))
        return classify(self.pool(x), self.classifier)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise 3x3, linear 1x1 projection; a shortcut wherever the stride is 1.

    The shortcut is the identity, or a 1x1 convolution and batch norm where the width changes.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expansion: int, bn_affine: bool
    ) -> None:
        super().__init__()
        width = expansion * in_channels
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, affine=bn_affine)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, groups=width, bias=False)
        self.bn2 = nn.BatchNorm2d(width, affine=bn_affine)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels, affine=bn_affine)
        self.residual = stride == 1
        self.shortcut: nn.Module = nn.Identity()
        if self.residual and in_channels != out_channels:
            self.shortcut = nn.Sequential(
                OrderedDict(
                    conv=nn.Conv2d(in_channels, out_channels, 1, bias=False),
                    bn=nn.BatchNorm2d(out_channels, affine=bn_affine),
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return out + self.shortcut(x) if self.residual else out


class MobileNetV2(nn.Module):
    """MobileNet-V2 for small images: stem of stride 1, ReLU throughout.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        width_mult: factor on every width, the head's 1280 too, rounded.
        bn_affine: batch norm with learnable scale and shift.
        classifier: kind of the last layer, "linear" or "conv" (1x1).
        classifier_bias: bias of the last layer.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        width_mult: float,
        bn_affine: bool,
        classifier: str,
        classifier_bias: bool,
    ) -> None:
        super().__init__()
        channels = scaled(32, width_mult)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, affine=bn_affine)
        self.relu1 = nn.ReLU()
        blocks = []
        for expansion, full_width, repeats, group_stride in V2_GROUPS:
            width = scaled(full_width, width_mult)
            for repeat in range(repeats):
                stride = group_stride if repeat == 0 else 1
                blocks.append(InvertedResidual(channels, width, stride, expansion, bn_affine))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        head = scaled(1280, width_mult)
        self.conv2 = nn.Conv2d(channels, head, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(head, affine=bn_affine)
        self.relu2 = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = make_layer(classifier, head, num_classes, classifier_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.blocks(self.relu1(self.bn1(self.conv1(x))))
        x = self.relu2(self.bn2(self.conv2(x)))
        return classify(self.pool(x), self.classifier)
