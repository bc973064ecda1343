"""Fronts of buildings: storeys of windows, doors and shops, painted on textures."""

from dataclasses import dataclass

import cv2
import numpy as np

from .noise import Grain, to_bytes
from .surfaces import Texture

SCALE = 28  # texels per metre
STOREY_M = 3.1
GROUND_FLOOR_M = 3.7

_WALLS = {
    'plaster': (
        (208, 196, 168), (214, 206, 192), (196, 176, 140), (186, 150, 122), (170, 178, 170),
        (222, 214, 204), (176, 164, 158), (200, 168, 148), (150, 160, 172),
    ),
    'brick': ((142, 84, 66), (124, 72, 60), (158, 112, 84), (110, 84, 74)),
    'stone': ((172, 162, 142), (150, 146, 138), (184, 174, 156)),
    'concrete': ((148, 148, 146), (168, 166, 162), (126, 128, 130)),
    'glass': ((96, 112, 126), (70, 92, 108), (110, 122, 128)),
}  # fmt: skip


@dataclass(frozen=True)
class Facade:
    """A painted front and its size in metres."""

    texture: Texture
    width_m: float
    height_m: float


def facade(rng: np.random.Generator, grain: Grain, storeys: int, shop: bool) -> Facade:
    """Paint the front of a house with so many storeys, perhaps with a shop on the street."""
    bay_m = rng.uniform(2.2, 3.6)
    bays = int(rng.integers(3, 7))
    width_m, height_m = bays * bay_m, GROUND_FLOOR_M + (storeys - 1) * STOREY_M + 0.8
    kinds = list(_WALLS)
    kind = str(rng.choice(kinds, p=[0.46, 0.22, 0.14, 0.10, 0.08]))
    canvas = _wall(rng, grain, kind, int(height_m * SCALE), int(width_m * SCALE))
    windows = _windows(rng, grain, kind, int(bay_m * SCALE))
    balcony = kind != 'glass' and rng.random() < 0.22
    for storey in range(1, storeys):
        bottom = canvas.shape[0] - int((GROUND_FLOOR_M + (storey - 1) * STOREY_M) * SCALE)
        for bay in range(bays):
            window = windows[rng.integers(len(windows))]
            _place(canvas, window, bottom - int(0.75 * SCALE), int((bay + 0.5) * bay_m * SCALE))
            if balcony and bay % 2:
                _balcony(canvas, bottom, int((bay + 0.5) * bay_m * SCALE), int(bay_m * SCALE))
    _cornices(rng, canvas, storeys)
    if shop:
        _shopfront(rng, grain, canvas)
    else:
        _doorstep(rng, canvas, windows, bays, bay_m)
    _weathering(rng, grain, canvas)
    return Facade(Texture(to_bytes(canvas)), width_m, height_m)


