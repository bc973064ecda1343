"""People on foot and on two wheels, painted as cut-outs that face the camera."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math

import cv2
import numpy as np

from .labels import BICYCLE, MOTORCYCLE, PERSON, RIDER
from .models import Model
from .noise import Grain
from .surfaces import facing, Panel, panel, Texture

PHASES = 6
_SKINS = ((224, 180, 152), (196, 148, 116), (134, 92, 68), (92, 62, 48))
_CLOTHES = (
    (32, 34, 40), (54, 60, 78), (96, 40, 42), (150, 146, 138), (204, 200, 192), (46, 72, 60),
    (120, 98, 72), (176, 64, 52), (66, 92, 138), (206, 172, 70), (84, 84, 88), (40, 42, 60),
)  # fmt: skip


@dataclass(frozen=True)
class Looks:
    """Colours and build of a person."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    top: tuple[int, int, int]
    trousers: tuple[int, int, int]
    broad: float
    bag: bool
    skirt: bool


def draw_looks(rng: np.random.Generator) -> Looks:
    """Draw how a person looks."""
    hairs = ((36, 28, 24), (74, 52, 36), (150, 116, 74), (128, 126, 124))
    return Looks(
        _SKINS[rng.integers(len(_SKINS))],
        hairs[rng.integers(len(hairs))],
        _CLOTHES[rng.integers(len(_CLOTHES))],
        _CLOTHES[rng.integers(len(_CLOTHES))],
        rng.uniform(0.85, 1.2),
        bool(rng.random() < 0.4),
        bool(rng.random() < 0.2),
    )


class Gait:
    """Somebody in the phases of a step, each painted when it is first seen."""

    def __init__(self, paint: Callable[[float], Model]) -> None:
        """
        Paint nothing yet.

        :param paint: makes the model for a swing of the limbs, -1 to 1.
        """
        self._paint = paint
        self._made: dict[int, Model] = {}

    def phase(self, index: int) -> Model:
        """Return the model for a phase, counted round and round."""
        index %= PHASES
        if index not in self._made:
            self._made[index] = self._paint(math.sin(2 * math.pi * index / PHASES))
        return self._made[index]


def walker(rng: np.random.Generator, grain: Grain, sideways: bool) -> Gait:
    """Build a person on foot, seen from the side or from front or back."""
    looks, height_m = draw_looks(rng), rng.uniform(1.5, 1.88)
    back = bool(rng.random() < 0.5)

    folds = _folds(rng, grain, 256, 128)

    def paint(swing: float) -> Model:
        texture = _cloth(_paint_walker(looks, swing, sideways, back), folds)
        x = (-height_m / 4, height_m / 4)
        return Model([facing(x, (0, height_m), 0, texture, PERSON, two_sided=True)])

    return Gait(paint)


def _limb(
    canvas: np.ndarray,
    points: Sequence[tuple[float, float]],
    thick: int,
    colour: tuple[int, ...],
    light: float = 1.0,
) -> None:
    shade = tuple(min(255.0, c * light) for c in colour) + (255,)
    line = np.array(points, np.int32)[:, None]
    cv2.polylines(canvas, [line], False, shade, thick, cv2.LINE_AA)


def _paint_walker(looks: Looks, swing: float, sideways: bool, back: bool) -> np.ndarray:
    """Paint a walker, 256 x 128 x 4 uint8; swing from -1 to 1 is where the right foot is."""
    canvas = np.zeros((256, 128, 4), np.uint8)
    canvas[..., :3] = looks.top
    hip, shoulder = 136, 52
    broad = int(15 * looks.broad)
    if sideways:
        for sign, light in ((-1, 0.7), (1, 1.0)):
            foot = 64 + sign * swing * 30
            knee = 64 + sign * swing * 13 + 4
            _limb(canvas, [(64, hip), (knee, 190), (foot, 244)], 15, looks.trousers, light)
            _limb(canvas, [(foot - 2, 247), (foot + 12, 248)], 8, (40, 34, 30), light)
        cv2.ellipse(canvas, (64, 96), (broad, 48), 0, 0, 360, (*looks.top, 255), -1, cv2.LINE_AA)
        arm = [(63.0, 62.0), (62 - swing * 14, 100.0), (68 - swing * 24, 134.0)]
        _limb(canvas, arm, 11, looks.top, 0.8)
    else:
        for sign, light in ((-1, 0.85), (1, 1.0)):
            lift = max(0.0, sign * swing) * 14
            x = 64 + sign * 11
            leg = [(x, hip), (x + sign, 190 - lift), (x, 244 - lift)]
            _limb(canvas, leg, 17, looks.trousers, light)
            _limb(canvas, [(x - 3, 247 - lift), (x + 4, 247 - lift)], 9, (38, 34, 30), light)
            arm = [(64.0 + sign * (broad + 4), 64.0), (64 + sign * (broad + 9), 100),
                   (64 + sign * (broad + 7), 134 - sign * swing * 6)]  # fmt: skip
            _limb(canvas, arm, 11, looks.top, 0.82)
            cv2.circle(canvas, (int(arm[2][0]), int(arm[2][1]) + 4), 5, (*looks.skin, 255), -1)
        outline = [(64 - broad - 5, 60), (64, 50), (64 + broad + 5, 60),
                   (64 + broad, 142), (64 - broad, 142)]  # fmt: skip
        cv2.fillPoly(canvas, [np.array(outline, np.int32)], (*looks.top, 255), cv2.LINE_AA)
    if looks.skirt:
        outline = [(64 - broad, 120), (64 + broad, 120), (64 + broad + 9, 186), (55 - broad, 186)]
        cv2.fillPoly(canvas, [np.array(outline, np.int32)], (*looks.trousers, 255), cv2.LINE_AA)
    if looks.bag:
        leather = (58, 42, 34, 255)
        cv2.ellipse(canvas, (44, 122), (11, 16), 0, 0, 360, leather, -1, cv2.LINE_AA)
    _head(canvas, looks, (64, 30), back, sideways)
    canvas[shoulder + 40 : 140, 64:, :3] = (canvas[shoulder + 40 : 140, 64:, :3] * 0.9).astype(
        np.uint8
    )
    return canvas


