"""Compiled loops of ``inference.tail``: the lazy argmax and its confidence."""

import math

from numba import float32, int64, njit, uint8, void
import numpy as np

from . import compiled

# Below this the softmax of a class is less than 1e-7: not worth an exponential.
_NEGLIGIBLE = -17.0
_LOGITS, _IDS = float32[:, :, ::1], uint8[:, ::1]
_BOUNDS, _WEIGHTS = int64[::1], float32[::1]
_PLACES = (_BOUNDS, _WEIGHTS, _BOUNDS, _WEIGHTS)


@njit
def _argmax_row(logits: np.ndarray, ids: np.ndarray) -> None:
    for column in range(logits.shape[0]):
        best, largest = 0, logits[column, 0]
        for index in range(1, logits.shape[1]):
            if logits[column, index] > largest:
                best, largest = index, logits[column, index]
        ids[column] = best


@njit
def _find_candidates(
    logits: np.ndarray, top: int, bottom: int, left: int, right: int, candidates: np.ndarray
) -> int:
    """Write the classes that no other one exceeds in all corners of the cell; returns how many."""
    bound = np.float32(-np.inf)
    for index in range(logits.shape[2]):
        upper = min(logits[top, left, index], logits[top, right, index])
        lower = min(logits[bottom, left, index], logits[bottom, right, index])
        bound = max(bound, min(upper, lower))
    count = 0
    for index in range(logits.shape[2]):
        upper = max(logits[top, left, index], logits[top, right, index])
        lower = max(logits[bottom, left, index], logits[bottom, right, index])
        if max(upper, lower) >= bound:
            candidates[count] = index
            count += 1
    return count


@compiled(void(_LOGITS, *_PLACES, _IDS, int64, int64))
def argmax(
    logits: np.ndarray,
    rows: np.ndarray,
    down: np.ndarray,
    columns: np.ndarray,
    across: np.ndarray,
    ids: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """
    Write the argmax of upsampled logits, for the cells between coarse rows ``start`` and ``stop``.

    :param logits: h x w x C float32.
    :param rows, columns: cell k holds the fine positions from ``rows[k]`` on, to ``rows[k + 1]``.
    :param down, across: weight of the second coarse neighbour of every fine position.
    :param ids: height x width uint8, written.
    """
    height, width, classes = logits.shape
    one = np.float32(1)
    above, below = np.empty(width, np.uint8), np.empty(width, np.uint8)
    candidates = np.empty(classes, np.int64)
    _argmax_row(logits[start], below)
    for top in range(start, stop):
        bottom = min(top + 1, height - 1)
        above, below = below, above
        _argmax_row(logits[bottom], below)
        for left in range(len(columns) - 1):
            right = min(left + 1, width - 1)
            only = above[left]
            if above[right] == only and below[left] == only and below[right] == only:
                for i in range(rows[top], rows[top + 1]):
                    for j in range(columns[left], columns[left + 1]):
                        ids[i, j] = only
                continue
            count = _find_candidates(logits, top, bottom, left, right, candidates)
            for i in range(rows[top], rows[top + 1]):
                y = down[i]
                for j in range(columns[left], columns[left + 1]):
                    x = across[j]
                    best, largest = 0, np.float32(-np.inf)
                    for place in range(count):
                        k = candidates[place]
                        upper = logits[top, left, k] * (one - x) + logits[top, right, k] * x
                        lower = logits[bottom, left, k] * (one - x) + logits[bottom, right, k] * x
                        value = upper * (one - y) + lower * y
                        if value > largest:
                            best, largest = k, value
                    ids[i, j] = best


@njit
def _normalise_row(logits: np.ndarray, peaks: np.ndarray, shares: np.ndarray) -> None:
    """Write the largest logit of every column, and its softmax probability."""
    for column in range(logits.shape[0]):
        peak = logits[column, 0]
        for index in range(1, logits.shape[1]):
            peak = max(peak, logits[column, index])
        total = 0.0
        for index in range(logits.shape[1]):
            gap = logits[column, index] - peak
            if gap > _NEGLIGIBLE:
                total += math.exp(gap)
        peaks[column], shares[column] = peak, 1 / total


@compiled(void(_LOGITS, *_PLACES, _IDS, _IDS, int64, int64))
def confidence(
    logits: np.ndarray,
    rows: np.ndarray,
    down: np.ndarray,
    columns: np.ndarray,
    across: np.ndarray,
    ids: np.ndarray,
    sure: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """
    Write the interpolated softmax probability of the ids; for the rest see ``argmax``.

    :param sure: height x width uint8, 0..255, written.
    """
    height, width, _ = logits.shape
    one = np.float32(1)
    # Two rows of the coarse grid at a time, by the parity of their number.
    peaks, shares = np.empty((2, width), np.float32), np.empty((2, width), np.float32)
    _normalise_row(logits[start], peaks[start % 2], shares[start % 2])
    for top in range(start, stop):
        bottom = min(top + 1, height - 1)
        a, b = top % 2, bottom % 2
        _normalise_row(logits[bottom], peaks[b], shares[b])
        for left in range(len(columns) - 1):
            right = min(left + 1, width - 1)
            known = -1
            p = q = r = s = np.float32(0)
            for i in range(rows[top], rows[top + 1]):
                y = down[i]
                for j in range(columns[left], columns[left + 1]):
                    x, k = across[j], ids[i, j]
                    if k != known:
                        known = k
                        p = np.exp(logits[top, left, k] - peaks[a, left]) * shares[a, left]
                        q = np.exp(logits[top, right, k] - peaks[a, right]) * shares[a, right]
                        r = np.exp(logits[bottom, left, k] - peaks[b, left]) * shares[b, left]
                        s = np.exp(logits[bottom, right, k] - peaks[b, right]) * shares[b, right]
                    upper, lower = p * (one - x) + q * x, r * (one - x) + s * x
                    sure[i, j] = round((upper * (one - y) + lower * y) * 255)