def _wall(
    rng: np.random.Generator, grain: Grain, kind: str, height: int, width: int
) -> np.ndarray:
    colour = rng.choice(_WALLS[kind]) * rng.uniform(0.85, 1.12) + rng.normal(0, 4, 3)
    rough = 0.06 if kind in ('brick', 'stone') else 0.03
    canvas = (colour * grain.rough(rng, height, width, 0.04, rough)).astype(np.float32)
    course = {'brick': 3, 'stone': 14, 'concrete': 42}.get(kind)
    if course:
        canvas[::course] *= 0.84
    if kind == 'stone':
        canvas[:, ::24] *= 0.9
    if kind == 'brick':
        bricks = grain.cut('fine', rng, height // 3 + 1, width // 7 + 1)
        bricks = cv2.resize(bricks, (width, height), interpolation=cv2.INTER_NEAREST)
        canvas *= 1 + 0.06 * bricks[..., None]
    return canvas


def _windows(rng: np.random.Generator, grain: Grain, kind: str, bay: int) -> list[np.ndarray]:
    width = int(bay * (rng.uniform(0.86, 0.94) if kind == 'glass' else rng.uniform(0.36, 0.62)))
    height = int(SCALE * (2.3 if kind == 'glass' else rng.uniform(1.35, 1.95)))
    frame = rng.choice([238, 220, 90, 52]) * np.array([1.0, 0.99, 0.97])
    panes = int(rng.integers(1, 4))
    crossbar = rng.random() < 0.5
    return [
        _window(rng, grain, height, width, frame, panes, crossbar) for _ in range(5)
    ]  # fmt: skip


def _window(
    rng: np.random.Generator,
    grain: Grain,
    height: int,
    width: int,
    frame: np.ndarray,
    panes: int,
    crossbar: bool,
) -> np.ndarray:
    fall = np.linspace(1, 0, height, dtype=np.float32)[:, None, None]
    dark, bright = np.array([34.0, 38, 44]), np.array([120.0, 138, 156]) * rng.uniform(0.5, 1.1)
    mirrored = np.clip(fall + 0.35 * grain.cut('coarse', rng, height, width), 0, 1)
    glass = (dark + (bright - dark) * mirrored).astype(np.float32)
    if rng.random() < 0.45:  # curtains or a blind
        drop = int(height * rng.uniform(0.2, 0.9))
        cloth = np.array([196.0, 188, 176]) * rng.uniform(0.5, 0.95)
        folds = 1 + 0.12 * np.sin(np.arange(width) * rng.uniform(0.5, 1.2))[None, :, None]
        glass[:drop] = 0.35 * glass[:drop] + 0.65 * cloth * folds
    elif rng.random() < 0.08:
        glass = 0.5 * glass + np.array([120.0, 98, 58])  # a lamp is on inside
    glass = np.ascontiguousarray(glass, np.float32)
    colour = tuple(float(c) for c in frame)
    for pane in range(panes + 1):
        x = min(width - 1, pane * (width - 1) // panes)
        cv2.line(glass, (x, 0), (x, height), colour, 2 if pane in (0, panes) else 1)
    if crossbar:
        cv2.line(glass, (0, height // 3), (width, height // 3), colour, 1)
    cv2.rectangle(glass, (0, 0), (width - 1, height - 1), colour, 2)
    glass[2:5, 2:-2] *= 0.6  # the reveal throws a shadow on the glass
    return glass


def _place(canvas: np.ndarray, piece: np.ndarray, bottom: int, middle: int) -> None:
    height, width = piece.shape[:2]
    top, left = bottom - height, middle - width // 2
    if top < 2 or left < 2 or left + width > canvas.shape[1] - 2:
        return
    canvas[top - 2 : bottom + 2, left - 2 : left + width + 2] *= 0.9
    canvas[top:bottom, left : left + width] = piece
    canvas[bottom : bottom + 2, left - 3 : left + width + 3] *= 1.22  # the sill
    canvas[bottom + 2 : bottom + 4, left - 2 : left + width + 2] *= 0.72


def _balcony(canvas: np.ndarray, bottom: int, middle: int, bay: int) -> None:
    left, right = middle - int(0.42 * bay), middle + int(0.42 * bay)
    top = bottom - int(1.0 * SCALE)
    canvas[top:bottom, left:right] *= 0.55
    canvas[top:bottom, left:right:4] = 70
    canvas[top : top + 2, left:right] = 90
    canvas[bottom : bottom + 4, left:right] = 168
    canvas[bottom + 4 : bottom + 12, left:right] *= 0.7


def _cornices(rng: np.random.Generator, canvas: np.ndarray, storeys: int) -> None:
    height = canvas.shape[0]
    canvas[:6] *= 1.15
    canvas[6:14] *= 0.78
    every = rng.random() < 0.5
    for storey in range(storeys if every else 1):
        row = height - int((GROUND_FLOOR_M + storey * STOREY_M - 0.12) * SCALE)
        if 4 < row < height - 8:
            canvas[row : row + 3] *= 1.16
            canvas[row + 3 : row + 7] *= 0.82
    if rng.random() < 0.6:
        x = int(rng.choice([4, canvas.shape[1] - 8]))
        canvas[10:, x : x + 3] = canvas[10:, x : x + 3] * 0.5 + 30
        canvas[10:, x + 3 : x + 5] *= 0.75


def _shopfront(rng: np.random.Generator, grain: Grain, canvas: np.ndarray) -> None:
    height, width = canvas.shape[:2]
    top = height - int((GROUND_FLOOR_M - 0.35) * SCALE)
    sign_bottom = top + int(0.75 * SCALE)
    colour = rng.choice([(40, 44, 60), (120, 30, 30), (26, 74, 52), (190, 160, 60), (70, 70, 72)])
    board = grain.rough(rng, sign_bottom - top, width - 6, 0.03, 0.03)
    canvas[top:sign_bottom, 3:-3] = colour * board
    for x in range(int(width * 0.25), int(width * 0.7), 9):  # letters, or what looks like them
        if rng.random() < 0.85:
            canvas[top + 6 : sign_bottom - 6, x : x + int(rng.integers(3, 7))] = 228
    glass_top, glass_bottom = sign_bottom + 2, height - int(0.45 * SCALE)
    shape = (glass_bottom - glass_top, width - 8)
    inside = 52 + 34 * grain.cut('coarse', rng, *shape) + 16 * grain.cut('fine', rng, *shape)
    canvas[glass_top:glass_bottom, 4:-4] = np.clip(inside, 12, 200) * np.array([1.0, 0.97, 0.92])
    for x in range(4, width - 6, int(1.6 * SCALE)):
        canvas[glass_top:glass_bottom, x : x + 3] = np.asarray(colour) * 0.8 + 24
    door = int(rng.integers(6, max(7, width - SCALE - 6)))
    canvas[glass_top : height - 2, door : door + int(0.95 * SCALE)] = np.array([44.0, 42, 42])
    if rng.random() < 0.45:
        cloth = rng.choice([(150, 44, 40), (44, 84, 62), (190, 178, 150), (52, 66, 110)])
        bottom = glass_top + int(0.7 * SCALE)
        stripes = 0.78 + 0.22 * (np.arange(width) // 10 % 2)[None, :, None]
        canvas[glass_top:bottom] = cloth * stripes
        canvas[bottom : bottom + 6] *= 0.5


def _doorstep(
    rng: np.random.Generator,
    canvas: np.ndarray,
    windows: list[np.ndarray],
    bays: int,
    bay_m: float,
) -> None:
    height = canvas.shape[0]
    door_bay = int(rng.integers(bays))
    for bay in range(bays):
        middle = int((bay + 0.5) * bay_m * SCALE)
        if bay != door_bay:
            _place(canvas, windows[rng.integers(len(windows))], height - int(1.1 * SCALE), middle)
            continue
        half, top = int(0.55 * SCALE), height - int(2.5 * SCALE)
        colour = rng.choice([(72, 48, 34), (40, 58, 50), (96, 34, 32), (54, 56, 60)])
        canvas[top - 4 :, middle - half - 4 : middle + half + 4] *= 1.12
        canvas[top:, middle - half : middle + half] = colour
        canvas[top : top + 12, middle - half + 3 : middle + half - 3] = (58, 64, 70)
        canvas[top:, middle - 1 : middle + 1] *= 0.7


def _weathering(rng: np.random.Generator, grain: Grain, canvas: np.ndarray) -> None:
    height, width = canvas.shape[:2]
    canvas *= 1 + 0.035 * grain.cut('streaks', rng, height, width)
    foot = np.clip(np.arange(height)[::-1] / (1.4 * SCALE), 0, 1)
    canvas *= (0.76 + 0.24 * foot)[:, None, None]


def roof(rng: np.random.Generator, grain: Grain) -> Texture:
    """Paint rows of roof tiles, a tile of 6 m."""
    colour = np.array(
        [(128, 70, 54), (92, 66, 58), (84, 84, 90), (62, 62, 68), (146, 94, 70)][rng.integers(5)]
    )
    canvas = colour * grain.rough(rng, 128, 192, 0.07, 0.08)
    canvas[::6] *= 0.68
    canvas[1::6] *= 1.1
    canvas[:, ::8] *= 0.9
    return Texture(to_bytes(canvas), tiled=True)


def masonry(rng: np.random.Generator, grain: Grain) -> Texture:
    """Paint a garden wall of stone, brick or concrete, a tile of 4 m by its whole height."""
    kind = str(rng.choice(['brick', 'stone', 'concrete']))
    canvas = _wall(rng, grain, kind, 64, 128)
    canvas[:5] *= 1.15
    canvas[5:8] *= 0.7
    canvas *= np.linspace(1.05, 0.8, 64)[:, None, None]
    canvas *= 1 + 0.06 * grain.cut('streaks', rng, 64, 128)
    if rng.random() < 0.35:
        hue = rng.uniform(40, 210, 3)
        points = (rng.uniform(0, 1, (9, 2)) * (110, 40) + (8, 16)).astype(np.int32)
        canvas = np.ascontiguousarray(canvas, np.float32)
        cv2.polylines(canvas, [points[:, None]], False, tuple(hue.tolist()), 3, cv2.LINE_AA)
    return Texture(to_bytes(canvas), tiled=True)


def railing(rng: np.random.Generator, grain: Grain) -> Texture:
    """Paint a fence, a tile of 2 m: palings, bars or wire mesh, see-through between."""
    canvas = np.zeros((64, 96, 4), np.float32)
    kind = str(rng.choice(['palings', 'bars', 'mesh']))
    colour = {
        'palings': (142, 116, 88), 'bars': (48, 52, 52), 'mesh': (112, 120, 116)
    }[kind]  # fmt: skip
    canvas[..., :3] = colour * grain.rough(rng, 64, 96, 0.06, 0.08)
    if kind == 'palings':
        for x in range(0, 96, 8):
            canvas[int(rng.integers(0, 4)) :, x : x + 7, 3] = 255
            canvas[:, x : x + 1, :3] *= 0.7
    elif kind == 'bars':
        for x in range(0, 96, 6):
            canvas[:, x : x + 2, 3] = 255
        canvas[[3, 4, 5, 54, 55, 56], :, 3] = 255
    else:
        rows, columns = np.mgrid[:64, :96]
        canvas[((rows + columns) % 8 < 2) | ((rows - columns) % 8 < 2), 3] = 210
        canvas[:3, :, 3] = 255
        canvas[:, :4, 3] = 255
    return Texture(to_bytes(canvas), tiled=True)
