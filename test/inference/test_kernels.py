"""The compiled loops: the gated warp is that of the network, and a bad cache does no harm."""

import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from sfnet_ros.networks.alignment import base_grid
import torch
from torch import Tensor
import torch.nn.functional as F

pytest.importorskip('numba')
PACKAGE = Path(__file__).parents[2]


def planes(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).permute(2, 0, 1)[None]


def warped(high: np.ndarray, low: np.ndarray, grids: list[np.ndarray], gate: np.ndarray) -> Tensor:
    sampled = [
        F.grid_sample(planes(feature), torch.from_numpy(grid)[None], align_corners=True)
        for feature, grid in zip((high, low), grids, strict=True)
    ]
    return (torch.from_numpy(gate) * sampled[0] + (1 - torch.from_numpy(gate)) * sampled[1])[0]


@pytest.mark.parametrize(
    ('coarse', 'fine', 'reach'),
    [
        ((5, 7), (17, 25), 0.05),
        ((16, 32), (16, 32), 0.5),
        ((3, 4), (9, 13), 3.0),  # most places are outside
        ((1, 1), (6, 5), 0.4),
        ((4, 4), (8, 8), 1e9),
    ],
)
@pytest.mark.parametrize('stored', ['float32', 'bfloat16'])
def test_the_gated_warp_samples_as_pytorch_does(
    coarse: tuple[int, int], fine: tuple[int, int], reach: float, stored: str
) -> None:
    from sfnet_ros.inference.kernels import in_stripes
    from sfnet_ros.inference.kernels.warp import gated_warp

    rng = np.random.default_rng(1)
    high, low = (rng.standard_normal((*size, 24)).astype(np.float32) for size in (coarse, fine))
    base = base_grid(*fine)[0].numpy()
    grids = [(base + rng.normal(0, reach, base.shape)).astype(np.float32) for _ in range(2)]
    gate = rng.random(fine, dtype=np.float32)
    if stored == 'float32':
        expected = warped(high, low, grids, gate).permute(1, 2, 0).numpy()
        found = np.full_like(low, np.nan)
        in_stripes(gated_warp, fine[0], high, low, *grids, gate, found)
        assert np.abs(found - expected).max() < 1e-5
        return
    exact = [torch.from_numpy(feature).bfloat16() for feature in (high, low)]
    high, low = (feature.float().numpy() for feature in exact)
    expected = warped(high, low, grids, gate).permute(1, 2, 0)
    result = np.zeros(low.shape, np.uint16)
    bits = [feature.view(torch.int16).numpy().view(np.uint16) for feature in exact]
    in_stripes(gated_warp, fine[0], *bits, *grids, gate, result)
    rounded = torch.from_numpy(result.view(np.int16)).view(torch.bfloat16)
    # Half of the last of 8 bits is lost; nearest, ties to even, as PyTorch rounds.
    assert (rounded.float() - expected).abs().max() <= expected.abs().max() / 256
    assert (rounded == expected.bfloat16()).float().mean() > 0.99


def compile_in(cache: Path) -> str:
    """Compile the tail in a fresh process with this cache folder; returns the ids it gives."""
    code = (
        'import time; started = time.perf_counter(); import numpy as np; '
        'from sfnet_ros.inference.tail import compiled_loops, upsampled_argmax; '
        'assert compiled_loops() is not None; '
        'ids = upsampled_argmax(np.eye(3, dtype=np.float32)[None].repeat(2, 0), (4, 7)); '
        'print(ids.tolist())'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        env=os.environ | {'XDG_CACHE_HOME': str(cache)},
        cwd=PACKAGE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compiled_loops_are_kept_and_a_damaged_cache_does_no_harm(tmp_path: Path) -> None:
    expected = compile_in(tmp_path)
    assert expected == f'{[[0, 0, 1, 1, 1, 2, 2]] * 4}\n'
    kept = list((tmp_path / 'sfnet_ros').rglob('*.nb?'))
    assert {path.suffix for path in kept} == {'.nbi', '.nbc'}
    times = {path: path.stat().st_mtime_ns for path in kept}
    assert compile_in(tmp_path) == expected
    assert {path: path.stat().st_mtime_ns for path in kept} == times
    for path in kept:
        path.write_bytes(path.read_bytes()[:100])
    assert compile_in(tmp_path) == expected


def test_without_a_cache_folder_the_loops_are_compiled_all_the_same(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    assert compile_in(tmp_path / 'file').startswith('[[0, 0, 1, 1, 1, 2, 2]')
