"""
Deep-stem ResNet-18, -50 and -101, the backbones of SFNet, SFNet-Lite and SRNet.

Residual networks are from He et al., CVPR 2016; the stem of three 3x3 convolutions and 128
channels and the dilations are those of the published SFNet weights: ``layer3`` has dilation 2 and
``layer4`` dilation 4 in every second convolution, while the strides of the plain network are kept.
"""

from torch import nn, Tensor


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; the second one carries the dilation."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x inputs x h x w to N x planes x h/stride x w/stride."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + shortcut)


class Bottleneck(nn.Module):
    """1x1, 3x3 (stride and dilation), 1x1 convolutions with a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(
            planes, planes, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x inputs x h x w to N x 4*planes x h/stride x w/stride."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + shortcut)


class ResNet(nn.Module):
    """
    Deep-stem ResNet returning the outputs of its four stages, finest first.

    ``channels`` and ``strides`` describe what is returned. With ``stride8`` the last two stages
    keep the resolution (SRNet); only bottleneck networks are published that way.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        stride8: bool = False,
    ) -> None:
        super().__init__()
        self.channels = tuple(planes * block.expansion for planes in (64, 128, 256, 512))
        self.strides = (4, 8, 8, 8) if stride8 else (4, 8, 16, 32)
        stem = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, 3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 128, 3, padding=1, bias=False),
        )
        self.layer0 = nn.Sequential(
            stem, nn.BatchNorm2d(128), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2, padding=1)
        )
        deep_stride = 1 if stride8 else 2
        self.layer1 = _stage(block, 128, 64, depths[0], stride=1)
        self.layer2 = _stage(block, self.channels[0], 128, depths[1], stride=2)
        self.layer3 = _stage(block, self.channels[1], 256, depths[2], deep_stride, dilation=2)
        self.layer4 = _stage(block, self.channels[2], 512, depths[3], deep_stride, dilation=4)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map a normalised RGB batch N x 3 x H x W to its four levels, finest first."""
        levels = []
        x = self.layer0(x)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            levels.append(x)
        return levels


def _stage(
    block: type[BasicBlock] | type[Bottleneck],
    inputs: int,
    planes: int,
    depth: int,
    stride: int,
    dilation: int = 1,
) -> nn.Sequential:
    outputs = planes * block.expansion
    return nn.Sequential(
        block(inputs, planes, stride, dilation),
        *(block(outputs, planes, 1, dilation) for _ in range(depth - 1)),
    )


def resnet18() -> ResNet:
    """Build the deep-stem ResNet-18 (levels of 64, 128, 256, 512 channels)."""
    return ResNet(BasicBlock, (2, 2, 2, 2))


def resnet50(stride8: bool = False) -> ResNet:
    """Build the deep-stem ResNet-50 (levels of 256, 512, 1024, 2048 channels)."""
    return ResNet(Bottleneck, (3, 4, 6, 3), stride8)


def resnet101(stride8: bool = False) -> ResNet:
    """Build the deep-stem ResNet-101 (levels of 256, 512, 1024, 2048 channels)."""
    return ResNet(Bottleneck, (3, 4, 23, 3), stride8)
