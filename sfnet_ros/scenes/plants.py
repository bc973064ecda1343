"""Trees, bushes and hedges, painted leaf by leaf."""

import cv2
import numpy as np

from .noise import Grain, to_bytes
from .surfaces import Texture
from .weather import Weather


def tree(rng: np.random.Generator, grain: Grain, weather: Weather, kind: str) -> Texture:
    """
    Paint a tree from its foot to its top, 256 x 320, on nothing.

    :param kind: 'round', 'tall' or 'fir'.
    """
    leaf = np.array(weather.leaves[rng.integers(len(weather.leaves))], float)
    if kind == 'fir':
        leaf = np.array([52.0, 76, 48])
    canvas = np.zeros((320, 256, 4), np.uint8)
    canvas[..., :3] = (leaf * 0.6).astype(np.uint8)
    bark = tuple(int(c) for c in np.array([86, 72, 58]) * rng.uniform(0.7, 1.1)) + (255,)
    bare = weather.bare and kind != 'fir'
    trunk = int(rng.integers(6, 11))
    if bare:
        canvas[..., :3] = bark[:3]
    cv2.fillConvexPoly(canvas, np.array([
        (128 - trunk, 319), (128 + trunk, 319), (128 + trunk // 2, 120), (128 - trunk // 2, 120)
    ], np.int32), bark, cv2.LINE_AA)  # fmt: skip
    _branches(rng, canvas, bark, deep=bare)
    if not bare:
        for x, y, size in _clusters(rng, kind):
            _leaves(rng, canvas, (x, y), size, leaf, weather.sun)
    return _ragged(rng, grain, canvas)


def _clusters(rng: np.random.Generator, kind: str) -> list[tuple[float, float, float]]:
    """Return where tufts of leaves sit: x, y, size; the ones at the back come first."""
    tufts = []
    if kind == 'fir':
        for row in np.linspace(20, 280, 26):
            reach = (row - 5) * 0.32
            tufts += [(128 + rng.uniform(-1, 1) * reach, row, 14.0) for _ in range(3)]
        return tufts
    half_wide, half_high = (104, 92) if kind == 'round' else (66, 112)
    lumps = rng.uniform(0, 2 * np.pi, 9)
    for turn in np.concatenate([lumps, rng.uniform(0, 2 * np.pi, 46)]):
        reach = np.sqrt(rng.uniform(0.02, 1.0)) * rng.uniform(0.82, 1.0)
        tufts.append((
            128 + half_wide * reach * np.cos(turn),
            12 + half_high + half_high * reach * np.sin(turn),
            rng.uniform(15, 25),
        ))  # fmt: skip
    return tufts


def _leaves(
    rng: np.random.Generator,
    canvas: np.ndarray,
    middle: tuple[float, float],
    size: float,
    leaf: np.ndarray,
    sun: np.ndarray,
) -> None:
    spots = rng.normal(0, 0.55, (30, 2)) * size
    spots = spots[np.argsort(-spots[:, 1])]
    base = 1.06 - 0.42 * (middle[1] / 320) + 0.2 * sun[0] * (middle[0] - 128) / 110
    light = base - 0.27 * spots[:, 1] / size + rng.normal(0, 0.10, len(spots))
    colours = np.clip(leaf * light[:, None], 0, 255).tolist()
    places = (spots + middle).astype(int).tolist()
    radii = rng.integers(1, 6, len(spots)).tolist()
    for place, radius, colour in zip(places, radii, colours, strict=True):
        cv2.circle(canvas, tuple(place), radius, (*colour, 255), -1)


def _ragged(rng: np.random.Generator, grain: Grain, canvas: np.ndarray) -> Texture:
    """Break the round spots up into leaves: rough light, and an outline with gaps."""
    size: tuple[int, int] = canvas.shape[:2]
    canvas[..., :3] = to_bytes(canvas[..., :3] * grain.rough(rng, size[0], size[1], 0.05, 0.15))
    cover = cv2.GaussianBlur(canvas[..., 3].astype(np.float32), (0, 0), 2.2)[..., None] / 255
    gaps = (cover + 0.22 * grain.cut('fine', rng, size[0], size[1]) - 0.5) * 4 + 0.5
    gaps[cover < 0.15] = 0  # no leaf hangs in the air
    spare = np.abs(np.arange(size[1]) - size[1] / 2) < size[1] * 0.04  # not the trunk
    gaps[:, spare] = np.maximum(gaps[:, spare], canvas[:, spare, 3:] / 255)
    canvas[..., 3:] = to_bytes(np.clip(gaps, 0, 1) * 255)
    canvas[-1:, ~spare, 3] = 0
    return Texture(canvas)


def _branches(
    rng: np.random.Generator, canvas: np.ndarray, bark: tuple[int, ...], deep: bool
) -> None:
    twigs = [(128.0, 200.0, -np.pi / 2, 58.0, 6)]
    while twigs:
        x, y, turn, length, thick = twigs.pop()
        end = (x + np.cos(turn) * length, y + np.sin(turn) * length)
        cv2.line(
            canvas, (int(x), int(y)), (int(end[0]), int(end[1])), bark, max(1, thick), cv2.LINE_AA
        )
        if length > (9 if deep else 26):
            for _ in range(3):
                spread = rng.uniform(-0.75, 0.75)
                twigs.append((*end, turn + spread, length * rng.uniform(0.62, 0.8), thick - 2))


def bush(rng: np.random.Generator, grain: Grain, weather: Weather) -> Texture:
    """Paint a low bush, 128 x 96, on nothing."""
    leaf = np.array(weather.leaves[rng.integers(len(weather.leaves))], float) * 0.95
    canvas = np.zeros((96, 128, 4), np.uint8)
    canvas[..., :3] = (leaf * 0.6).astype(np.uint8)
    for _ in range(34):
        turn, reach = rng.uniform(-np.pi, 0), np.sqrt(rng.uniform(0, 1))
        middle = (64 + 46 * reach * np.cos(turn), 88 + 70 * reach * np.sin(turn))
        _leaves(rng, canvas, middle, 13.0, leaf * 1.1, weather.sun)
    return _ragged(rng, grain, canvas)


def foliage(rng: np.random.Generator, grain: Grain, weather: Weather) -> Texture:
    """Paint the face of a hedge or of a wood, a tile of 4 m."""
    leaf = np.array(weather.leaves[rng.integers(len(weather.leaves))], float) * 0.85
    lumps = grain.cut('coarse', rng, 256, 256)
    light = np.clip(0.88 + 0.20 * lumps + 0.22 * grain.cut('fine', rng, 256, 256), 0.25, 1.6)
    return Texture(to_bytes(leaf * light), tiled=True)
