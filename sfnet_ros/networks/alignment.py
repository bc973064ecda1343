"""
The alignment modules: flow warp, FAM (SFNet) and GD-FAM (SFNet-Lite).

Where papers and published weights differ, the weights decide: the flow is predicted by two 1x1
reductions and one 3x3 convolution, and it is divided by the output size.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from .layers import resize


def base_grid(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return the 1 x height x width x 2 float32 grid of (x, y) in -1..1, corners aligned."""
    y = torch.linspace(-1, 1, height, device=device)
    x = torch.linspace(-1, 1, width, device=device)
    rows, columns = torch.meshgrid(y, x, indexing='ij')
    return torch.stack((columns, rows), dim=-1)[None]


def warp(source: Tensor, flow: Tensor) -> Tensor:
    """
    Sample ``source`` along a flow field: SFNet (ECCV 2020) equations 2 and 3.

    The sampling point of output pixel (i, j) is its own position shifted by flow / output size in
    normalised coordinates, half a pixel per unit of flow. Bilinear, corners aligned, zeros
    outside. Coordinates are float32 whatever the feature type: half precision moves them by up to
    a pixel.

    :param source: N x C x h x w.
    :param flow: N x 2 x H x W, channel 0 along x, channel 1 along y.
    :return: N x C x H x W.
    """
    height, width = map(int, flow.shape[-2:])
    # Width and height, made where they are needed: a CUDA graph cannot hold a copy from the CPU.
    size = torch.linspace(width, height, 2, device=flow.device)
    offset = flow.float().permute(0, 2, 3, 1) / size  # N x H x W x 2
    grid = base_grid(height, width, flow.device) + offset
    # grid_sample wants one type for both, and the float32 grid is the one worth keeping.
    sampled = F.grid_sample(
        source.float(), grid, mode='bilinear', padding_mode='zeros', align_corners=True
    )
    return sampled.to(source.dtype)


class FlowPredictor(nn.Module):
    """The part FAM and GD-FAM share: two 1x1 reductions and the 3x3 flow convolution."""

    def __init__(self, channels: int, flow_channels: int) -> None:
        super().__init__()
        self.down_h = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.down_l = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flow_make = nn.Conv2d(channels, flow_channels, 3, padding=1, bias=False)

    def reduce(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reduced high (upsampled) and low features, each N x channels/2 x H x W."""
        return resize(self.down_h(high), low.shape[-2:]), self.down_l(low)


class FAM(FlowPredictor):
    """Flow alignment module: SFNet (ECCV 2020) section 3.2, equations 1 to 3."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, flow_channels=2)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """
        Warp the coarse ``high`` feature onto the fine ``low`` one.

        :param low: N x channels x H x W.
        :param high: N x channels x h x w.
        :return: the aligned high feature, N x channels x H x W.
        """
        flow = self.flow_make(torch.cat(self.reduce(low, high), dim=1))
        return warp(high, flow)


class GDFAM(FlowPredictor):
    """
    Gated dual flow alignment module: SFNet-Lite (IJCV 2023) section 3.3, equations 4 to 6.

    Both features are warped, each with its own flow, and mixed by a gate (equation 6). The gate
    reads channel means and maxima (``'pooled'``, most published weights) or the reduced features
    (``'conv'``).
    """

    def __init__(self, channels: int, gate: str = 'pooled') -> None:
        super().__init__(channels, flow_channels=4)
        if gate not in ('pooled', 'conv'):
            raise ValueError(f'gate is {gate!r}; expected pooled or conv')
        self.pooled = gate == 'pooled'
        gate_inputs = 4 if self.pooled else channels
        self.flow_gate = nn.Sequential(
            nn.Conv2d(gate_inputs, 1, 3, padding=1, bias=False), nn.Sigmoid()
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """
        Mix the warped coarse and the warped fine feature by the learned gate.

        :param low: N x channels x H x W.
        :param high: N x channels x h x w.
        :return: N x channels x H x W.
        """
        reduced_high, reduced_low = self.reduce(low, high)
        both = torch.cat((reduced_high, reduced_low), dim=1)
        flow_high, flow_low = self.flow_make(both).chunk(2, dim=1)
        gate = self.flow_gate(_pooled(reduced_high, low) if self.pooled else both)
        return gate * warp(high, flow_high) + (1 - gate) * warp(low, flow_low)


def _pooled(reduced_high: Tensor, low: Tensor) -> Tensor:
    """Stack channel means and maxima in the order of the published weights: N x 4 x H x W."""
    return torch.cat(
        (
            reduced_high.mean(dim=1, keepdim=True),
            low.mean(dim=1, keepdim=True),
            reduced_high.amax(dim=1, keepdim=True),
            low.amax(dim=1, keepdim=True),
        ),
        dim=1,
    )


@contextmanager
def recorded_flows(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """
    Record the flow of every alignment module during the forward passes inside the block.

    Yields a dict from module name to its last flow, N x 2 x H x W, one entry a flow field: GD-FAM
    has two, ``<name>.high`` and ``<name>.low``.
    """
    flows: dict[str, Tensor] = {}
    handles = []

    def recorder(name: str) -> Callable[[nn.Module, tuple, Tensor], None]:
        def record(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            # Slices, because chunks of what is traced would become an ONNX sequence.
            fields = [output.detach()[:, at : at + 2] for at in range(0, output.shape[1], 2)]
            names = [name] if len(fields) == 1 else [f'{name}.high', f'{name}.low']
            flows.update(zip(names, fields, strict=True))

        return record

    for name, module in network.named_modules():
        if isinstance(module, FlowPredictor):
            handles.append(module.flow_make.register_forward_hook(recorder(name)))
    try:
        yield flows
    finally:
        for handle in handles:
            handle.remove()


def has_flow(network: nn.Module) -> bool:
    """Return whether a network moves features by a learnt flow."""
    return any(isinstance(module, FlowPredictor) for module in network.modules())


def finest_shift(flows: dict[str, Tensor]) -> Tensor | None:
    """
    Return how far the finest flow moves a coarse feature.

    :param flows: as ``recorded_flows`` records them.
    :return: N x H x W x 2 float32, shift of the sampling point along x and y in pixels of the
        flow field, half of the flow (SFNet equation 2); None without a flow.
    """
    moving = [flow for name, flow in flows.items() if not name.endswith('.low')]
    if not moving:
        return None
    return shift(max(moving, key=lambda flow: int(flow.shape[-1])))


def shift(flow: Tensor) -> Tensor:
    """Turn a flow N x 2 x H x W into shifts in pixels, N x H x W x 2 float32 (SFNet eq. 2)."""
    return flow.float().permute(0, 2, 3, 1) / 2
