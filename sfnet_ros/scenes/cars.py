"""Cars from saloon to van: a body below the belt line, and a cabin of glass upon it."""

from dataclasses import dataclass

import cv2
import numpy as np

from .bodywork import draw_paint, mirror, SCALE, sheet, sides, wheels
from .labels import CAR
from .models import Model
from .noise import Grain, to_bytes
from .surfaces import panel, Texture


@dataclass(frozen=True)
class _Shape:
    """A car's body in metres: whole size, belt line, bonnet, boot and the slopes of its glass."""

    length: float
    width: float
    height: float
    belt: float
    bonnet: float
    boot: float
    front_slope: float
    rear_slope: float


_SHAPES = (
    _Shape(4.5, 1.80, 1.45, 0.92, 1.20, 0.75, 0.75, 0.60),  # saloon
    _Shape(4.0, 1.72, 1.48, 0.92, 0.95, 0.10, 0.75, 0.45),  # hatchback
    _Shape(4.7, 1.82, 1.50, 0.93, 1.15, 0.10, 0.75, 0.35),  # estate
    _Shape(4.6, 1.88, 1.72, 1.08, 1.05, 0.10, 0.65, 0.30),  # off-roader
    _Shape(4.9, 1.92, 1.98, 1.12, 0.70, 0.04, 0.80, 0.08),  # van
)


def car(rng: np.random.Generator, grain: Grain) -> Model:
    """Build a car with its own shape and paint."""
    shape = _SHAPES[rng.choice(len(_SHAPES), p=[0.28, 0.28, 0.18, 0.17, 0.09])]
    paint = draw_paint(rng)
    half, back, front = shape.width / 2, -shape.length / 2, shape.length / 2
    nose, tail = shape.belt - 0.20, shape.belt - (0.03 if shape.boot > 0.3 else 0.0)
    base = (back + shape.boot, front - shape.bonnet)
    top = (base[0] + shape.rear_slope, base[1] - shape.front_slope)
    inner = half - 0.17
    metal = Texture(sheet(rng, grain, paint, 48, 64))
    side = _flank(rng, grain, shape, paint, nose)
    glass = _side_glass(rng, grain, paint, shape)
    rear_end = Texture(_end(rng, grain, paint, shape, rear=True))
    front_end = Texture(_end(rng, grain, paint, shape, rear=False))
    rear_pane, front_pane = (Texture(_pane(rng, grain, paint)) for _ in range(2))
    wide = 2 * half
    parts = [
        panel((half, shape.belt, base[1]), (-wide, 0, 0), (0, nose - shape.belt, front - base[1]),
              metal, CAR),
        panel((-half, shape.belt, base[0]), (wide, 0, 0), (0, tail - shape.belt, back - base[0]),
              metal, CAR),
        panel((-half, tail, back), (wide, 0, 0), (0, -tail, 0), rear_end, CAR),
        panel((half, nose, front), (-wide, 0, 0), (0, -nose, 0), front_end, CAR),
    ]  # fmt: skip
    parts += sides(half, (back, front), (0.0, shape.belt), side, CAR)
    ratio = wide / (2 * inner)
    edge = half
    parts += [
        panel((-inner, shape.height, top[0]), (2 * inner, 0, 0),
              (inner - edge, shape.belt - shape.height, base[0] - top[0]), rear_pane, CAR,
              widening=ratio),
        panel((inner, shape.height, top[1]), (-2 * inner, 0, 0),
              (edge - inner, shape.belt - shape.height, base[1] - top[1]), front_pane, CAR,
              widening=ratio),
    ]  # fmt: skip
    length_ratio = (base[1] - base[0]) / (top[1] - top[0])
    drop = shape.belt - shape.height
    parts += [
        panel((inner, shape.height, top[0]), (0, 0, top[1] - top[0]),
              (edge - inner, drop, base[0] - top[0]), glass, CAR, widening=length_ratio),
        panel((-inner, shape.height, top[1]), (0, 0, top[0] - top[1]),
              (inner - edge, drop, base[1] - top[1]), mirror(glass), CAR,
              widening=length_ratio),
        panel((-inner, shape.height, top[1]), (2 * inner, 0, 0), (0, 0, top[0] - top[1]),
              metal, CAR),
    ]  # fmt: skip
    return Model(parts)


def _pane(rng: np.random.Generator, grain: Grain, paint: np.ndarray) -> np.ndarray:
    """Paint a front or rear window in its frame, 40 x 96."""
    canvas = sheet(rng, grain, paint, 40, 96).astype(np.float32)
    fall = np.linspace(1, 0.1, 34)[:, None, None]
    glass = np.array([62.0, 72, 82]) * fall + 24 + 14 * grain.cut('coarse', rng, 34, 86)
    canvas[4:38, 5:91] = glass
    heads = [(22, 12), (60, 12)]
    for x, wide in heads:  # head rests
        canvas[20:36, x : x + wide] *= 0.6
    return to_bytes(canvas)


