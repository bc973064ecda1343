"""Tileable noise of many sizes, the raw material of every texture."""

import cv2
import numpy as np

SIDE = 512


def fractal(
    rng: np.random.Generator, side: int, cells: int, octaves: int, falloff: float
) -> np.ndarray:
    """
    Return side x side float32 noise that tiles, mean 0 and deviation 1.

    :param cells: how many bumps the coarsest layer has along an edge (a divisor of `side`).
    :param falloff: each finer layer's height over the one before.
    """
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        count = cells << octave
        if count > side:
            break
        step = side // count
        grid = np.pad(rng.standard_normal((count, count), np.float32), 2, mode='wrap')
        size = (count + 4) * step
        layer = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        total += falloff**octave * layer[2 * step : 2 * step + side, 2 * step : 2 * step + side]
    return (total - total.mean()) / total.std()


class Grain:
    """A stock of noise to cut pieces from: making it anew for each texture is slow."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Make the stock: blotches of metres and grain of centimetres."""
        self._stock = {
            'coarse': fractal(rng, SIDE, 4, 5, 0.6),
            'fine': fractal(rng, SIDE, 64, 4, 0.8),
            'streaks': cv2.resize(fractal(rng, SIDE, 32, 4, 0.7)[:32], (SIDE, SIDE)),
        }

    def cut(self, kind: str, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        """
        Cut a height x width x 1 float32 piece, mean 0 and deviation 1, at a random place.

        :param kind: 'coarse', 'fine' or 'streaks' (drawn out downwards).
        """
        top, left = rng.integers(0, SIDE, 2)
        rows = (top + np.arange(height)) % SIDE
        columns = (left + np.arange(width)) % SIDE
        return self._stock[kind].take(rows, axis=0).take(columns, axis=1)[..., None]

    def rough(
        self, rng: np.random.Generator, height: int, width: int, coarse: float, fine: float
    ) -> np.ndarray:
        """Return height x width x 1 float32 gains around 1 with these two deviations."""
        return (
            1.0
            + coarse * self.cut('coarse', rng, height, width)
            + fine * self.cut('fine', rng, height, width)
        )


def to_bytes(canvas: np.ndarray) -> np.ndarray:
    """Round and clip a float image of 0..255 to uint8, any shape."""
    return np.clip(canvas + 0.5, 0, 255).astype(np.uint8)
