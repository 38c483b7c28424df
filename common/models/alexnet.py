"""AlexNet for 32x32 images: five 3x3 convolutions and three linear layers with dropout."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from common.models.conv import pooled_size
from common.models.options import scaled


class AlexNet(nn.Module):
    """AlexNet with 3x3 convolutions (the first has stride 2), three max pools and no batch norm.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        width_mult: factor on every hidden width, rounded.
        image_size: side of the images in pixels.
        dropout: probability to drop an input of the two hidden linear layers.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        width_mult: float,
        image_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4, hidden = (scaled(w, width_mult) for w in (64, 192, 384, 256, 4096))
        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(in_channels, c1, 3, 2, padding=1),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(c1, c2, 3, padding=1),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(2),
                conv3=nn.Conv2d(c2, c3, 3, padding=1),
                relu3=nn.ReLU(),
                conv4=nn.Conv2d(c3, c4, 3, padding=1),
                relu4=nn.ReLU(),
                conv5=nn.Conv2d(c4, c4, 3, padding=1),
                relu5=nn.ReLU(),
                pool3=nn.MaxPool2d(2),
            )
        )
        side = pooled_size(image_size, 15, (image_size + 1) // 2 // 8)
        self.dropout1 = nn.Dropout(dropout)
        self.fc1 = nn.Linear(c4 * side * side, hidden)
        self.relu1 = nn.ReLU()
        self.dropout2 = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, hidden)
        self.relu2 = nn.ReLU()
        self.classifier = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, image_size, image_size) to logits (N, num_classes)."""
        x = self.features(x).flatten(1)
        x = self.relu1(self.fc1(self.dropout1(x)))
        x = self.relu2(self.fc2(self.dropout2(x)))
        return self.classifier(x)