def _head(
    canvas: np.ndarray, looks: Looks, middle: tuple[int, int], back: bool, sideways: bool
) -> None:
    x, y = middle
    _limb(canvas, [(x, y + 12), (x, y + 24)], 10, looks.skin, 0.85)
    cv2.ellipse(canvas, middle, (13, 17), 0, 0, 360, (*looks.skin, 255), -1, cv2.LINE_AA)
    if back:
        cv2.ellipse(canvas, (x, y - 2), (14, 17), 0, 0, 360, (*looks.hair, 255), -1, cv2.LINE_AA)
    else:
        turn, hair = 160 if sideways else 200, (*looks.hair, 255)
        cv2.ellipse(canvas, (x, y - 3), (14, 16), 0, turn, 340, hair, -1, cv2.LINE_AA)


def _folds(rng: np.random.Generator, grain: Grain, height: int, width: int) -> np.ndarray:
    """Return gains for a cut-out, H x W x 4 float32, that make flat colours look like cloth."""
    light = np.linspace(1.12, 0.86, width, dtype=np.float32)[None, :, None]
    gains = np.ones((height, width, 4), np.float32)
    gains[..., :3] = light * grain.rough(rng, height, width, 0.09, 0.05)
    return gains


def _cloth(canvas: np.ndarray, folds: np.ndarray) -> Texture:
    return Texture(cv2.multiply(canvas, folds, dtype=cv2.CV_8U))


def cyclist(rng: np.random.Generator, grain: Grain, engine: bool) -> Gait:
    """Build a rider on a bicycle, or on a motorcycle."""
    looks = draw_looks(rng)
    wheels = _two_wheeler(rng, grain, engine)

    folds = _folds(rng, grain, 192, 128)

    def paint(swing: float) -> Model:
        texture = _cloth(_paint_rider(looks, 0.0 if engine else swing, engine), folds)
        body = facing((-0.5, 0.5), (0.3, 1.8), 0, texture, RIDER, two_sided=True)
        return Model([*wheels, body])

    return Gait(paint)


def parked(rng: np.random.Generator, grain: Grain, engine: bool) -> Model:
    """Build a bicycle or a motorcycle without a rider, seen from its side."""
    side = _side_view(rng, grain, engine)
    high = 1.1
    label = MOTORCYCLE if engine else BICYCLE
    return Model([facing((-0.95, 0.95), (0, high), 0, side, label, two_sided=True)])


def standing(rng: np.random.Generator, grain: Grain) -> Model:
    """Build a motorcycle without a rider, seen from its end, as it stands beside a road."""
    return Model(_two_wheeler(rng, grain, True))


def _two_wheeler(rng: np.random.Generator, grain: Grain, engine: bool) -> list[Panel]:
    label = MOTORCYCLE if engine else BICYCLE
    half, high = (0.42, 1.2) if engine else (0.33, 1.15)
    side, behind = _side_view(rng, grain, engine), _rear_view(rng, grain, engine)
    return [
        panel((0, 1.1, -0.95), (0, 0, 1.9), (0, -1.1, 0), side, label, two_sided=True),
        facing((-half, half), (0, high), 0, behind, label, two_sided=True),
    ]


