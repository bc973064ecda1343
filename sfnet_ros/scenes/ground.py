"""What lies underfoot: road with markings, paving, grass, and the marks upon them."""

import cv2
import numpy as np

from .noise import Grain, to_bytes
from .surfaces import Texture

ROAD_TILE_M = 24.0
_ROAD_SCALE = 32  # texels per metre


def road(
    rng: np.random.Generator,
    grain: Grain,
    width_m: float,
    lines: list[tuple[float, str]],
    lane_m: float,
) -> Texture:
    """
    Paint a road as wide as the street and 24 m long, one repeat of it.

    :param lines: places of lines across the road in metres from its left edge, and their kind:
        'solid', 'dashed', 'double' or 'bays'.
    """
    height, width = int(ROAD_TILE_M * _ROAD_SCALE), int(width_m * _ROAD_SCALE)
    shade = rng.uniform(72, 128)
    canvas = shade * np.array([1.0, 1.0, 1.03]) * grain.rough(rng, height, width, 0.045, 0.045)
    canvas = canvas.astype(np.float32)
    across = np.arange(width, dtype=np.float32) / _ROAD_SCALE
    worn = 0.5 + 0.5 * np.cos(across / lane_m * 4 * np.pi)
    canvas *= (1.0 + 0.05 * (worn - 0.5))[None, :, None]
    for _ in range(rng.integers(1, 5)):
        _patch(rng, grain, canvas)
    for _ in range(rng.integers(2, 8)):
        _crack(rng, canvas)
    paint = rng.uniform(185, 238)
    wear = np.clip(0.8 + 0.35 * grain.cut('coarse', rng, height, width), 0.15, 1)
    wear *= np.clip(1.0 + 0.3 * grain.cut('fine', rng, height, width), 0, 1)
    mask = np.zeros((height, width), np.uint8)
    for place_m, kind in lines:
        _line(mask, int(place_m * _ROAD_SCALE), kind)
    weight = (mask[..., None] / 255.0) * wear
    canvas = canvas * (1 - weight) + paint * weight
    gutter = np.minimum(across, width_m - across)
    canvas *= np.clip(0.78 + gutter * 0.5, 0, 1)[None, :, None]
    return Texture(to_bytes(canvas), tiled=True)


def _patch(rng: np.random.Generator, grain: Grain, canvas: np.ndarray) -> None:
    height, width = canvas.shape[:2]
    h, w = int(rng.uniform(0.05, 0.5) * height), int(rng.uniform(0.05, 0.3) * width)
    y, x = rng.integers(0, height - h), rng.integers(0, width - w)
    piece = canvas[y : y + h, x : x + w]
    piece *= rng.uniform(0.8, 1.14) * grain.rough(rng, h, w, 0.01, 0.03)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), (48, 48, 50), 1, cv2.LINE_AA)


def _crack(rng: np.random.Generator, canvas: np.ndarray) -> None:
    steps = rng.normal(0, 9, (rng.integers(10, 40), 2))
    steps += rng.normal(0, 8, 2)
    points = (np.cumsum(steps, axis=0) + rng.uniform(0, canvas.shape[0], 2)).astype(np.int32)
    cv2.polylines(canvas, [points[:, None]], False, (52, 51, 50), 1, cv2.LINE_AA)


