"""Compiled: both warps of SFNet-Lite's alignment module, its gate and what follows, at once."""

import math
from typing import Any

from numba import float32, int64, njit, uint16, void
from numba.extending import overload
import numpy as np

from . import compiled

_FLOAT, _BF16 = float32[:, :, ::1], uint16[:, :, ::1]
_PLACES = (_FLOAT, _FLOAT, float32[:, ::1])


def _read(value: Any) -> Any:
    """Return a stored number as float32: bits of bfloat16 where it is uint16."""


@overload(_read, inline='always')
def _read_compiled(value: Any) -> Any:
    def read_float(value: Any) -> Any:
        return value

    def read_bf16(value: Any) -> Any:
        return np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)

    return read_bf16 if value == uint16 else read_float


def _stored(value: Any, like: Any) -> Any:
    """Return a float32 as it is stored: the bits of the nearest bfloat16 where that is uint16."""


@overload(_stored, inline='always')
def _stored_compiled(value: Any, like: Any) -> Any:
    def as_float(value: Any, like: Any) -> Any:
        return value

    def as_bf16(value: Any, like: Any) -> Any:
        bits = np.float32(value).view(np.uint32)
        half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        return np.uint16((bits + half) >> np.uint32(16))

    return as_bf16 if like == uint16 else as_float


@njit
def _find_corners(
    x: np.float32,
    y: np.float32,
    height: int,
    width: int,
    share: np.float32,
    weights: np.ndarray,
    corners: np.ndarray,
) -> None:
    """Write the four pixels around a place, counted row by row, and their weights times share."""
    one, half = np.float32(1), np.float32(0.5)
    # Beyond a pixel outside everything is zero; kept near, the place fits an integer.
    column_at = min(max((x + one) * half * np.float32(width - 1), -one), np.float32(width))
    row_at = min(max((y + one) * half * np.float32(height - 1), -one), np.float32(height))
    left, top = int(math.floor(column_at)), int(math.floor(row_at))
    across, down = column_at - np.float32(left), row_at - np.float32(top)
    for corner in range(4):
        row, column = top + (corner >> 1), left + (corner & 1)
        weight = (across if corner & 1 else one - across) * (down if corner >> 1 else one - down)
        inside = 0 <= row < height and 0 <= column < width
        weights[corner] = weight * share if inside else np.float32(0)
        corners[corner] = min(max(row, 0), height - 1) * width + min(max(column, 0), width - 1)


@njit
def _regular(index: int, count: int) -> np.float32:
    """Return a position of the base grid, in -1..1."""
    return np.float32(2 * index / (count - 1) - 1) if count > 1 else np.float32(-1)


@compiled(
    void(_FLOAT, _FLOAT, *_PLACES, _FLOAT, _FLOAT, int64, int64, int64),
    void(_BF16, _BF16, *_PLACES, _BF16, _BF16, int64, int64, int64),
)
def align_and_join(
    high: np.ndarray,
    low: np.ndarray,
    high_grid: np.ndarray,
    low_grid: np.ndarray,
    gate: np.ndarray,
    middle: np.ndarray,
    joined: np.ndarray,
    top: int,
    start: int,
    stop: int,
) -> None:
    """
    Write gate * sampled high + (1 - gate) * sampled low, and beside it the resized middle.

    Sampling is that of ``networks.alignment.warp``: bilinear, corners aligned, zeros outside.
    Written are the rows ``start`` to ``stop`` of what may be a stripe of the whole.

    :param high: h x w x C, and low: H x W x C; float32, or bits of bfloat16 as uint16.
    :param high_grid, low_grid: H x W x 2 float32, (x, y) in -1..1 of the feature sampled.
    :param gate: H x W float32. :param middle: h' x w' x C' of the type of the others.
    :param joined: rows x W x (C + C') of that type, written. :param top: its first row's number.
    """
    rows, columns = gate.shape
    channels, others = high.shape[2], middle.shape[2]
    coarse, fine = high.reshape(-1, channels), low.reshape(-1, channels)
    plain = middle.reshape(-1, others)
    p, q = np.empty(4, np.float32), np.empty(4, np.float32)
    f, g = np.empty(4, np.int64), np.empty(4, np.int64)
    for line in range(start, stop):
        i = top + line
        for j in range(columns):
            share = gate[i, j]
            x, y = high_grid[i, j, 0], high_grid[i, j, 1]
            _find_corners(x, y, high.shape[0], high.shape[1], share, p, f)
            x, y = low_grid[i, j, 0], low_grid[i, j, 1]
            _find_corners(x, y, low.shape[0], low.shape[1], np.float32(1) - share, q, g)
            # Rows and weights by name: the compiler then knows that nothing changes in the loop.
            a, b, c, d = coarse[f[0]], coarse[f[1]], coarse[f[2]], coarse[f[3]]
            s, t, u, v = fine[g[0]], fine[g[1]], fine[g[2]], fine[g[3]]
            p0, p1, p2, p3 = p[0], p[1], p[2], p[3]
            q0, q1, q2, q3 = q[0], q[1], q[2], q[3]
            row = joined[line, j, :channels]
            for k in range(channels):
                over = p0 * _read(a[k]) + p1 * _read(b[k]) + p2 * _read(c[k]) + p3 * _read(d[k])
                under = q0 * _read(s[k]) + q1 * _read(t[k]) + q2 * _read(u[k]) + q3 * _read(v[k])
                row[k] = _stored(over + under, row[k])
            x, y = _regular(j, columns), _regular(i, rows)
            _find_corners(x, y, middle.shape[0], middle.shape[1], np.float32(1), p, f)
            a, b, c, d = plain[f[0]], plain[f[1]], plain[f[2]], plain[f[3]]
            p0, p1, p2, p3 = p[0], p[1], p[2], p[3]
            row = joined[line, j, channels:]
            for k in range(others):
                over = p0 * _read(a[k]) + p1 * _read(b[k]) + p2 * _read(c[k]) + p3 * _read(d[k])
                row[k] = _stored(over, row[k])
