"""ShuffleNetV2 at width 1.0 (Ma et al., ECCV 2018), a backbone the SFNet paper ablates."""

import torch
from torch import nn, Tensor


def _pointwise(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


class ShuffleUnit(nn.Module):
    """A split (or, strided, doubled) unit followed by a channel shuffle (figure 3c and 3d)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.shortcut: nn.Sequential | None = None
        if stride == 2:
            self.shortcut = nn.Sequential(*_depthwise(inputs, 2), *_pointwise(inputs, half))
        branch_inputs = inputs if stride == 2 else half
        self.branch = nn.Sequential(
            *_pointwise(branch_inputs, half), *_depthwise(half, stride), *_pointwise(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map N x inputs x h x w to N x outputs x h/stride x w/stride."""
        if self.shortcut is None:
            kept, changed = x.chunk(2, dim=1)
        else:
            kept, changed = self.shortcut(x), x
        y = torch.stack((kept, self.branch(changed)), dim=2)  # N x half x 2 x h x w: interleaved
        return y.flatten(1, 2)


class ShuffleNetV2(nn.Module):
    """Levels of 24, 116, 232 and 464 channels at 1/4 to 1/32."""

    channels = (24, 116, 232, 464)
    strides = (4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        stages = []
        for inputs, outputs, depth in ((24, 116, 4), (116, 232, 8), (232, 464, 4)):
            units = [ShuffleUnit(inputs, outputs, stride=2)]
            units += [ShuffleUnit(outputs, outputs, stride=1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*units))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map a normalised RGB batch N x 3 x H x W to its four levels, finest first."""
        levels = [self.stem(x)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        return levels
