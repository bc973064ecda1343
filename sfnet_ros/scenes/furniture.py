"""What stands on a sidewalk: lamps, traffic lights, signs, bins; and the skyline far behind."""

import cv2
import numpy as np

from .labels import BUILDING, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, UNLABELLED, VEGETATION
from .models import Model
from .noise import Grain, to_bytes
from .surfaces import facing, Panel, panel, Texture
from .weather import Weather

_RED, _BLUE, _WHITE = (186, 28, 30, 255), (30, 72, 160, 255), (232, 232, 228, 255)


def post(rng: np.random.Generator, grain: Grain) -> Texture:
    """Paint a round post."""
    colour = rng.choice([(92, 96, 96), (58, 62, 60), (128, 128, 124), (104, 92, 76)])
    round_light = np.array([0.6, 0.95, 1.2, 1.1, 0.85, 0.55])[None, :, None]
    return Texture(to_bytes(colour * round_light * grain.rough(rng, 128, 6, 0.06, 0.06)))


def lamp(texture: Texture, side: int, height_m: float, reach_m: float) -> Model:
    """Build a street lamp on one side; its arm reaches towards the middle of the road."""
    arm = (0.0, side * -reach_m)
    arm = (min(arm), max(arm))
    head = (arm[0] - 0.1, arm[0] + 0.6) if side > 0 else (arm[1] - 0.6, arm[1] + 0.1)
    dark = (0.7, 0.7, 0.7)
    return Model([
        facing((-0.085, 0.085), (0, height_m), 0, texture, POLE, two_sided=True),
        facing(arm, (height_m - 0.1, height_m), 0, texture, POLE, two_sided=True),
        facing(head, (height_m - 0.2, height_m + 0.02), 0, texture, POLE, two_sided=True,
               tint=dark),
    ])  # fmt: skip


def mast(texture: Texture, height_m: float) -> Model:
    """Build a plain mast, as those which carry wires."""
    return Model([
        facing((-0.11, 0.11), (0, height_m), 0, texture, POLE, two_sided=True),
        facing((-0.9, 0.9), (height_m - 0.7, height_m - 0.58), 0, texture, POLE, two_sided=True),
    ])  # fmt: skip


def traffic_light(rng: np.random.Generator, grain: Grain, texture: Texture) -> Model:
    """Build a traffic light on its post."""
    canvas = 30 * grain.rough(rng, 96, 34, 0.1, 0.05) * np.ones(3)
    canvas = np.ascontiguousarray(canvas, np.float32)
    lit = int(rng.integers(3))
    for lamp_index, colour in enumerate([(255, 60, 40), (255, 190, 50), (60, 235, 150)]):
        shade = colour if lamp_index == lit else tuple(c * 0.22 for c in colour)
        cv2.circle(canvas, (17, 17 + 31 * lamp_index), 12, shade, -1, cv2.LINE_AA)
    top = rng.uniform(3.0, 3.6)
    box = facing((-0.18, 0.18), (top - 1.0, top), 0, Texture(to_bytes(canvas)), TRAFFIC_LIGHT,
                 two_sided=True)  # fmt: skip
    pole = facing((-0.07, 0.07), (0, top - 0.9), 0, texture, POLE, two_sided=True)
    return Model([pole, box])


def sign(rng: np.random.Generator, grain: Grain, texture: Texture) -> Model:
    """Build a traffic sign on its post."""
    kind = str(rng.choice(['ban', 'warning', 'order', 'priority', 'board', 'stop']))
    canvas = np.zeros((64, 64, 4), np.float32)
    if kind == 'board':
        _paint_board(rng, canvas)
    else:
        _paint_sign(canvas, kind)
    canvas[..., :3] *= grain.rough(rng, 64, 64, 0.06, 0.03)
    half_m, middle_m = 0.5 if kind == 'board' else 0.36, rng.uniform(2.3, 2.8)
    face = facing((-half_m, half_m), (middle_m - half_m, middle_m + half_m), -0.05,
                  Texture(to_bytes(canvas)), TRAFFIC_SIGN, two_sided=True)  # fmt: skip
    return Model([
        facing((-0.045, 0.045), (0, middle_m + 0.3), 0, texture, POLE, two_sided=True), face
    ])  # fmt: skip


def _paint_board(rng: np.random.Generator, canvas: np.ndarray) -> None:
    canvas[:] = _BLUE if rng.random() < 0.5 else (228, 206, 70, 255)
    canvas[3:61, [3, 60]] = _WHITE
    canvas[[3, 60], 3:61] = _WHITE
    for row in (14, 28, 42):
        canvas[row : row + 7, 10 : int(rng.integers(34, 56))] = _WHITE


