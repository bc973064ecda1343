"""
EfficientNet-Lite, backbones for edge devices: ReLU6, no squeeze-and-excite.

Inverted residuals are from MobileNetV2 (Sandler et al., CVPR 2018), widths and depths from
EfficientNet (Tan and Le, ICML 2019) as its authors cut it down for TensorFlow Lite (2020): from
one size to the next all stages grow but the stem and the depth of the first and last stage.
"""

from torch import nn, Tensor

# Expansion, stride and kernel of each stage; the levels are the last at each resolution.
_STAGES = ((1, 1, 3), (6, 2, 3), (6, 2, 5), (6, 2, 3), (6, 1, 5), (6, 2, 5), (6, 1, 3))
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


class EfficientNetLite(nn.Module):
    """
    Four levels at 1/4 to 1/32.

    :param widths: output channels of the seven stages. :param depths: their blocks.
    """

    strides = (4, 8, 16, 32)

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = tuple(widths[index] for index in _LEVEL_STAGES)
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False), _norm(32), nn.ReLU6(inplace=True)
        )
        stages = []
        inputs = 32
        for (expansion, stride, kernel), outputs, depth in zip(
            _STAGES, widths, depths, strict=True
        ):
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


def efficientnet_lite0() -> EfficientNetLite:
    """EfficientNet-Lite0: levels of 24, 40, 112 and 320 channels."""
    return EfficientNetLite((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1))


def efficientnet_lite1() -> EfficientNetLite:
    """EfficientNet-Lite1: as Lite0, 1.1 times as deep."""
    return EfficientNetLite((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1))


def efficientnet_lite2() -> EfficientNetLite:
    """EfficientNet-Lite2: 1.1 times as wide and 1.2 times as deep as Lite0."""
    return EfficientNetLite((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1))
