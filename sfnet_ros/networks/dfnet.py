"""
DF1 and DF2, backbones found by partial order pruning (Li et al., CVPR 2019).

The widths and depths are those of the published SFNet weights.
"""

from torch import nn, Tensor

from .resnet import BasicBlock

# Per stage: key, blocks, output channels, stride of the first block, is it returned as a level.
_Stages = tuple[tuple[str, int, int, int, bool], ...]
_DF1: _Stages = (
    ('stage2', 3, 64, 2, False),
    ('stage3', 3, 128, 2, True),
    ('stage4', 3, 256, 2, True),
    ('stage5', 1, 512, 1, True),
)
_DF2: _Stages = (
    ('stage2_1', 2, 64, 2, False),
    ('stage2_2', 1, 128, 1, True),
    ('stage3_1', 10, 128, 2, False),
    ('stage3_2', 1, 256, 1, True),
    ('stage4_1', 4, 256, 2, False),
    ('stage4_2', 2, 512, 1, True),
)


class DFNet(nn.Module):
    """A stem to 1/4, then stages of basic blocks; ``channels`` and ``strides`` tell the levels."""

    def __init__(self, stages: _Stages) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
        )
        inputs, reduction = 64, 4
        channels, strides = [], []
        for name, depth, outputs, stride, returned in stages:
            blocks = [BasicBlock(inputs, outputs, stride)]
            blocks += [BasicBlock(outputs, outputs) for _ in range(depth - 1)]
            self.add_module(name, nn.Sequential(*blocks))
            inputs, reduction = outputs, reduction * stride
            if returned:
                channels.append(outputs)
                strides.append(reduction)
        self.channels, self.strides = tuple(channels), tuple(strides)
        self._stages = tuple((name, returned) for name, _, _, _, returned in stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map a normalised RGB batch N x 3 x H x W to its three levels, finest first."""
        levels = []
        x = self.stage1(x)
        for name, returned in self._stages:
            x = getattr(self, name)(x)
            if returned:
                levels.append(x)
        return levels


def df1() -> DFNet:
    """Build DF1: levels of 128, 256, 512 channels at 1/16, 1/32, 1/32."""
    return DFNet(_DF1)


def df2() -> DFNet:
    """Build DF2: levels of 128, 256, 512 channels at 1/8, 1/16, 1/32."""
    return DFNet(_DF2)
