"""The published networks: names, shapes and order of their tensors, their size and cost."""

import hashlib

import pytest
from sfnet_ros.networks import create_network, official_names, SegmentationNetwork
import torch
from torch.utils.flop_counter import FlopCounterMode

# Measured on the authors' released implementation at 19 classes: parameters without those that
# never run, GMAC of convolutions and products at 1024x2048 and 1024x1024 without auxiliary
# classifiers, and the start of the sha256 of the lines 'key shape' without second names and dead
# layers.
_PUBLISHED = [
    ('sfnet', 'resnet18', 12_869_715, 242.96, 121.48, 'c75ea1d23791a88f'),
    ('sfnet_dsn', 'resnet18', 13_320_588, 242.96, 121.48, '4351afba9e378c6c'),
    ('sfnet', 'resnet50', 31_325_139, 663.32, 331.67, '4dbb71e550caf2b2'),
    ('sfnet', 'resnet101', 50_317_267, 818.47, 409.25, 'c759e1928c22b661'),
    ('sfnet_dsn', 'resnet101', 52_103_692, 818.47, 409.25, '8ce51631ca28b79c'),
    ('sfnet', 'df1', 8_422_387, 32.73, 16.36, 'ab10a7fd92f73563'),
    ('sfnet_dsn', 'df1', 8_498_969, 32.73, 16.36, '13bfaddd119db5f5'),
    ('sfnet', 'df2', 17_876_467, 79.97, 39.99, 'dd9a12ec493d836e'),
    ('sfnet_dsn', 'df2', 17_953_049, 79.97, 39.99, '830481f59ec9992b'),
    ('sfnet', 'stdc1', 5_992_371, 59.44, 29.72, '34b49a3c5523e8e5'),
    ('sfnet', 'stdc2', 10_022_835, 85.81, 42.91, '836ffd26b7bf8c01'),
    ('sfnet_lite', 'resnet18', 12_079_863, 177.95, 88.98, '74d365f81f55b2d0'),
    ('sfnet_lite', 'stdc1', 6_433_623, 74.15, 37.08, 'f1def417ffebda8f'),
    ('sfnet_lite', 'stdc2', 10_464_087, 100.52, 50.26, 'e67a565e842851d0'),
    ('sfnet_lite_convgate', 'stdc1', 6_434_739, 74.30, 37.15, 'a1c26071ab418d0c'),
    ('sfnet_lite_convgate', 'stdc2', 10_465_203, 100.67, 50.34, '1c79ab3e2997313f'),
    ('srnet', 'resnet50', 29_812_342, 978.89, 489.44, '07a50e189d022684'),
    ('srnet', 'resnet101', 48_804_470, 1599.51, 799.75, '953a0a4c6e0de858'),
]


def gmac(model: SegmentationNetwork, height: int, width: int) -> float:
    with torch.device('meta'), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, height, width))
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize(
    ('network', 'backbone', 'parameters', 'wide_gmac', 'square_gmac', 'digest'), _PUBLISHED
)
def test_published_network(
    network: str,
    backbone: str,
    parameters: int,
    wide_gmac: float,
    square_gmac: float,
    digest: str,
) -> None:
    with torch.device('meta'):
        model = create_network(network, backbone).eval()
    state = official_names(model.state_dict())
    lines = '\n'.join(f'{key} {tuple(value.shape)}' for key, value in state.items())
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == digest
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert gmac(model, 1024, 2048) == pytest.approx(wide_gmac, rel=0.01)
    assert gmac(model, 1024, 1024) == pytest.approx(square_gmac, rel=0.01)
