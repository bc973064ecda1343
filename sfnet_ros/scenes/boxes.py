"""Trucks, buses and trams: boxes on wheels with painted sides."""

import numpy as np

from .bodywork import draw_paint, SCALE, sheet, sides, wheels
from .labels import BUS, TRAIN, TRUCK
from .models import Model
from .noise import Grain, to_bytes
from .surfaces import Panel, panel, Texture


def truck(rng: np.random.Generator, grain: Grain) -> Model:
    """Build a truck: a cab and a box behind it, or a tipper."""
    paint = draw_paint(rng)
    load = rng.choice([(214, 214, 210), (196, 198, 196), (70, 96, 150), (172, 60, 46)])
    length, high = rng.uniform(5.0, 8.0), rng.uniform(2.7, 3.6)
    front = (length / 2 + 0.15, length / 2 + 2.1)
    cab = _box(rng, grain, paint, 2.3, (0.0, 2.5), front, TRUCK, 'cab')
    box = _box(rng, grain, load, 2.45, (0.0, high), (-length / 2, length / 2), TRUCK, 'load')
    return Model(cab + box, [length / 2 + 1] * len(cab) + [0.0] * len(box))


def bus(rng: np.random.Generator, grain: Grain) -> Model:
    """Build a city bus."""
    paint = rng.choice([
        (170, 34, 30), (228, 196, 60), (44, 96, 160), (224, 224, 220), (60, 120, 84)
    ])  # fmt: skip
    half = rng.uniform(4.6, 6.0)
    return Model(_box(rng, grain, paint, 2.5, (0.0, 3.0), (-half, half), BUS, 'seats'))


def tram(rng: np.random.Generator, grain: Grain) -> Model:
    """Build a tram of two cars."""
    paint = rng.choice([(180, 40, 36), (226, 204, 120), (40, 92, 120), (230, 230, 226)])
    first = _box(rng, grain, paint, 2.5, (0.0, 3.4), (0.4, 13.0), TRAIN, 'seats')
    last = _box(rng, grain, paint, 2.5, (0.0, 3.4), (-13.0, -0.4), TRAIN, 'seats')
    return Model(last + first, [-7.0] * len(last) + [7.0] * len(first))


def _box(
    rng: np.random.Generator,
    grain: Grain,
    paint: np.ndarray,
    width: float,
    y: tuple[float, float],
    z: tuple[float, float],
    label: int,
    kind: str,
) -> list[Panel]:
    """Return the panels of a box on wheels; kind is 'cab', 'load' or 'seats'."""
    half, high, length = width / 2, y[1] - y[0], z[1] - z[0]
    side = _box_side(rng, grain, paint, length, high, kind)
    rear = Texture(_box_end(rng, grain, paint, width, high, kind, rear=True))
    front = Texture(_box_end(rng, grain, paint, width, high, kind, rear=False))
    top = Texture(sheet(rng, grain, paint * 0.8 + 30, 48, 48))
    return [
        panel((-half, y[1], z[1]), (width, 0, 0), (0, 0, -length), top, label),
        *sides(half, z, y, side, label),
        panel((-half, y[1], z[0]), (width, 0, 0), (0, -high, 0), rear, label),
        panel((half, y[1], z[1]), (-width, 0, 0), (0, -high, 0), front, label),
    ]


def _box_side(
    rng: np.random.Generator,
    grain: Grain,
    paint: np.ndarray,
    length: float,
    high: float,
    kind: str,
) -> Texture:
    height, width = int(high * SCALE), int(length * SCALE)
    canvas = np.zeros((height, width, 4), np.float32)
    canvas[..., :3] = sheet(rng, grain, paint, height, width)
    canvas[..., :3] *= 1 + 0.04 * grain.cut('streaks', rng, height, width)
    sill = height - int((0.75 if kind == 'load' else 0.32) * SCALE)
    canvas[:sill, :, 3] = 255
    if kind == 'load':
        canvas[:sill, ::24, :3] *= 0.88
        canvas[sill - 6 : sill, :, :3] *= 0.5
        canvas[sill : sill + 10, :] = (36, 36, 38, 255)
    else:
        top, bottom = int(0.35 * SCALE), int((1.05 if kind == 'cab' else 1.65) * SCALE)
        wide = width if kind == 'seats' else int(width * 0.8)
        glass = 34 + 40 * np.linspace(1, 0, bottom - top)[:, None, None]
        glass = glass + 14 * grain.cut('coarse', rng, bottom - top, wide - 8)
        canvas[top:bottom, 4 : wide - 4, :3] = glass * np.array([0.95, 1, 1.06])
        if kind == 'seats':
            for x in range(4, width, int(1.5 * SCALE)):
                canvas[top:bottom, x : x + 4, :3] = 32
            for x in (int(0.3 * width), int(0.8 * width)):
                canvas[top : sill - 4, x : x + int(1.1 * SCALE), :3] *= 0.55
            stripe = canvas[bottom + 12 : bottom + 22, :, :3]
            stripe[:] = 0.4 * stripe + 120
    places = (1.0 * SCALE, width - 1.0 * SCALE) if kind != 'cab' else (width / 2,)
    wheels(canvas, places, 0.48)
    return Texture(to_bytes(canvas))


def _box_end(
    rng: np.random.Generator,
    grain: Grain,
    paint: np.ndarray,
    wide: float,
    high: float,
    kind: str,
    rear: bool,
) -> np.ndarray:
    height, width = int(high * SCALE), int(wide * SCALE)
    canvas = np.zeros((height, width, 4), np.float32)
    canvas[..., :3] = sheet(rng, grain, paint, height, width)
    sill = height - int(0.4 * SCALE)
    canvas[:sill, :, 3] = 255
    canvas[sill:, : width // 6] = canvas[sill:, -width // 6 :] = (26, 26, 27, 255)
    canvas[sill - 14 : sill, :, :3] = canvas[sill - 14 : sill, :, :3] * 0.3 + 20
    if kind == 'load':
        canvas[4:sill, width // 2 - 1 : width // 2 + 1, :3] *= 0.4
        canvas[8 : sill - 14, width // 4 :: width // 4, :3] *= 0.7
    else:
        top, bottom = int(0.3 * SCALE), int(1.5 * SCALE)
        glass = 30 + 44 * np.linspace(1, 0, bottom - top)[:, None, None]
        glass = glass + 12 * grain.cut('coarse', rng, bottom - top, width - 16)
        canvas[top:bottom, 8:-8, :3] = glass
        if kind == 'seats' and not rear:
            canvas[6 : top - 2, width // 4 : -width // 4, :3] = (24, 24, 22)
            canvas[9 : top - 4, width // 3 : -width // 3 : 3, :3] = (230, 170, 50)
    for left in (4, width - 18):
        colour = (170, 20, 18) if rear else (232, 232, 226)
        canvas[sill - 30 : sill - 18, left : left + 14, :3] = colour
    canvas[sill - 12 : sill - 4, width // 2 - 12 : width // 2 + 12, :3] = 216
    return to_bytes(canvas)
