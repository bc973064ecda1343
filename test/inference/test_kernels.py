"""The compiled loops: alignment is that of the network, and a bad cache does no harm."""

import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from sfnet_ros.networks.alignment import base_grid
from sfnet_ros.networks.layers import resize
import torch
from torch import Tensor
import torch.nn.functional as F

pytest.importorskip('numba')
PACKAGE = Path(__file__).parents[2]


def joined(high: Tensor, low: Tensor, middle: Tensor, grids: list[Tensor], gate: Tensor) -> Tensor:
    high, low = (
        F.grid_sample(feature, grid, align_corners=True)
        for feature, grid in zip((high, low), grids, strict=True)
    )
    aligned = gate * high + (1 - gate) * low
    return torch.cat((aligned, resize(middle, low.shape[2:])), dim=1)


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
@pytest.mark.parametrize('stored', [torch.float32, torch.bfloat16])
def test_alignment_is_that_of_pytorch(
    coarse: tuple[int, int], fine: tuple[int, int], reach: float, stored: torch.dtype
) -> None:
    from sfnet_ros.inference.kernels import in_stripes
    from sfnet_ros.inference.kernels.warp import align_and_join

    torch.manual_seed(1)
    exact = stored == torch.float32
    features = [
        torch.randn(1, 24, *size).to(stored) for size in (coarse, fine, (coarse[0] + 1, coarse[1]))
    ]
    grids = [base_grid(*fine) + torch.randn(1, *fine, 2) * reach for _ in range(2)]
    gate = torch.rand(fine)
    expected = joined(*(feature.float() for feature in features), grids, gate)
    result = torch.full((*fine, 48), torch.nan, dtype=stored)
    high, low, middle, target = (
        (array if exact else array.view(torch.int16))
        .numpy()
        .view(np.float32 if exact else np.uint16)
        for array in (*(f[0].permute(1, 2, 0).contiguous() for f in features), result)
    )
    places = [*(grid[0].numpy() for grid in grids), gate.numpy()]
    in_stripes(align_and_join, fine[0], high, low, *places, middle, target, 0)
    found = result.permute(2, 0, 1)[None]
    if exact:
        assert (found - expected).abs().max() < 1e-4
        return
    # Half of the last of 8 bits is lost; nearest, ties to even, as PyTorch rounds.
    assert (found.float() - expected).abs().max() <= expected.abs().max() / 256
    assert (found == expected.bfloat16()).float().mean() > 0.99


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
