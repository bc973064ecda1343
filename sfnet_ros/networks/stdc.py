"""STDC1 and STDC2, short-term dense concatenate backbones (Fan et al., CVPR 2021)."""

import torch
from torch import nn, Tensor


class ConvX(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x inputs x h x w to N x outputs x h/stride x w/stride."""
        return self.relu(self.bn(self.conv(x)))


class STDCBlock(nn.Module):
    """Four convolutions of falling width, concatenated (STDC paper, section 3.1, figure 3)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv_list = nn.ModuleList(
            [
                ConvX(inputs, outputs // 2, kernel=1),
                ConvX(outputs // 2, outputs // 4),
                ConvX(outputs // 4, outputs // 8),
                ConvX(outputs // 8, outputs // 8),
            ]
        )
        self.avd_layer: nn.Sequential | None = None
        if stride == 2:
            half = outputs // 2
            self.avd_layer = nn.Sequential(
                nn.Conv2d(half, half, 3, stride=2, padding=1, groups=half, bias=False),
                nn.BatchNorm2d(half),
            )
            # The padded zeros count in the mean, as in the published weights.
            self.skip = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x inputs x h x w to N x outputs x h/stride x w/stride."""
        first = self.conv_list[0](x)
        parts = [first]
        x = first
        if self.avd_layer is not None:
            parts = [self.skip(first)]
            x = self.avd_layer(first)
        for conv in self.conv_list[1:]:
            x = conv(x)
            parts.append(x)
        return torch.cat(parts, dim=1)


class STDCNet(nn.Module):
    """Two strided convolutions, then three stages of STDC blocks; levels at 1/4 to 1/32."""

    channels = (64, 256, 512, 1024)
    strides = (4, 8, 16, 32)

    def __init__(self, depths: tuple[int, int, int]) -> None:
        super().__init__()
        features: list[nn.Module] = [ConvX(3, 32, stride=2), ConvX(32, 64, stride=2)]
        inputs = 64
        ends = [1]
        for depth, outputs in zip(depths, (256, 512, 1024), strict=True):
            for index in range(depth):
                features.append(STDCBlock(inputs, outputs, stride=2 if index == 0 else 1))
                inputs = outputs
            ends.append(len(features) - 1)
        self.features = nn.ModuleList(features)
        self._ends = frozenset(ends)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map a normalised RGB batch N x 3 x H x W to its four levels, finest first."""
        levels = []
        for index, feature in enumerate(self.features):
            x = feature(x)
            if index in self._ends:
                levels.append(x)
        return levels


def stdc1() -> STDCNet:
    """Build STDC1 (called 813 by its authors)."""
    return STDCNet((2, 2, 2))


def stdc2() -> STDCNet:
    """Build STDC2 (called 1446 by its authors)."""
    return STDCNet((4, 5, 3))