def _side_glass(
    rng: np.random.Generator, grain: Grain, paint: np.ndarray, shape: _Shape
) -> Texture:
    canvas = sheet(rng, grain, paint, 40, 160).astype(np.float32)
    glass = 30 + 46 * np.linspace(1, 0.1, 32)[:, None, None]
    glass = glass + 12 * grain.cut('coarse', rng, 32, 148)
    dark = 0.9 if shape.height < 1.8 or rng.random() < 0.5 else 0.0
    if dark:
        canvas[5:37, 6:154] = glass * np.array([0.95, 1.0, 1.06])
        for x in (52, 104):
            canvas[:, x : x + 5] = sheet(rng, grain, paint * 0.7, 40, 5)
    else:
        canvas[5:37, 112:154] = glass[:, :42]
    return Texture(to_bytes(canvas))


def _flank(
    rng: np.random.Generator, grain: Grain, shape: _Shape, paint: np.ndarray, nose: float
) -> Texture:
    """Paint the lower side of a car with its wheels, the back at the left."""
    width, height = int(shape.length * SCALE), int(shape.belt * SCALE)
    canvas = np.zeros((height, width, 4), np.float32)
    canvas[..., :3] = sheet(rng, grain, paint, height, width)
    canvas[..., :3] *= np.linspace(1.08, 0.62, height)[:, None, None]
    sill = height - int(0.24 * SCALE)
    start = width - int(shape.bonnet * SCALE)
    body = np.zeros((height, width), np.uint8)
    low = int((shape.belt - nose) * SCALE)
    outline = [(0, 0), (start, 0), (width - 1, low), (width - 1, sill), (0, sill)]
    cv2.fillPoly(body, [np.array(outline, np.int32)], 255, cv2.LINE_AA)
    canvas[..., 3] = body
    for x in (0.34, 0.56):
        canvas[4:sill, int(x * width), :3] *= 0.55
        canvas[8:10, int(x * width) - 9 : int(x * width) - 3, :3] *= 0.5
    canvas[sill - 5 : sill, :, :3] *= 0.5
    canvas[6:14, :5, :3] = (150, 24, 22)
    wheels(canvas, (0.82 * SCALE, width - 0.86 * SCALE), 0.32)
    return Texture(to_bytes(canvas))


def _end(
    rng: np.random.Generator, grain: Grain, paint: np.ndarray, shape: _Shape, rear: bool
) -> np.ndarray:
    """Paint the back or the front of a car below its windows."""
    height, width = int(shape.belt * SCALE), int(shape.width * SCALE)
    canvas = np.zeros((height, width, 4), np.float32)
    canvas[..., :3] = sheet(rng, grain, paint, height, width)
    sill = height - int(0.26 * SCALE)
    canvas[:sill, :, 3] = 255
    canvas[sill:, : int(0.22 * SCALE)] = canvas[sill:, -int(0.22 * SCALE) :] = (24, 24, 25, 255)
    canvas[sill:, int(0.22 * SCALE) : -int(0.22 * SCALE)] = (12, 12, 12, 235)
    bumper = sill - int(0.16 * SCALE)
    canvas[bumper:sill, :, :3] = canvas[bumper:sill, :, :3] * 0.45 + 16
    lamp, tall = int(0.30 * SCALE), int(0.16 * SCALE)
    row = int(0.10 * SCALE)
    colour = (176, 22, 18) if rear else (226, 228, 226)
    for left in (2, width - lamp - 2):
        canvas[row : row + tall, left : left + lamp, :3] = colour
        canvas[row : row + 2, left : left + lamp, :3] *= 0.6
    plate = (width // 2 - int(0.26 * SCALE), width // 2 + int(0.26 * SCALE))
    place = bumper - 8 if rear else bumper
    if not rear:
        canvas[row + 1 : bumper - 2, lamp + 6 : width - lamp - 6, :3] = (30, 30, 32)
        canvas[row + 1 : bumper - 2 : 4, lamp + 6 : width - lamp - 6, :3] = (74, 76, 78)
    enamel = rng.choice([(226, 226, 220), (220, 184, 60)])
    canvas[place : place + 6, plate[0] : plate[1], :3] = enamel
    canvas[place + 2 : place + 4, plate[0] + 3 : plate[1] - 3 : 3, :3] = 40
    return to_bytes(canvas)
