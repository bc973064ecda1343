"""What cars and larger vehicles have in common: painted metal, sides and wheels."""

import cv2
import numpy as np

from .noise import Grain, to_bytes
from .surfaces import Panel, panel, Texture

SCALE = 48  # texels per metre
PAINTS = (
    (28, 28, 30), (52, 54, 58), (120, 124, 128), (176, 180, 184), (228, 228, 226), (228, 228, 226),
    (132, 26, 28), (36, 58, 112), (24, 40, 66), (58, 74, 60), (142, 130, 104), (196, 150, 40),
    (92, 34, 40), (70, 104, 140),
)  # fmt: skip


def draw_paint(rng: np.random.Generator) -> np.ndarray:
    """Draw the colour of a vehicle, 3 RGB."""
    return rng.choice(PAINTS) * rng.uniform(0.9, 1.1)


def sides(
    half: float, z: tuple[float, float], y: tuple[float, float], texture: Texture, label: int
) -> list[Panel]:
    """Return the right and the left side; the texture's left edge is the vehicle's back."""
    length, drop = z[1] - z[0], y[0] - y[1]
    return [
        panel((half, y[1], z[0]), (0, 0, length), (0, drop, 0), texture, label),
        panel((-half, y[1], z[1]), (0, 0, -length), (0, drop, 0), mirror(texture), label),
    ]


def mirror(texture: Texture) -> Texture:
    """Return the texture for the other side of a vehicle."""
    return Texture(texture.pixels[:, ::-1])


def sheet(
    rng: np.random.Generator, grain: Grain, paint: np.ndarray, height: int, width: int
) -> np.ndarray:
    """Paint metal that mirrors the sky a little."""
    shine = 1.12 - 0.22 * np.linspace(0, 1, height)[:, None, None]
    mirrored = 20 + 10 * grain.cut('coarse', rng, height, width)
    return to_bytes(paint * shine * grain.rough(rng, height, width, 0.03, 0.015) + mirrored)


def wheels(canvas: np.ndarray, places: tuple[float, ...], radius_m: float) -> None:
    """
    Paint wheels on a side, at their x in texels, standing on its lower edge.

    :param canvas: H x W x 4 float32 RGBA, painted in place.
    """
    radius = int(radius_m * SCALE)
    for x in places:
        middle = (int(x), canvas.shape[0] - radius)
        cv2.circle(canvas, middle, radius + 3, (18, 18, 18, 255), -1)
        cv2.circle(canvas, middle, radius, (34, 34, 35, 255), -1)
        cv2.circle(canvas, middle, int(radius * 0.62), (128, 130, 132, 255), -1)
        for turn in np.arange(5) * 2 * np.pi / 5:
            tip = (int(middle[0] + np.cos(turn) * radius * 0.6),
                   int(middle[1] + np.sin(turn) * radius * 0.6))  # fmt: skip
            cv2.line(canvas, middle, tip, (66, 66, 68, 255), 2)
    canvas[canvas.shape[0] - 1 :, :, 3] *= 0.9