def _paint_sign(canvas: np.ndarray, kind: str) -> None:
    if kind == 'ban':
        cv2.circle(canvas, (32, 32), 31, _RED, -1, cv2.LINE_AA)
        cv2.circle(canvas, (32, 32), 23, _WHITE, -1, cv2.LINE_AA)
        cv2.rectangle(canvas, (22, 26), (42, 38), (30, 30, 30, 255), -1)
    elif kind == 'warning':
        _polygon(canvas, [(32, 2), (63, 60), (1, 60)], _RED)
        _polygon(canvas, [(32, 16), (51, 52), (13, 52)], _WHITE)
        cv2.rectangle(canvas, (29, 28), (35, 46), (24, 24, 24, 255), -1)
    elif kind == 'order':
        cv2.circle(canvas, (32, 32), 31, _BLUE, -1, cv2.LINE_AA)
        cv2.arrowedLine(canvas, (20, 48), (42, 18), _WHITE, 6, cv2.LINE_AA)
    elif kind == 'priority':
        _polygon(canvas, [(32, 1), (63, 32), (32, 63), (1, 32)], _WHITE)
        _polygon(canvas, [(32, 7), (57, 32), (32, 57), (7, 32)], (234, 186, 40, 255))
    else:
        turns = (np.arange(8) + 0.5) * np.pi / 4
        _polygon(canvas, [(32 + 31 * np.cos(t), 32 + 31 * np.sin(t)) for t in turns], _RED)
        canvas[26:38, 12:52:4, :3] = 232


def _polygon(
    canvas: np.ndarray, corners: list[tuple[float, float]], colour: tuple[int, ...]
) -> None:
    cv2.fillPoly(canvas, [np.array(corners, np.int32)], colour, cv2.LINE_AA)


def bin_box(rng: np.random.Generator, grain: Grain) -> Model:
    """Build a rubbish bin or a grey cabinet; no class fits these, so they are unlabelled."""
    colour = rng.choice([(52, 70, 52), (112, 116, 116), (70, 60, 46), (44, 50, 66)])
    face = colour * grain.rough(rng, 64, 48, 0.06, 0.06)
    face[:5] *= 1.25
    face[8:10] *= 0.6
    texture = Texture(to_bytes(face))
    half, high = rng.uniform(0.25, 0.5), rng.uniform(0.9, 1.4)
    return Model([
        panel((-half, high, half), (2 * half, 0, 0), (0, 0, -2 * half), texture, UNLABELLED),
        panel((half, high, -half), (0, 0, 2 * half), (0, -high, 0), texture, UNLABELLED),
        panel((-half, high, half), (0, 0, -2 * half), (0, -high, 0), texture, UNLABELLED),
        facing((-half, half), (0, high), -half, texture, UNLABELLED),
    ])  # fmt: skip


def horizon(rng: np.random.Generator, grain: Grain, weather: Weather, town: bool) -> Model:
    """Build what closes the view half a kilometre away: woods, or the roofs of a town."""
    width = 1024
    woods = 40 + 12 * grain.cut('coarse', rng, 1, width) + 4 * grain.cut('fine', rng, 1, width)
    parts = [
        _silhouette(grain, rng, woods[0, :, 0], np.array(weather.leaves[0]) * 0.6, VEGETATION)
    ]
    if town:
        steps = np.repeat(rng.uniform(36, 104, 64), 16)
        parts.insert(0, _silhouette(grain, rng, steps, np.array([126.0, 120, 116]), BUILDING))
    return Model(parts)


def _silhouette(
    grain: Grain, rng: np.random.Generator, tops: np.ndarray, colour: np.ndarray, label: int
) -> Panel:
    height, width = 128, len(tops)
    rows = np.arange(height)[::-1, None]
    canvas = np.empty((height, width, 4), np.float32)
    canvas[..., :3] = colour * grain.rough(rng, height, width, 0.08, 0.16)
    if label == BUILDING:
        canvas[..., :3] *= 0.85 + 0.3 * rng.random((1, width // 16, 1)).repeat(16, axis=1)
        canvas[::4, :, :3] *= 0.82
    canvas[..., 3] = np.where(rows < tops[None], 255, 0)
    texture = Texture(to_bytes(canvas))
    return facing((-300, 300), (-1, 60), 0, texture, label, two_sided=True)
