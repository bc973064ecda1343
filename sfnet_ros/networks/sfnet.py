"""The SFNet decoder (ECCV 2020): a feature pyramid whose levels are joined by FAM."""

import torch
from torch import nn, Tensor

from .alignment import FAM
from .context import PyramidPooling
from .layers import classifier, conv_bn_relu, resize


class Resize(nn.Module):
    """Plain upsampling in the place of FAM: the FPN baseline of the papers."""

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Resize ``high`` (N x C x h x w) to the size of ``low`` (N x C x H x W)."""
        return resize(high, low.shape[-2:])


class SFNetHead(nn.Module):
    """
    Top-down feature pyramid over all levels (ECCV 2020, section 3.3, figure 3b).

    The recursion carries the sum of lateral and aligned feature; the smoothed outputs are only
    concatenated for the classifier.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        width: int,
        num_classes: int,
        aligned: bool = True,
        deep_supervision: bool = False,
        context: type[nn.Module] = PyramidPooling,
    ) -> None:
        super().__init__()
        laterals = channels[:-1]
        self.ppm = context(channels[-1], width)
        self.fpn_in = nn.ModuleList(conv_bn_relu(c, width, kernel=1, bias=True) for c in laterals)
        self.fpn_out = nn.ModuleList(nn.Sequential(conv_bn_relu(width, width)) for _ in laterals)
        self.fpn_out_align = nn.ModuleList(FAM(width) if aligned else Resize() for _ in laterals)
        self.dsn: nn.ModuleList | None = None
        if deep_supervision:
            self.dsn = nn.ModuleList(classifier(width, width, num_classes) for _ in laterals)
        self.conv_last = nn.Sequential(
            conv_bn_relu(len(channels) * width, width), nn.Conv2d(width, num_classes, 1)
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Map the backbone's levels, finest first, to logits N x classes x h x w at the finest."""
        return self._fuse(self._pyramid(levels))

    def supervised(self, levels: list[Tensor]) -> list[Tensor]:
        """Return the logits and, with deep supervision, those of every level, finest first."""
        pyramid = self._pyramid(levels)
        logits = [self._fuse(pyramid)]
        if self.dsn is not None:
            logits += [head(x) for head, x in zip(self.dsn, pyramid[:-1], strict=True)]
        return logits

    def _pyramid(self, levels: list[Tensor]) -> list[Tensor]:
        """Return the joined features, finest first; the last is the context module's output."""
        running = self.ppm(levels[-1])
        pyramid = [running]
        for index in range(len(self.fpn_in) - 1, -1, -1):
            lateral = self.fpn_in[index](levels[index])
            running = lateral + self.fpn_out_align[index](lateral, running)
            pyramid.insert(0, running)
        return pyramid

    def _fuse(self, pyramid: list[Tensor]) -> Tensor:
        *joined, deepest = pyramid
        outputs = [smooth(x) for smooth, x in zip(self.fpn_out, joined, strict=True)]
        size = outputs[0].shape[-2:]
        coarse = [resize(x, size) for x in (*outputs[1:], deepest)]
        return self.conv_last(torch.cat([outputs[0], *coarse], dim=1))
