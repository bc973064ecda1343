"""Context modules: pyramid pooling (PPM) and squeeze reasoning (SR)."""

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from .layers import conv_bn_relu, resize


class AdaptivePool(nn.Module):
    """
    Adaptive average pooling that can be exported at any size.

    nn.AdaptiveAvgPool2d cannot leave PyTorch unless the bins divide the size. This one is exact:
    every bin is a rectangle, so its mean is the mean over rows of the means over columns.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x: Tensor) -> Tensor:
        """Map N x C x h x w to N x C x bins x bins."""
        for dim in (2, 3):
            extent, bins = int(x.shape[dim]), self.bins
            windows = [(i * extent // bins, -(-(i + 1) * extent // bins)) for i in range(bins)]
            means = [
                x.narrow(dim, start, end - start).mean(dim, keepdim=True) for start, end in windows
            ]
            x = torch.cat(means, dim)
        return x


class PyramidPooling(nn.Module):
    """
    Pyramid pooling module (Zhao et al., CVPR 2017) as SFNet uses it.

    Four pooled maps (1, 2, 3, 6 bins) are projected without ReLU, resized, concatenated before the
    input itself and fused by a 1x1 convolution. The key names are those of the published weights.
    """

    bins = (1, 2, 3, 6)

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                AdaptivePool(bins),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )
            for bins in self.bins
        )
        self.bottleneck = nn.Sequential(
            *conv_bn_relu(inputs + len(self.bins) * outputs, outputs, kernel=1),
            nn.Dropout2d(0.1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map N x inputs x h x w to N x outputs x h x w."""
        size = x.shape[-2:]
        pooled = [resize(stage(x), size) for stage in self.stages]
        return self.bottleneck(torch.cat([*pooled, x], dim=1))


class SqueezeReasoning(nn.Module):
    """
    Squeeze reasoning on a graph of channel groups (Li et al., TIP 2021, section III).

    The published weights use 32 nodes of 8 features at 512 channels, a sum (not a mean) over the
    pixels, and hand the reasoned vector back in node order, so that its channels come back
    permuted.
    """

    features = 8

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.nodes = half // self.features
        self.t = nn.Conv2d(channels, half, 1, bias=False)
        self.p = nn.Conv2d(channels, half, 1, bias=False)
        self.g = nn.Conv2d(channels, half, 1, bias=False)
        self.z = nn.Conv2d(half, channels, 1, groups=half, bias=False)
        self.gn = nn.GroupNorm(half, channels)
        self.conv_adj = nn.Conv1d(self.nodes, self.nodes, 1, bias=False)
        self.bn_adj = nn.BatchNorm1d(self.nodes)
        self.conv_wg = nn.Conv1d(self.features, self.features, 1, bias=False)
        self.bn_wg = nn.BatchNorm1d(self.features)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x channels x h x w to the same shape."""
        batch = x.shape[0]
        squeezed = (self.p(x) * self.g(x)).sum(dim=(2, 3))  # N x half
        z = squeezed.view(batch, self.features, self.nodes).transpose(1, 2)  # N x nodes x features
        z = F.relu(self.bn_adj(self.conv_adj(z))) + z
        z = F.relu(self.bn_wg(self.conv_wg(z.transpose(1, 2)))).transpose(1, 2)
        weights = z.reshape(batch, -1, 1, 1)  # N x half x 1 x 1
        return self.gn(self.z(weights * self.t(x))) + x


class SqueezeContext(nn.Module):
    """Squeeze reasoning in the place of pyramid pooling (TIP 2021, the real-time DF2 model)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.project = conv_bn_relu(inputs, outputs, kernel=1)
        self.reason = SqueezeReasoning(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x inputs x h x w to N x outputs x h x w."""
        return self.reason(self.project(x))
