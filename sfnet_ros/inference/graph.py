"""The one definition of inference, image to class ids; every backend runs this function."""

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from .checkpoints import read_weights
from .choice import ModelChoice
from .. import taxonomies
from ..networks import create_network, load_state, SegmentationNetwork
from ..networks.layers import resize


class SegmentationGraph(nn.Module):
    """
    Normalise, network, upsample, argmax.

    Images come at the network's input size (``pixels.fit``). A runtime may stop at the coarse
    logits and leave the rest to ``tail.upsampled_argmax``, which is the same function.

    :param mean, std: of RGB in 0..1, as the weights were trained.
    :param bgr: whether the weights were trained on blue first.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        input_size: tuple[int, int],
        bgr: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.input_size = input_size
        self.bgr = bgr
        self.register_buffer('mean', torch.tensor(mean) * 255)
        self.register_buffer('std', torch.tensor(std) * 255)

    def forward(self, images: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """
        Map images to class ids.

        :param images: N x h x w x 3 uint8 RGB, at the input size.
        :param size: height and width of the ids; None for the input size.
        :return: N x H x W uint8.
        """
        return self.ids(self.logits(images), size or images.shape[1:3])

    def logits(self, images: Tensor) -> Tensor:
        """Map N x h x w x 3 uint8 RGB to coarse logits N x h' x w' x C float32."""
        return self.network.coarse_logits(self.normalise(images)).permute(0, 2, 3, 1)

    def ids(self, logits: Tensor, size: tuple[int, ...]) -> Tensor:
        """Map coarse logits N x h' x w' x C to N x H x W uint8 class ids."""
        return resize(logits.permute(0, 3, 1, 2), size).argmax(dim=1).to(torch.uint8)

    def confidence(self, logits: Tensor, ids: Tensor) -> Tensor:
        """
        Return how sure coarse logits are of ids that came of them (``backends.Prediction``).

        :param logits: N x h' x w' x C. :param ids: N x H x W uint8.
        :return: N x H x W uint8.
        """
        planes = logits.permute(0, 3, 1, 2).softmax(dim=1)
        probability = resize(planes, ids.shape[1:]).gather(1, ids[:, None].long())
        return (probability[:, 0] * 255).round().to(torch.uint8)

    def normalise(self, images: Tensor) -> Tensor:
        """Turn N x h x w x 3 uint8 RGB into N x 3 x h x w float32, mean and deviation removed."""
        # Before the channels are moved: a runtime then moves them in its first convolution.
        x, mean, std = images.float(), self.mean, self.std
        if self.bgr:
            x, mean, std = x.flip(-1), mean.flip(0), std.flip(0)
        return ((x - mean) / std).permute(0, 3, 1, 2)


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

    def forward(self, images: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Map N x h x w x 3 uint8 RGB to N x H x W uint8 class ids, as the plain graph does."""
        x = self.graph.normalise(images)
        total = torch.zeros((), device=x.device)
        for scale in self.scales:
            scaled = (round(x.shape[2] * scale), round(x.shape[3] * scale))
            y = F.interpolate(x, scaled, mode='bilinear', antialias=True)
            total = total + resize(self.graph.network.coarse_logits(y), x.shape[2:])
            if self.flip:
                mirrored = self.graph.network.coarse_logits(y.flip(-1))
                total = total + resize(mirrored, x.shape[2:]).flip(-1)
        return resize(total, size or images.shape[1:3]).argmax(dim=1).to(torch.uint8)


def build_graph(choice: ModelChoice) -> SegmentationGraph:
    """
    Build the graph of a model with its weights, for inference.

    :raises CheckpointError: when the weights are not the file of the facts, or do not fit.
    """
    facts = choice.facts
    classes = len(taxonomies.get(facts.taxonomy).classes)
    network = create_network(facts.network, facts.backbone, classes)
    load_state(network, read_weights(choice))
    size = (facts.input_height, facts.input_width)
    graph = SegmentationGraph(
        network, facts.mean, facts.std, size, bgr=facts.channel_order == 'bgr'
    )
    return graph.eval().requires_grad_(False)
