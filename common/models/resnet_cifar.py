"""The CIFAR family of ResNets: depth 6n + 2, three stages of n blocks, widths w, 2w and 4w."""

from __future__ import annotations

from torch import Tensor, nn

from common.models.head import classify, make_layer
from common.models.residual import BasicBlock, Bottleneck, make_stage


class CifarResNet(nn.Module):
    """A ResNet of depth 6n + 2 for small images.

    Stem 3x3 convolution, three stages of n blocks with strides 1, 2, 2, global average pool, one
    linear layer. ``(depth - 2) // 6`` blocks make a stage whether or not they are bottlenecks.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        depth: 6n + 2.
        width: channels of the first stage.
        shortcut: "B" (1x1 convolution and batch norm) or "A" (no weights) where the shape changes.
        bottleneck: bottleneck blocks (four times the width) in place of basic ones.
        bn_affine: batch norm with learnable scale and shift.
        classifier: kind of the last layer, "linear" or "conv" (1x1).
        classifier_bias: bias of the last layer.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        depth: int,
        width: int,
        shortcut: str,
        bottleneck: bool,
        bn_affine: bool,
        classifier: str,
        classifier_bias: bool,
    ) -> None:
        super().__init__()
        block = Bottleneck if bottleneck else BasicBlock
        blocks = (depth - 2) // 6
        e = block.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, affine=bn_affine)
        self.relu1 = nn.ReLU()
        self.layer1 = make_stage(
            block, width, width, 1, blocks, shortcut=shortcut, bn_affine=bn_affine
        )
        self.layer2 = make_stage(
            block, e * width, 2 * width, 2, blocks, shortcut=shortcut, bn_affine=bn_affine
        )
        self.layer3 = make_stage(
            block, e * 2 * width, 4 * width, 2, blocks, shortcut=shortcut, bn_affine=bn_affine
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = make_layer(classifier, e * 4 * width, num_classes, classifier_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return classify(self.pool(x), self.classifier)
