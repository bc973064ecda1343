"""
Equality with the authors' released implementation, without any of it or of its weights.

Weights, statistics and the image are a formula of the official key name and the index. The numbers
in golden.json were computed once with the authors' released implementation under this same fill.
Rewrite them only from that implementation, never from this package: they would prove nothing.
"""

from collections.abc import Iterable, Mapping
import json
import math
from pathlib import Path
import zlib

import numpy as np
import pytest
from sfnet_ros.networks import create_network, load_state, official_names
import torch
from torch import Tensor

_GOLDEN = json.loads(Path(__file__).with_name('golden.json').read_text())
_SIZES = tuple(_GOLDEN['sizes'])
_CLASSES = 19
_TOLERANCE = 5e-4


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 values in -1..1 that depend on the name and the index alone (splitmix64)."""
    with np.errstate(over='ignore'):
        x = np.arange(1, math.prod(shape) + 1, dtype=np.uint64)
        x = x * np.uint64(0x9E3779B97F4A7C15) + np.uint64(zlib.crc32(name.encode()) << 20)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return ((x >> np.uint64(40)) / 2.0**23 - 1).astype(np.float32).reshape(shape)


def fill(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, Tensor]:
    """Give every official key a value of a scale at which logits and flows matter."""
    return {key: torch.from_numpy(np.asarray(_value(key, shape))) for key, shape in shapes}


def _value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    if key.endswith('num_batches_tracked'):
        return np.zeros((), np.int64)
    values = uniform(key, shape)
    if key.endswith('running_var'):
        return 1 + np.float32(0.5) * values
    if len(shape) == 1:  # biases and means around 0; scales around 1, small where residuals add up
        centre, spread = (1, 0.5) if key.endswith('weight') else (0, 0.3)
        scale = 0.4 if '.bn2.' in key or '.bn3.' in key else 1
        return ((centre + spread * values) * scale).astype(np.float32)
    if 'conv_adj' in key or 'conv_wg' in key:
        return values * np.float32(0.02)
    gain = 6.0  # keeps the variance through ReLU
    if 'flow_make' in key or shape[0] == _CLASSES:
        gain = 0.1  # flows of some pixels, logits of some units
    return values * np.float32(math.sqrt(gain / math.prod(shape[1:])))


def image(height: int, width: int) -> Tensor:
    """Return a 1 x 3 x height x width normalised image: blocks of 16 pixels with noise."""
    blocks = uniform('blocks', (3, -(-height // 16), -(-width // 16)))
    smooth = blocks.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
    return torch.from_numpy(2 * smooth + uniform('noise', (3, height, width)) / 2)[None]


def sample(logits: Tensor) -> list[float]:
    """Return every class's mean over the image, then its values at four pixels."""
    height, width = logits.shape[2:]
    pixels = (
        (0, 0),
        (height // 3, width // 2),
        (height // 2, width // 5),
        (height - 1, width - 1),
    )
    means = logits[0].double().mean(dim=(1, 2))
    return torch.cat([means, *(logits[0, :, y, x].double() for y, x in pixels)]).tolist()


def filled_like(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return fill((key, tuple(value.shape)) for key, value in official_names(state).items())


@pytest.mark.parametrize('name', _GOLDEN['networks'])
def test_logits_equal_those_of_the_authors(name: str) -> None:
    network, backbone = name.split('+')
    with torch.device('meta'):
        model = create_network(network, backbone)
    model = model.to_empty(device='cpu').eval()
    load_state(model, filled_like(model.state_dict()))
    golden = _GOLDEN['networks'][name]
    with torch.inference_mode():
        for (height, width), expected in zip(_SIZES, golden['logits'], strict=True):
            np.testing.assert_allclose(
                sample(model(image(height, width))), expected, rtol=0, atol=_TOLERANCE
            )
        auxiliary = model.supervised_logits(image(*_SIZES[-1]))[1:]
    assert len(auxiliary) == len(golden['auxiliary'])
    for logits, expected in zip(auxiliary, golden['auxiliary'], strict=True):
        np.testing.assert_allclose(
            logits[0].double().mean(dim=(1, 2)), expected, rtol=0, atol=_TOLERANCE
        )
