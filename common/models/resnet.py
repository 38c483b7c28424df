"""The four-stage ResNets (18, 34, 50, 101, 152), with the stem for large or for small images."""

from __future__ import annotations

from torch import Tensor, nn

from common.models.head import classify, make_layer
from common.models.residual import BasicBlock, Bottleneck, make_stage

#: Blocks of the four stages, by depth; bottleneck blocks from 50 on.
STAGES = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


class ResNet(nn.Module):
    """A four-stage ResNet of widths w, 2w, 4w and 8w and strides 1, 2, 2, 2.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        depth: 18, 34, 50, 101 or 152.
        width: channels of the first stage.
        stem: "cifar" (3x3 convolution) or "imagenet" (7x7, stride 2, then a 3x3 max pool of stride
            2).
        shortcut: "B" (1x1 convolution and batch norm) or "A" (no weights) where the shape changes.
        bn_affine: batch norm with learnable scale and shift.
        classifier: kind of the last layer, "linear" or "conv" (1x1).
        classifier_bias: bias of the last layer.
        dropout: probability to drop a pooled feature in training.
        head: "linear", or "two_layer": a hidden layer of the classifier's kind before it, without a
            nonlinearity between them, that is a classifier of low rank.
        head_width: width of that hidden layer, which has a bias where the classifier has one.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        depth: int,
        width: int,
        stem: str,
        shortcut: str,
        bn_affine: bool,
        classifier: str,
        classifier_bias: bool,
        dropout: float,
        head: str,
        head_width: int,
    ) -> None:
        super().__init__()
        block = Bottleneck if depth >= 50 else BasicBlock
        large = stem == "imagenet"
        self.conv1 = (
            nn.Conv2d(in_channels, width, 7, 2, padding=3, bias=False)
            if large
            else nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        )
        self.bn1 = nn.BatchNorm2d(width, affine=bn_affine)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(3, 2, padding=1) if large else nn.Identity()
        stages = []
        channels = width
        for index, blocks in enumerate(STAGES[depth]):
            stage_width = width * 2**index
            stride = 1 if index == 0 else 2
            stages.append(
                make_stage(
                    block,
                    channels,
                    stage_width,
                    stride,
                    blocks,
                    shortcut=shortcut,
                    bn_affine=bn_affine,
                )
            )
            channels = block.expansion * stage_width
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.pool = nn.AdaptiveAvgPool2d(1)
        # An inactive dropout would still count as random to whoever looks for dropout layers.
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.hidden: nn.Module = nn.Identity()
        if head == "two_layer":
            self.hidden = make_layer(classifier, channels, head_width, classifier_bias)
            channels = head_width
        self.classifier = make_layer(classifier, channels, num_classes, classifier_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.pool1(self.relu1(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return classify(self.dropout(self.pool(x)), self.hidden, self.classifier)
