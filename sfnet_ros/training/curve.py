"""The loss of a run as a picture."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

_HEIGHT, _WIDTH = 420, 840
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 24, 40
_INK, _PALE, _LINE = (60, 60, 60), (225, 205, 190), (180, 90, 30)  # BGR


def draw_curve(path: Path, losses: Sequence[float]) -> None:
    """
    Draw the loss over the steps as PNG: pale as it is, dark its running mean; logarithmic.

    :param losses: one a step, from step 0; zeros (steps without a labelled pixel) are left out.
    """
    values = np.asarray(losses, np.float64)
    steps = np.flatnonzero(np.isfinite(values) & (values > 0))
    if len(steps) < 2:
        return
    logs = np.log10(values[steps])
    smooth = _running_mean(logs, max(1, len(logs) // 50))
    low, high = np.floor(logs.min() * 10) / 10, np.ceil(logs.max() * 10) / 10 + 1e-9
    picture = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)

    def place(step: np.ndarray, log: np.ndarray) -> np.ndarray:
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / max(1, steps[-1])
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - log) / (high - low)
        return np.stack((x, y), axis=-1).round().astype(np.int32)

    for log in np.linspace(low, high, 6):
        (x, y), (end, _) = place(np.array([0, steps[-1]]), np.array([log, log]))
        cv2.line(picture, (int(x), int(y)), (int(end), int(y)), (235, 235, 235), 1)
        _write(picture, f'{10**log:.3g}', (8, int(y) + 4))
    for step in np.linspace(0, steps[-1], 5).round():
        x, _ = place(step, low)
        _write(picture, f'{step:.0f}', (int(x) - 12, _HEIGHT - 16))
    _write(picture, 'loss by step', (_LEFT, 16))
    cv2.polylines(picture, [place(steps, logs)], False, _PALE, 1, cv2.LINE_AA)
    cv2.polylines(picture, [place(steps, smooth)], False, _LINE, 2, cv2.LINE_AA)
    cv2.imwrite(str(path), picture)


def _running_mean(values: np.ndarray, reach: int) -> np.ndarray:
    """Average every value with up to ``reach`` neighbours on either side."""
    sums = np.concatenate(([0.0], values.cumsum()))
    indices = np.arange(len(values))
    first, last = (indices - reach).clip(0), (indices + reach + 1).clip(max=len(values))
    return (sums[last] - sums[first]) / (last - first)


def _write(picture: np.ndarray, text: str, place: tuple[int, int]) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
