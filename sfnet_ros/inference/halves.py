"""
A network in half precision, except where half is wrong: the types that TensorRT takes as they are.

Sampling points and what is sampled are float32 by themselves (``networks.alignment.warp``), the
images' normalisation and the coarse logits lie outside. Sums over all pixels do not fit into half.
"""

from functools import partial
from typing import Any

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from ..networks.context import SqueezeReasoning
from ..networks.network import SegmentationNetwork

# Their sums over all pixels exceed 65504, the largest number that half can hold.
_ISLANDS = (SqueezeReasoning,)


def halve(network: SegmentationNetwork) -> None:
    """Turn a network to float16 in place, for export only: it takes and gives float32."""
    network.half()
    network.backbone.register_forward_pre_hook(lambda module, inputs: (inputs[0].half(),))
    for module in network.modules():
        if isinstance(module, _ISLANDS):
            module.float()
            module.register_forward_pre_hook(lambda module, inputs: (inputs[0].float(),))
            module.register_forward_hook(lambda module, inputs, output: output.half())
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.dtype == torch.float16:
            module.forward = partial(_convolve, module)  # type: ignore[method-assign]


def _convolve(module: nn.Conv2d, x: Tensor) -> Tensor:
    return _HalfConvolution.apply(
        x, module.weight, module.bias, module.stride, module.padding, module.dilation,
        module.groups,
    )  # fmt: skip


class _HalfConvolution(torch.autograd.Function):
    """
    A convolution in float16 that is computed in float32 while it is exported.

    The exporter runs the network once, and most CPUs take minutes for convolutions in half.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any
    ) -> Tensor:
        bias = None if bias is None else bias.float()
        return F.conv2d(x.float(), weight.float(), bias, *geometry).half()

    @staticmethod
    def symbolic(
        graph: Any, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
        groups: int,
    ) -> Any:  # fmt: skip
        inputs = (x, weight) if bias is None or bias.node().mustBeNone() else (x, weight, bias)
        return graph.op(
            'Conv',
            *inputs,
            strides_i=stride,
            pads_i=(*padding, *padding),
            dilations_i=dilation,
            group_i=groups,
        )
