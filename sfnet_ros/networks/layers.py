"""Small layers that several networks share."""

from torch import nn, Tensor
import torch.nn.functional as F


def resize(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """
    Resize a feature map bilinearly with corners aligned, as every SFNet layer does.

    :param x: N x C x h x w.
    :param size: the output height and width; returned is N x C x height x width.
    """
    # Traced for export a size is a tensor, and all that computes it would be part of the file.
    fixed = tuple(map(int, size))
    return F.interpolate(x, size=fixed, mode='bilinear', align_corners=True)


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, bias: bool = False) -> nn.Sequential:
    """Convolution keeping the size, batch norm, ReLU (keys ``0``, ``1``)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def classifier(inputs: int, hidden: int, num_classes: int) -> nn.Sequential:
    """Build an auxiliary classifier: 3x3 conv with bias, BN, ReLU, dropout, 1x1 conv."""
    return nn.Sequential(
        *conv_bn_relu(inputs, hidden, bias=True),
        nn.Dropout2d(0.1),
        nn.Conv2d(hidden, num_classes, 1),
    )
