"""The residual blocks that the CIFAR and the ImageNet families of ResNets share.

Every activation is a module of its own, used once, so that a recipe can swap it from outside, and
none works in place, so that a hook sees the value a layer gave. In each block the shortcut is
registered last: layers are counted in the order convolutions, then shortcut.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F


class PadShortcut(nn.Module):
    """The shortcut without weights ("option A"): take every ``stride``-th pixel, pad channels by 0.

    Half of the new channels come before and half after the old ones.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        new = out_channels - in_channels
        self.before, self.after = new // 2, new - new // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        kept = x[:, :, :: self.stride, :: self.stride]
        return F.pad(kept, (0, 0, 0, 0, self.before, self.after))


def make_shortcut(
    kind: str, in_channels: int, out_channels: int, stride: int, bn_affine: bool
) -> nn.Module:
    """Return the identity where shapes agree, else option "A" (pads) or "B" (1x1 conv and BN)."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "A":
        return PadShortcut(in_channels, out_channels, stride)
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            bn=nn.BatchNorm2d(out_channels, affine=bn_affine),
        )
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; the first has the stride."""

    expansion = 1

    def __init__(
        self, in_channels: int, width: int, stride: int, *, shortcut: str, bn_affine: bool
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, affine=bn_affine)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, affine=bn_affine)
        self.relu2 = nn.ReLU()
        self.shortcut = make_shortcut(shortcut, in_channels, width, stride, bn_affine)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, width, H / stride, W / stride)."""
        out = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(out)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3 (which has the stride) and 1x1 to four times the width."""

    expansion = 4

    def __init__(
        self, in_channels: int, width: int, stride: int, *, shortcut: str, bn_affine: bool
    ) -> None:
        super().__init__()
        out_channels = self.expansion * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, affine=bn_affine)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, affine=bn_affine)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels, affine=bn_affine)
        self.relu3 = nn.ReLU()
        self.shortcut = make_shortcut(shortcut, in_channels, out_channels, stride, bn_affine)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, 4 * width, H / stride, W / stride)."""
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        return self.relu3(self.bn3(self.conv3(out)) + self.shortcut(x))


def make_stage(
    block: type[BasicBlock] | type[Bottleneck],
    in_channels: int,
    width: int,
    stride: int,
    blocks: int,
    *,
    shortcut: str,
    bn_affine: bool,
) -> nn.Sequential:
    """Return ``blocks`` blocks in a row; the first has the stride and changes the channel count."""
    out_channels = block.expansion * width
    layers = [block(in_channels, width, stride, shortcut=shortcut, bn_affine=bn_affine)]
    layers += [
        block(out_channels, width, 1, shortcut=shortcut, bn_affine=bn_affine)
        for _ in range(blocks - 1)
    ]
    return nn.Sequential(*layers)
