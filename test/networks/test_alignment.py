"""Flow warp, FAM and GD-FAM against plain loops and known shifts."""

import math

import numpy as np
import pytest
from sfnet_ros.networks import create_network
from sfnet_ros.networks.alignment import FAM, GDFAM, recorded_flows, warp
import torch
from torch import Tensor
import torch.nn.functional as F


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def pixel_flow(height: int, width: int, x: float, y: float) -> Tensor:
    """Return the flow that moves the sampling point by (x, y) source pixels at equal sizes."""
    # A unit of flow is 1 / width of a coordinate that spans width - 1 pixels from -1 to 1.
    values = torch.tensor((2 * x * width / (width - 1), 2 * y * height / (height - 1)))
    return values.view(1, 2, 1, 1).expand(1, 2, height, width)


def resized(x: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(x, (height, width), mode='bilinear', align_corners=True)


def warp_by_loops(source: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Warp C x h x w along 2 x H x W, pixel by pixel."""
    (channels, h, w), (_, height, width) = source.shape, flow.shape
    output = np.zeros((channels, height, width))
    for i in range(height):
        for j in range(width):
            x = (2 * j / (width - 1) + flow[0, i, j] / width) * (w - 1) / 2
            y = (2 * i / (height - 1) + flow[1, i, j] / height) * (h - 1) / 2
            for row in (math.floor(y), math.floor(y) + 1):
                for column in (math.floor(x), math.floor(x) + 1):
                    if 0 <= row < h and 0 <= column < w:
                        weight = (1 - abs(x - column)) * (1 - abs(y - row))
                        output[:, i, j] += weight * source[:, row, column]
    return output


def test_zero_flow_is_the_identity() -> None:
    source = noise(2, 3, 9, 14)
    torch.testing.assert_close(warp(source, torch.zeros(2, 2, 9, 14)), source, rtol=0, atol=1e-5)


def test_zero_flow_to_another_size_is_a_resize() -> None:
    source = noise(1, 3, 5, 8)
    warped = warp(source, torch.zeros(1, 2, 13, 21))
    torch.testing.assert_close(warped, resized(source, 13, 21), rtol=0, atol=1e-5)


def test_known_flow_shifts_by_whole_pixels_and_zero_comes_in() -> None:
    source = noise(1, 4, 10, 17)
    warped = warp(source, pixel_flow(10, 17, x=3, y=-2))
    expected = torch.zeros_like(source)
    expected[:, :, 2:, :-3] = source[:, :, :-2, 3:]
    torch.testing.assert_close(warped, expected, rtol=0, atol=1e-5)


def test_half_a_pixel_outside_is_half_the_border() -> None:
    source = torch.ones(1, 1, 4, 6)
    warped = warp(source, pixel_flow(4, 6, x=0.5, y=0))
    torch.testing.assert_close(warped[0, 0, :, -1], torch.full((4,), 0.5))
    torch.testing.assert_close(warped[0, 0, :, :-1], torch.ones(4, 5))


def test_warp_equals_plain_loops() -> None:
    source, flow = noise(1, 3, 5, 7), 6 * noise(1, 2, 11, 9)
    expected = warp_by_loops(source[0].double().numpy(), flow[0].double().numpy())
    np.testing.assert_allclose(warp(source, flow)[0].numpy(), expected, rtol=0, atol=1e-5)


def test_half_precision_features_keep_a_float32_grid() -> None:
    # bfloat16 coordinates are 2**-8 apart near the border: two pixels at this width.
    source = noise(1, 2, 3, 1024).bfloat16()
    flow = pixel_flow(3, 1024, x=1, y=0)
    with torch.autocast('cpu', torch.bfloat16):
        identity = warp(source, torch.zeros(1, 2, 3, 1024, dtype=torch.bfloat16))
        shifted = warp(source, flow)
    assert (identity.dtype, shifted.dtype) == (torch.bfloat16, torch.bfloat16)
    torch.testing.assert_close(identity, source, rtol=0.01, atol=0.01)
    torch.testing.assert_close(shifted[..., :-1], source[..., 1:], rtol=0.01, atol=0.01)


def test_fam_without_flow_resizes_the_coarse_feature() -> None:
    fam = FAM(8)
    torch.nn.init.zeros_(fam.flow_make.weight)
    low, high = noise(1, 8, 12, 18), noise(1, 8, 6, 9)
    torch.testing.assert_close(fam(low, high), resized(high, 12, 18), rtol=0, atol=1e-5)


def test_fam_predicts_from_the_coarse_feature_first() -> None:
    fam = FAM(4)
    low, high = noise(1, 4, 8, 10), noise(1, 4, 4, 5)
    reduced_high = resized(F.conv2d(high, fam.down_h.weight), 8, 10)
    reduced_low = F.conv2d(low, fam.down_l.weight)
    flow = F.conv2d(torch.cat((reduced_high, reduced_low), 1), fam.flow_make.weight, padding=1)
    torch.testing.assert_close(fam(low, high), warp(high, flow))


@pytest.mark.parametrize('gate', ['pooled', 'conv'])
def test_gate_weighs_the_coarse_feature(gate: str) -> None:
    module = GDFAM(8, gate)
    torch.nn.init.zeros_(module.flow_make.weight)
    low, high = noise(1, 8, 12, 18), noise(1, 8, 6, 9)
    reduced_high = resized(F.conv2d(high, module.down_h.weight), 12, 18)
    reduced_low = F.conv2d(low, module.down_l.weight)
    read = {
        'pooled': (reduced_high.mean(1), low.mean(1), reduced_high.amax(1), low.amax(1)),
        'conv': (*reduced_high.unbind(1), *reduced_low.unbind(1)),
    }[gate]
    logits = F.conv2d(torch.stack(read, 1), module.flow_gate[0].weight, padding=1)
    share = 1 / (1 + torch.exp(-logits))
    expected = share * resized(high, 12, 18) + (1 - share) * low
    torch.testing.assert_close(module(low, high), expected, rtol=0, atol=1e-5)


def test_dual_flow_moves_the_coarse_feature_first() -> None:
    module = GDFAM(4)
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)  # the gate is then one half everywhere
    low, high = noise(1, 4, 10, 17), noise(1, 4, 10, 17)
    shift = pixel_flow(10, 17, x=3, y=0)
    fields = torch.cat((shift, torch.zeros_like(shift)), dim=1)
    module.flow_make.register_forward_hook(lambda layer, inputs, output: fields)
    torch.testing.assert_close(module(low, high), (warp(high, shift) + low) / 2, rtol=0, atol=1e-5)


def test_unknown_gate_is_refused() -> None:
    with pytest.raises(ValueError, match="gate is 'max'; expected pooled or conv"):
        GDFAM(8, 'max')


@pytest.mark.parametrize(
    ('network', 'backbone', 'sizes'),
    [
        (
            'sfnet',
            'stdc1',
            {
                'head.fpn_out_align.0': (16, 24),
                'head.fpn_out_align.1': (8, 12),
                'head.fpn_out_align.2': (4, 6),
            },
        ),
        ('sfnet', 'df2', {'head.fpn_out_align.0': (8, 12), 'head.fpn_out_align.1': (4, 6)}),
        (
            'sfnet_lite',
            'stdc1',
            {'head.flow_align_module.high': (16, 24), 'head.flow_align_module.low': (16, 24)},
        ),
        ('fpn', 'stdc1', {}),
    ],
)
def test_recorded_flows_are_named(
    network: str, backbone: str, sizes: dict[str, tuple[int, int]]
) -> None:
    model = create_network(network, backbone).eval()
    images = noise(1, 3, 64, 96)
    with torch.inference_mode(), recorded_flows(model) as flows:
        model(images)
    assert {name: tuple(flow.shape) for name, flow in flows.items()} == {
        name: (1, 2, *size) for name, size in sizes.items()
    }
    recorded = dict(flows)
    with torch.inference_mode():
        model(-images)
    assert all(flows[name] is recorded[name] for name in recorded)  # no longer recording


def test_recorded_flow_is_what_the_module_warped_by() -> None:
    fam = FAM(4)
    low, high = noise(1, 4, 8, 10), noise(1, 4, 4, 5)
    model = torch.nn.ModuleDict({'align': fam})
    with recorded_flows(model) as flows:
        aligned = fam(low, high)
    assert list(flows) == ['align']
    torch.testing.assert_close(aligned, warp(high, flows['align']))
