"""Context modules against plain loops over their formulas."""

import math

import numpy as np
import pytest
from sfnet_ros.networks.context import PyramidPooling, SqueezeContext, SqueezeReasoning
import torch
from torch import nn


def randomised(module: nn.Module) -> nn.Module:
    """Give every weight and statistic a value that matters, in eval mode."""
    generator = torch.Generator().manual_seed(3)
    for name, value in module.state_dict().items():
        if name.endswith('running_var'):
            value.uniform_(0.5, 1.5, generator=generator)
        elif value.is_floating_point():
            value.uniform_(-0.6, 0.8, generator=generator)
    return module.eval()


def arrays(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def normalise(w: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    """Apply the batch norm ``name`` to C x ..."""
    scale = w[f'{name}.weight'] / np.sqrt(w[f'{name}.running_var'] + 1e-5)
    shift = w[f'{name}.bias'] - w[f'{name}.running_mean'] * scale
    shape = (-1,) + (1,) * (x.ndim - 1)
    return x * scale.reshape(shape) + shift.reshape(shape)


def pooled(x: np.ndarray, bins: int) -> np.ndarray:
    channels, h, w = x.shape
    output = np.empty((channels, bins, bins))
    for i in range(bins):
        for j in range(bins):
            rows = slice(i * h // bins, -(-(i + 1) * h // bins))
            columns = slice(j * w // bins, -(-(j + 1) * w // bins))
            output[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
    return output


def enlarged(x: np.ndarray, h: int, w: int) -> np.ndarray:
    """Resize C x a x b bilinearly, corners aligned."""
    output = np.zeros((x.shape[0], h, w))
    for i in range(h):
        for j in range(w):
            y, z = i * (x.shape[1] - 1) / (h - 1), j * (x.shape[2] - 1) / (w - 1)
            for row in (math.floor(y), math.ceil(y)):
                for column in (math.floor(z), math.ceil(z)):
                    # A whole coordinate has one neighbour, which is then visited twice.
                    vertical = (1 - abs(y - row)) / (1 + (y == math.floor(y)))
                    horizontal = (1 - abs(z - column)) / (1 + (z == math.floor(z)))
                    output[:, i, j] += vertical * horizontal * x[:, row, column]
    return output


def pointwise(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.tensordot(weight[:, :, 0, 0], x, axes=1)


@pytest.mark.parametrize(('height', 'width'), [(7, 9), (6, 12), (4, 3), (32, 64)])
def test_pyramid_pooling_equals_plain_loops(height: int, width: int) -> None:
    module = randomised(PyramidPooling(6, 4))
    x = torch.randn(1, 6, height, width, generator=torch.Generator().manual_seed(1))
    w, array = arrays(module), x[0].double().numpy()
    parts = []
    for index, bins in enumerate((1, 2, 3, 6)):
        projected = pointwise(w[f'stages.{index}.1.weight'], pooled(array, bins))
        parts.append(enlarged(normalise(w, f'stages.{index}.2', projected), height, width))
    joined = pointwise(w['bottleneck.0.weight'], np.concatenate([*parts, array]))
    expected = np.maximum(normalise(w, 'bottleneck.1', joined), 0)
    with torch.inference_mode():
        np.testing.assert_allclose(module(x)[0].numpy(), expected, rtol=0, atol=1e-5)


def squeeze_reasoning_by_loops(w: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Follow the published formulas for one image, channels x h x w."""
    channels, height, width = x.shape
    half = channels // 2
    nodes = half // 8
    t, p, g = (pointwise(w[f'{name}.weight'], x) for name in 'tpg')
    s = [sum(p[k, i, j] * g[k, i, j] for i in range(height) for j in range(width))
         for k in range(half)]  # fmt: skip
    z = np.array([[s[nodes * f + n] for f in range(8)] for n in range(nodes)])
    y = np.maximum(normalise(w, 'bn_adj', w['conv_adj.weight'][:, :, 0] @ z), 0) + z
    q = np.maximum(normalise(w, 'bn_wg', w['conv_wg.weight'][:, :, 0] @ y.T), 0).T
    output = np.empty_like(x)
    for k in range(half):
        node, feature = divmod(k, 8)
        group = np.stack([w['z.weight'][c, 0, 0, 0] * q[node, feature] * t[k]
                          for c in (2 * k, 2 * k + 1)])  # fmt: skip
        group = (group - group.mean()) / np.sqrt(group.var() + 1e-5)
        for c, plane in zip((2 * k, 2 * k + 1), group, strict=True):
            output[c] = plane * w['gn.weight'][c] + w['gn.bias'][c] + x[c]
    return output


def test_squeeze_reasoning_equals_plain_loops() -> None:
    module = randomised(SqueezeReasoning(64))
    x = torch.randn(2, 64, 4, 5, generator=torch.Generator().manual_seed(1)) / 4
    with torch.inference_mode():
        output = module(x)
    for image, result in zip(x, output, strict=True):
        expected = squeeze_reasoning_by_loops(arrays(module), image.double().numpy())
        np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=1e-4)


def test_published_squeeze_reasoning_has_32_nodes_of_8_features() -> None:
    with torch.device('meta'):
        module = SqueezeReasoning(512)
    assert module.conv_adj.weight.shape == (32, 32, 1)
    assert module.conv_wg.weight.shape == (8, 8, 1)


def test_squeeze_context_reasons_on_the_projected_feature() -> None:
    module = randomised(SqueezeContext(12, 32))
    x = torch.randn(1, 12, 5, 6, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(module(x), module.reason(module.project(x)))
        assert module(x).shape == (1, 32, 5, 6)
