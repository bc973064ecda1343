"""Backbones state the channels and strides that come out."""

from functools import partial

import pytest
from sfnet_ros.networks import BACKBONES
from sfnet_ros.networks.resnet import resnet50, resnet101
import torch
from torch import nn

_STRIDE8 = {
    'resnet50_stride8': partial(resnet50, stride8=True),
    'resnet101_stride8': partial(resnet101, stride8=True),
}


@pytest.mark.parametrize(('height', 'width'), [(128, 256), (97, 161)])
@pytest.mark.parametrize('name', [*BACKBONES, *_STRIDE8])
def test_levels_are_as_stated(name: str, height: int, width: int) -> None:
    with torch.device('meta'):
        backbone = (BACKBONES | _STRIDE8)[name]().eval()
        levels = backbone(torch.empty(2, 3, height, width))
    assert [tuple(level.shape) for level in levels] == [
        (2, channels, -(-height // stride), -(-width // stride))
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]


@pytest.mark.parametrize(
    ('name', 'channels', 'strides'),
    [
        ('resnet18', (64, 128, 256, 512), (4, 8, 16, 32)),
        ('resnet101', (256, 512, 1024, 2048), (4, 8, 16, 32)),
        ('resnet50_stride8', (256, 512, 1024, 2048), (4, 8, 8, 8)),
        ('df1', (128, 256, 512), (16, 32, 32)),
        ('df2', (128, 256, 512), (8, 16, 32)),
        ('stdc2', (64, 256, 512, 1024), (4, 8, 16, 32)),
        ('shufflenet_v2', (24, 116, 232, 464), (4, 8, 16, 32)),
        ('efficientnet_lite0', (24, 40, 112, 320), (4, 8, 16, 32)),
        ('efficientnet_lite1', (24, 40, 112, 320), (4, 8, 16, 32)),
        ('efficientnet_lite2', (24, 48, 120, 352), (4, 8, 16, 32)),
    ],
)
def test_published_levels(name: str, channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
    with torch.device('meta'):
        backbone = (BACKBONES | _STRIDE8)[name]()
    assert (backbone.channels, backbone.strides) == (channels, strides)


@pytest.mark.parametrize(
    ('name', 'published', 'last_channels'),
    # Parameters of the ImageNet classifiers, which add a 1x1 conv, its norm and 1000 classes.
    [
        ('shufflenet_v2', 2_278_604, 1024),
        ('efficientnet_lite0', 4_652_008, 1280),
        ('efficientnet_lite1', 5_416_680, 1280),
        ('efficientnet_lite2', 6_092_072, 1280),
    ],
)
def test_mobile_backbones_have_the_published_size(
    name: str, published: int, last_channels: int
) -> None:
    with torch.device('meta'):
        backbone = BACKBONES[name]()
    classifier = (backbone.channels[-1] + 2) * last_channels + (last_channels + 1) * 1000
    assert sum(p.numel() for p in backbone.parameters()) + classifier == published


@pytest.mark.parametrize(('stage', 'dilation'), [('layer1', 1), ('layer3', 2), ('layer4', 4)])
@pytest.mark.parametrize('name', ['resnet18', 'resnet50', 'resnet101'])
def test_resnet_dilates_every_second_convolution(name: str, stage: str, dilation: int) -> None:
    with torch.device('meta'):
        backbone = BACKBONES[name]()
    found = {
        layer.split('.')[-1]: (conv.dilation, conv.padding)
        for layer, conv in getattr(backbone, stage).named_modules()
        if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3)
    }
    assert found.pop('conv2') == ((dilation, dilation), (dilation, dilation))
    assert all(value == ((1, 1), (1, 1)) for value in found.values())
