"""The one definition of inference, image to class ids; every backend runs this function."""

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from ..networks import create_network, load_state, SegmentationNetwork
from ..networks.layers import resize


class SegmentationGraph(nn.Module):
    """
    Resize, normalise, network, upsample, argmax.

    :param mean, std: of RGB in 0..1, as the weights were trained.
    :param input_size: height and width that the network sees.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        input_size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.network = network
        self.input_size = input_size
        self.register_buffer('mean', torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer('std', torch.tensor(std).view(1, 3, 1, 1) * 255)

    def forward(self, images: Tensor) -> Tensor:
        """
        Map images to class ids at the images' own size.

        :param images: N x H x W x 3 uint8 RGB.
        :return: N x H x W uint8.
        """
        # The class axis stays innermost, which the argmax on a CPU reads three times as fast.
        logits = self.network.coarse_logits(self.normalise(images))
        logits = logits.contiguous(memory_format=torch.channels_last)
        return resize(logits, images.shape[1:3]).argmax(dim=1).to(torch.uint8)

    def normalise(self, images: Tensor) -> Tensor:
        """Turn N x H x W x 3 uint8 RGB into N x 3 x h x w float32 at the network's input size."""
        x = images.permute(0, 3, 1, 2).float()
        if x.shape[-2:] != self.input_size:
            x = F.interpolate(x, self.input_size, mode='bilinear', antialias=True)
        return (x - self.mean) / self.std


class AveragedGraph(nn.Module):
    """
    The graph at several scales, and mirrored, with the logits averaged: the papers' tables only.

    :param scales: of the graph's input size.
    """

    def __init__(self, graph: SegmentationGraph, scales: tuple[float, ...], flip: bool) -> None:
        super().__init__()
        self.graph = graph
        self.scales = scales
        self.flip = flip

    def forward(self, images: Tensor) -> Tensor:
        """Map N x H x W x 3 uint8 RGB to N x H x W uint8 class ids."""
        x = self.graph.normalise(images)
        size = x.shape[-2:]
        total = torch.zeros((), device=x.device)
        for scale in self.scales:
            scaled = (round(size[0] * scale), round(size[1] * scale))
            y = F.interpolate(x, scaled, mode='bilinear', antialias=True)
            total = total + resize(self.graph.network.coarse_logits(y), size)
            if self.flip:
                mirrored = self.graph.network.coarse_logits(y.flip(-1))
                total = total + resize(mirrored, size).flip(-1)
        return resize(total, images.shape[1:3]).argmax(dim=1).to(torch.uint8)


def build_graph(
    network: str,
    backbone: str,
    num_classes: int,
    state: dict[str, Tensor],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    input_size: tuple[int, int],
) -> SegmentationGraph:
    """Build the graph with the weights of ``state`` (our names or official ones), for inference."""
    model = create_network(network, backbone, num_classes)
    load_state(model, state)
    return SegmentationGraph(model, mean, std, input_size).eval().requires_grad_(False)
