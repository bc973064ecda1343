"""
EfficientNet-Lite0, a backbone for edge devices: ReLU6, no squeeze-and-excite.

Inverted residuals are from MobileNetV2 (Sandler et al., CVPR 2018), widths and depths from
EfficientNet-B0 (Tan and Le, ICML 2019) as its authors cut it down for TensorFlow Lite (2020).
"""

from torch import nn, Tensor

# Expansion, output channels, depth, stride, kernel; the levels are the last at each resolution.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_LEVEL_STAGES = (1, 2, 4, 6)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project; a shortcut where shape allows."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand: nn.Sequential | None = None
        if expansion != 1:
            self.expand = nn.Sequential(
                nn.Conv2d(inputs, hidden, 1, bias=False), _norm(hidden), nn.ReLU6(inplace=True)
            )
        self.depthwise = nn.Sequential(
            nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
            _norm(hidden),
            nn.ReLU6(inplace=True),
        )
        self.project = nn.Sequential(nn.Conv2d(hidden, outputs, 1, bias=False), _norm(outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map N x inputs x h x w to N x outputs x h/stride x w/stride."""
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Levels of 24, 40, 112 and 320 channels at 1/4 to 1/32."""

    channels = (24, 40, 112, 320)
    strides = (4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False), _norm(32), nn.ReLU6(inplace=True)
        )
        stages = []
        inputs = 32
        for expansion, outputs, depth, stride, kernel in _STAGES:
            blocks = []
            for index in range(depth):
                first_stride = stride if index == 0 else 1
                blocks.append(InvertedResidual(inputs, outputs, expansion, first_stride, kernel))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map a normalised RGB batch N x 3 x H x W to its four levels, finest first."""
        levels = []
        x = self.stem(x)
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _LEVEL_STAGES:
                levels.append(x)
        return levels