def _paint_rider(looks: Looks, swing: float, engine: bool) -> np.ndarray:
    """Paint a rider from behind, 192 x 128 x 4 uint8."""
    canvas = np.zeros((192, 128, 4), np.uint8)
    canvas[..., :3] = looks.top
    spread = 26 if engine else 16
    for sign in (-1, 1):
        knee, foot = 128 + sign * swing * 12, 172 + sign * swing * 12
        _limb(canvas, [(64 + sign * 9, 104), (64 + sign * spread, knee), (64 + sign * 14, foot)],
              15, looks.trousers, 0.9)  # fmt: skip
        _limb(canvas, [(64 + sign * 18, 48), (64 + sign * 32, 74), (64 + sign * 30, 96)], 12,
              looks.top, 0.8)  # fmt: skip
    broad = int(19 * looks.broad)
    outline = [(61 - broad, 48), (64, 36), (67 + broad, 48), (79, 112), (49, 112)]
    cv2.fillPoly(canvas, [np.array(outline, np.int32)], (*looks.top, 255), cv2.LINE_AA)
    _head(canvas, looks, (64, 22), True, False)
    if engine or looks.bag:
        shell = (*looks.trousers, 255) if engine else (196, 192, 186, 255)
        cv2.ellipse(canvas, (64, 19), (15, 16), 0, 180, 360, shell, -1, cv2.LINE_AA)
    return canvas


def _side_view(rng: np.random.Generator, grain: Grain, engine: bool) -> Texture:
    """Paint a bicycle or a motorcycle from its side, 128 x 220."""
    canvas = np.zeros((128, 220, 4), np.uint8)
    colour = tuple(int(c) for c in rng.choice(_CLOTHES)) + (255,)
    canvas[..., :3] = colour[:3]
    dark = (26, 26, 28, 255)
    radius, tyre = (36, 12) if engine else (39, 4)
    for x in (44, 172):
        cv2.circle(canvas, (x, 126 - radius - tyre // 2), radius, dark, tyre, cv2.LINE_AA)
        cv2.circle(canvas, (x, 126 - radius - tyre // 2), 6, (120, 120, 122, 255), -1, cv2.LINE_AA)
        if not engine:
            cv2.circle(canvas, (x, 85), radius - 2, (90, 90, 92, 60), -1)
            cv2.circle(canvas, (x, 85), radius, dark, tyre, cv2.LINE_AA)
    if engine:
        body = [(30, 52), (86, 48), (118, 34), (150, 40), (160, 70), (120, 98), (80, 96), (56, 66)]
        cv2.fillPoly(canvas, [np.array(body, np.int32)], colour, cv2.LINE_AA)
        cv2.ellipse(canvas, (104, 84), (28, 20), 0, 0, 360, (66, 66, 70, 255), -1, cv2.LINE_AA)
        _limb(canvas, [(156, 30), (172, 84)], 7, (110, 110, 114))
        _limb(canvas, [(40, 44), (96, 42)], 9, (30, 28, 28))
    else:
        for points in ([(44, 85), (84, 44), (150, 40)], [(84, 44), (100, 88), (150, 40)],
                       [(44, 85), (100, 88)], [(146, 24), (172, 85)]):  # fmt: skip
            _limb(canvas, points, 5, colour[:3])
        _limb(canvas, [(78, 34), (94, 34)], 7, (30, 28, 28))
        _limb(canvas, [(138, 22), (156, 22)], 5, (30, 30, 30))
        cv2.circle(canvas, (100, 88), 8, (70, 70, 72, 255), -1, cv2.LINE_AA)
    return _cloth(canvas, _folds(rng, grain, *canvas.shape[:2]))


def _rear_view(rng: np.random.Generator, grain: Grain, engine: bool) -> Texture:
    """Paint a two-wheeler from behind, 128 x 72."""
    canvas = np.zeros((128, 72, 4), np.uint8)
    colour = tuple(int(c) for c in rng.choice(_CLOTHES))
    canvas[..., :3] = colour
    _limb(canvas, [(36, 70), (36, 122)], 15 if engine else 6, (26, 26, 28))
    if engine:
        cv2.ellipse(canvas, (36, 66), (17, 24), 0, 0, 360, (*colour, 255), -1, cv2.LINE_AA)
        cv2.circle(canvas, (36, 58), 6, (196, 30, 24, 255), -1, cv2.LINE_AA)
    else:
        _limb(canvas, [(36, 30), (36, 72)], 6, colour)
        cv2.circle(canvas, (36, 66), 4, (196, 30, 24, 255), -1, cv2.LINE_AA)
    _limb(canvas, [(8, 24), (64, 24)], 5 if engine else 4, (44, 44, 46))
    return _cloth(canvas, _folds(rng, grain, *canvas.shape[:2]))
