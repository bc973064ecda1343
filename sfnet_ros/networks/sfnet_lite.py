"""The SFNet-Lite decoder (IJCV 2023): one gated dual flow alignment instead of a pyramid."""

import torch
from torch import nn, Tensor

from .alignment import GDFAM
from .context import PyramidPooling
from .layers import conv_bn_relu, resize


class SFNetLiteHead(nn.Module):
    """
    Align the finest level with the context of the deepest in one jump (IJCV 2023, section 3.3).

    Read are the finest, the last but one and the deepest level.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        width: int,
        num_classes: int,
        gate: str = 'pooled',
        context: type[nn.Module] = PyramidPooling,
    ) -> None:
        super().__init__()
        self.ppm = context(channels[-1], width)
        self.fpn_in = nn.ModuleList(
            conv_bn_relu(c, width, kernel=1, bias=True) for c in (channels[0], channels[-2])
        )
        self.flow_align_module = GDFAM(width, gate)
        self.conv_last = nn.Sequential(
            conv_bn_relu(2 * width, width), nn.Conv2d(width, num_classes, 1)
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Map the backbone's levels, finest first, to logits N x classes x h x w at the finest."""
        fine = self.fpn_in[0](levels[0])
        middle = self.fpn_in[1](levels[-2])
        aligned = self.flow_align_module(fine, self.ppm(levels[-1]))
        return self.conv_last(torch.cat((aligned, resize(middle, fine.shape[-2:])), dim=1))

    def supervised(self, levels: list[Tensor]) -> list[Tensor]:
        """Return the logits alone: the published SFNet-Lite has no deep supervision."""
        return [self(levels)]