def _line(mask: np.ndarray, x: int, kind: str) -> None:
    height, half = mask.shape[0], 2
    if kind == 'solid':
        mask[:, x - half : x + half] = 255
    elif kind == 'double':
        mask[:, x - 3 * half : x - half] = 255
        mask[:, x + half : x + 3 * half] = 255
    elif kind == 'dashed':
        for start in range(0, height, height // 3):
            mask[start : start + height // 8, x - half : x + half] = 255
    elif kind == 'bays':
        mask[:, x - 1 : x + 2] = 255
        for start in range(0, height, height // 4):
            mask[start : start + 3, max(0, x - _ROAD_SCALE) : x + _ROAD_SCALE] = 255


def asphalt(rng: np.random.Generator, grain: Grain) -> Texture:
    """Paint plain asphalt, a tile of 16 m."""
    canvas = rng.uniform(76, 118) * grain.rough(rng, 512, 512, 0.05, 0.05) * np.ones(3)
    return Texture(to_bytes(canvas), tiled=True)


def paving(rng: np.random.Generator, grain: Grain) -> Texture:
    """Paint slabs or bricks of a sidewalk, a tile of 4 m."""
    colour = np.array(
        [(158, 154, 148), (138, 136, 134), (160, 128, 112), (170, 162, 146)][rng.integers(4)]
    )
    canvas = colour * rng.uniform(0.85, 1.12) * grain.rough(rng, 256, 256, 0.05, 0.05)
    canvas = canvas.astype(np.float32)
    side = int(rng.choice([16, 32, 64]))
    depth = side // int(rng.choice([1, 2]))
    for row, top in enumerate(range(0, 256, depth)):
        for left in range(-side, 256, side):
            x = max(0, left + (row % 2) * side // 2)
            canvas[top : top + depth, x : left + (row % 2) * side // 2 + side] *= rng.normal(
                1.0, 0.045
            )
            canvas[top : top + depth, x : x + 1] *= 0.72
        canvas[top] *= 0.72
    return Texture(to_bytes(canvas), tiled=True)


def grass(rng: np.random.Generator, grain: Grain, colour: tuple[int, int, int]) -> Texture:
    """Paint a meadow, a tile of 8 m."""
    blades = grain.rough(rng, 512, 512, 0.10, 0.16) * np.array(colour)
    dry = np.clip(grain.cut('coarse', rng, 512, 512) - 0.6, 0, 1)
    canvas = blades * (1 - 0.5 * dry) + 0.5 * dry * np.array([138, 122, 88])
    return Texture(to_bytes(canvas), tiled=True)


def kerb(rng: np.random.Generator, grain: Grain) -> Texture:
    """Paint kerb stones, a tile of 2 m."""
    canvas = rng.uniform(130, 178) * grain.rough(rng, 16, 128, 0.05, 0.06) * np.ones(3)
    canvas[:, ::64] *= 0.6
    return Texture(to_bytes(canvas), tiled=True)


def crossing(rng: np.random.Generator, grain: Grain, width_m: float) -> Texture:
    """Paint the bars of a pedestrian crossing, worn, on nothing."""
    width = int(width_m * 40)
    alpha = np.zeros((120, width, 1), np.float32)
    for left in range(8, width, 40):
        alpha[6:114, left : left + 20] = 1
    wear = np.clip(0.75 + 0.3 * grain.cut('coarse', rng, 120, width), 0.1, 0.95)
    return _decal(np.full((120, width, 3), 222.0), alpha * wear)


def cover(rng: np.random.Generator, grain: Grain) -> Texture:
    """Paint a manhole cover or a gully, on nothing."""
    disc = np.zeros((64, 64), np.uint8)
    cv2.circle(disc, (32, 32), 29, 255, -1, cv2.LINE_AA)
    canvas = 74 * grain.rough(rng, 64, 64, 0.1, 0.1) * np.ones(3)
    canvas[::8] *= 0.75
    canvas[:, ::8] *= 0.75
    canvas = np.ascontiguousarray(canvas)
    cv2.circle(canvas, (32, 32), 29, (44, 44, 44), 2, cv2.LINE_AA)
    return _decal(canvas, disc[..., None] / 255.0)


def soft_shadow(darkness: float) -> Texture:
    """Paint the dark under a car: a box with soft edges."""
    box = np.zeros((64, 48), np.float32)
    box[8:56, 6:42] = 1
    soft = cv2.GaussianBlur(box, (0, 0), 3.0)[..., None]
    return _decal(np.full((64, 48, 3), 14.0), soft * darkness)


def leafy_shadow(rng: np.random.Generator, grain: Grain, darkness: float) -> Texture:
    """Paint the shadow of a tree: a disc that light falls through."""
    rows, columns = np.mgrid[-1:1:128j, -1:1:128j]
    reach = 1 - (rows**2 + columns**2)[..., None]
    ragged = np.clip((reach + 0.25 * grain.cut('coarse', rng, 128, 128)) * 3, 0, 1)
    holes = np.clip(1.0 + 0.35 * grain.cut('fine', rng, 128, 128), 0.2, 1)
    leaves = (ragged * holes * (reach > 0.02)).astype(np.float32)
    alpha = cv2.GaussianBlur(leaves, (0, 0), 1.0)[..., None]
    return _decal(np.full((128, 128, 3), 18.0), alpha * darkness)


def strip_shadow(rng: np.random.Generator, grain: Grain, darkness: float, side: int) -> Texture:
    """Paint the shadow of a row of houses on this side; its edge in the street is uneven."""
    sharp = np.ones((256, 64), np.float32)
    steps = np.repeat(rng.integers(0, 22, 8), 32)
    for row, step in enumerate(steps):
        sharp[row, :step] = 0
    alpha = cv2.GaussianBlur(sharp, (0, 0), 1.2)[:, ::side, None]
    return _decal(np.full((256, 64, 3), 20.0), alpha * darkness)


def _decal(canvas: np.ndarray, alpha: np.ndarray) -> Texture:
    return Texture(to_bytes(np.concatenate([canvas, alpha * 255.0], axis=2)))
