"""The last step on a CPU: coarse logits to ids at the size of the image, exactly and lazily."""

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Literal

import numpy as np

_MOST_PIXELS = 1 << 18
# What the compiled loops take; they do not write to it.
_WRITABLE: tuple[Literal['C', 'W'], ...] = ('C', 'W')


def upsampled_argmax(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """
    Return the argmax of bilinearly upsampled logits (corners aligned) without upsampling all.

    Interpolation is convex: where the four corners of a cell agree on the largest class, every
    point inside does too. Only the other cells need more classes; compiled, those alone that no
    other class exceeds in all four corners. Without numba NumPy does it, several times as slowly.

    :param logits: h x w x C float32, all finite: what is none has no order to keep.
    :param size: height and width of the result.
    :return: height x width uint8.
    """
    loops = compiled_loops()
    if loops is None:
        return _argmax_in_numpy(logits, size)
    ids = np.empty(size, np.uint8)
    _run(loops.argmax, logits, size, ids)
    return ids


def interpolated_confidence(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """
    Return how sure the logits are of ids that ``upsampled_argmax`` gave for them.

    It is the softmax probability of the pixel's class, interpolated between the four points of the
    logits' grid around it.

    :param logits: h x w x C float32. :param ids: height x width uint8.
    :return: height x width uint8, 0..255 for probabilities 0..1.
    """
    loops = compiled_loops()
    if loops is None:
        return _confidence_in_numpy(logits, ids)
    sure = np.empty_like(ids)
    _run(loops.confidence, logits, ids.shape, np.require(ids, None, _WRITABLE), sure)
    return sure


@cache
def compiled_loops() -> ModuleType | None:
    """Return ``kernels.tail``, None where numba is not installed or does not fit NumPy."""
    try:
        from .kernels import tail
    except ImportError:
        return None
    return tail


def _run(
    kernel: Callable[..., None], logits: np.ndarray, size: tuple[int, ...], *results: np.ndarray
) -> None:
    from .kernels import in_stripes

    rows, down = _cells(logits.shape[0], size[0])
    columns, across = _cells(logits.shape[1], size[1])
    logits = np.require(logits, np.float32, _WRITABLE)
    in_stripes(kernel, len(rows) - 1, logits, rows, down, columns, across, *results)


def _cells(coarse: int, fine: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the fine positions of every coarse cell begin, and those of the last end."""
    first, _, weights = _positions(coarse, fine)
    return np.searchsorted(first, np.arange(max(coarse - 1, 1) + 1)), weights


def _argmax_in_numpy(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    top, bottom, down = _positions(logits.shape[0], size[0])
    left, right, across = _positions(logits.shape[1], size[1])
    coarse = logits.argmax(axis=2).astype(np.uint8)
    below = coarse[np.minimum(np.arange(1, len(coarse) + 1), len(coarse) - 1)]
    beside = np.concatenate((coarse[:, 1:], coarse[:, -1:]), axis=1)
    diagonal = np.concatenate((below[:, 1:], below[:, -1:]), axis=1)
    mixed = (coarse != below) | (coarse != beside) | (coarse != diagonal)
    ids = coarse.take(top, axis=0).take(left, axis=1)
    rows, columns = np.nonzero(mixed.take(top, axis=0).take(left, axis=1))
    for start in range(0, len(rows), _MOST_PIXELS):
        i, j = rows[start : start + _MOST_PIXELS], columns[start : start + _MOST_PIXELS]
        x, y = across[j, None], down[i, None]
        upper = logits[top[i], left[j]] * (1 - x) + logits[top[i], right[j]] * x
        lower = logits[bottom[i], left[j]] * (1 - x) + logits[bottom[i], right[j]] * x
        ids[i, j] = (upper * (1 - y) + lower * y).argmax(axis=1)
    return ids


def _confidence_in_numpy(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
    top, bottom, down = _positions(logits.shape[0], ids.shape[0])
    left, right, across = _positions(logits.shape[1], ids.shape[1])
    planes = np.exp(logits - logits.max(axis=2, keepdims=True)).transpose(2, 0, 1)
    planes /= planes.sum(axis=0)
    confidence = np.zeros(ids.shape, np.float32)
    for index in np.unique(ids):
        rows, columns = np.nonzero(ids == index)
        plane, y, x = planes[index], down[rows], across[columns]
        i, j, below, beside = top[rows], left[columns], bottom[rows], right[columns]
        upper = plane[i, j] * (1 - x) + plane[i, beside] * x
        lower = plane[below, j] * (1 - x) + plane[below, beside] * x
        confidence[rows, columns] = upper * (1 - y) + lower * y
    return np.rint(confidence * 255).astype(np.uint8)


def _positions(coarse: int, fine: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for every fine position its two coarse neighbours and the weight of the second."""
    position = np.arange(fine) * ((coarse - 1) / (fine - 1) if fine > 1 else 0.0)
    first = np.minimum(position.astype(np.intp), max(coarse - 2, 0))
    second = np.minimum(first + 1, coarse - 1)
    return first, second, (position - first).astype(np.float32)
