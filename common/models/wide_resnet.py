"""The wide ResNet 28-2: pre-activation blocks, widths 2w, 4w and 8w behind a stem of width w."""

from __future__ import annotations

from torch import Tensor, nn

from common.models.head import classify, make_layer


class PreActivationBlock(nn.Module):
    """Batch norm and ReLU before each of two 3x3 convolutions.

    Where the channel count changes, the 1x1 shortcut convolution (without batch norm) acts on the
    activated input; elsewhere the raw input is added.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, bn_affine: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels, affine=bn_affine)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, affine=bn_affine)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.projects = in_channels != out_channels
        self.shortcut = (
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            if self.projects
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        active = self.relu1(self.bn1(x))
        out = self.conv2(self.relu2(self.bn2(self.conv1(active))))
        return out + self.shortcut(active if self.projects else x)


class WideResNet28x2(nn.Module):
    """A wide ResNet of depth 28 and widening factor 2.

    Three groups of four blocks with strides 1, 2, 2.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        width: channels of the stem; the groups have 2, 4 and 8 times as many.
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
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        groups = []
        channels = width
        for out_channels, stride in ((2 * width, 1), (4 * width, 2), (8 * width, 2)):
            blocks = [PreActivationBlock(channels, out_channels, stride, bn_affine)]
            blocks += [
                PreActivationBlock(out_channels, out_channels, 1, bn_affine) for _ in range(3)
            ]
            groups.append(nn.Sequential(*blocks))
            channels = out_channels
        self.layer1, self.layer2, self.layer3 = groups
        self.bn1 = nn.BatchNorm2d(channels, affine=bn_affine)
        self.relu1 = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = make_layer(classifier, channels, num_classes, classifier_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        x = self.relu1(self.bn1(x))
        return classify(self.pool(x), self.classifier)
