"""The SRNet decoder (squeeze reasoning, TIP 2021) on a backbone of stride 8, as released."""

from torch import nn, Tensor

from .context import SqueezeReasoning
from .layers import classifier


class SRNetHead(nn.Module):
    """
    Squeeze reasoning between a 1x1 reduction and a 3x3 classifier.

    The published weights differ from the paper, which has 3x3 convolutions on both sides.
    """

    def __init__(self, channels: tuple[int, ...], width: int, num_classes: int) -> None:
        super().__init__()
        self.module = SqueezeReasoning(width)
        self.in_module = nn.Conv2d(channels[-1], width, 1)
        self.final = classifier(width, width, num_classes)
        self.aux = classifier(channels[-2], width // 2, num_classes)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Map the backbone's levels to logits N x classes x h x w at the deepest level's size."""
        return self.final(self.module(self.in_module(levels[-1])))

    def supervised(self, levels: list[Tensor]) -> list[Tensor]:
        """Return the logits and those of the auxiliary classifier on the last but one level."""
        return [self(levels), self.aux(levels[-2])]
