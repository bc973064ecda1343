"""Textures and the flat panels that carry them: everything in a street is made of these."""

from dataclasses import dataclass
import math

import cv2
import numpy as np


class Texture:
    """
    An image with smaller versions of itself, made when first asked for.

    Both axes shrink on their own, because a facade seen at a glancing angle is squeezed in one.
    """

    def __init__(self, pixels: np.ndarray, tiled: bool = False) -> None:
        """
        Keep the pixels and shrink nothing yet.

        :param pixels: H x W x 3 or 4 uint8, RGB or RGBA (alpha not premultiplied).
        :param tiled: whether the image repeats beyond its edges.
        """
        self.pixels = np.ascontiguousarray(pixels)
        self.has_alpha = pixels.shape[2] == 4
        self.tiled = tiled
        self._levels = {(0, 0): self.pixels}
        # Two texels at least: OpenCV 4.5 refuses a NumPy image that is one pixel wide.
        self._deepest = [max(int(math.log2(n)) - 1, 0) for n in pixels.shape[1::-1]]

    def level(self, across: float, down: float) -> np.ndarray:
        """
        Return the version that suits a picture which skips this many texels per pixel.

        :param across: texels per pixel along a row.
        :param down: texels per pixel along a column.
        """
        key = (self._step(across, 0), self._step(down, 1))
        if key not in self._levels:
            height, width = self.pixels.shape[:2]
            size = (width >> key[0], height >> key[1])
            self._levels[key] = cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)
        return self._levels[key]

    def _step(self, texels: float, axis: int) -> int:
        return min(max(round(math.log2(max(texels, 1e-6))), 0), self._deepest[axis])


@dataclass(frozen=True)
class Panel:
    """
    A flat four-sided piece of a surface, in metres: x right, y up, z forward.

    `basis` is 4 x 3 float64 and takes (u, v, 1), both from 0 to 1, to homogeneous world points;
    `normal` is a unit vector of 3 to the outside, or zeros for what is seen from both sides.
    With `solid` the label covers the whole panel, holes in the texture included.
    """

    basis: np.ndarray
    normal: np.ndarray
    texture: Texture
    label: int
    repeat: tuple[float, float] = (1.0, 1.0)
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    solid: bool = False


def panel(
    top_left: tuple[float, float, float],
    across: tuple[float, float, float],
    down: tuple[float, float, float],
    texture: Texture,
    label: int,
    *,
    widening: float = 1.0,
    repeat: tuple[float, float] = (1.0, 1.0),
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    two_sided: bool = False,
    solid: bool = False,
) -> Panel:
    """
    Build a panel from its upper left corner, its upper edge and its left edge.

    :param widening: lower edge over upper edge; 1 makes a parallelogram.
    """
    corner = np.array(top_left, np.float64)
    right = np.array(across, np.float64)
    left_edge = np.array(down, np.float64)
    weight = 1.0 / widening
    basis = np.zeros((4, 3))
    basis[:3, 0] = right
    basis[:3, 1] = (corner + left_edge) * weight - corner
    basis[3, 1] = weight - 1.0
    basis[:3, 2] = corner
    basis[3, 2] = 1.0
    normal = np.zeros(3) if two_sided else np.cross(right, left_edge)
    length = np.linalg.norm(normal)
    normal = normal / length if length > 0 else normal
    return Panel(basis, normal, texture, label, repeat, tint, solid)


def flat(
    x: tuple[float, float],
    z: tuple[float, float],
    height: float,
    texture: Texture,
    label: int,
    *,
    tile_m: tuple[float, float] | None = None,
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Panel:
    """Lay a panel on the ground between two x and two z; `tile_m` is one repeat's x and z."""
    size = (x[1] - x[0], z[1] - z[0])
    repeat = (size[0] / tile_m[0], size[1] / tile_m[1]) if tile_m else (1.0, 1.0)
    return panel(
        (x[0], height, z[1]), (size[0], 0, 0), (0, 0, -size[1]), texture, label,
        repeat=repeat, tint=tint,
    )  # fmt: skip


def facing(
    x: tuple[float, float],
    y: tuple[float, float],
    z: float,
    texture: Texture,
    label: int,
    *,
    repeat: tuple[float, float] = (1.0, 1.0),
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    two_sided: bool = False,
) -> Panel:
    """Stand a panel across the street, seen by a camera that looks along z."""
    return panel(
        (x[0], y[1], z), (x[1] - x[0], 0, 0), (0, y[0] - y[1], 0), texture, label,
        repeat=repeat, tint=tint, two_sided=two_sided,
    )  # fmt: skip


def along(
    side: int,
    x: float,
    y: tuple[float, float],
    z: tuple[float, float],
    texture: Texture,
    label: int,
    *,
    lean: float = 0.0,
    widening: float = 1.0,
    repeat: tuple[float, float] = (1.0, 1.0),
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    two_sided: bool = False,
    solid: bool = False,
) -> Panel:
    """
    Stand a panel along the street, its face to the middle.

    :param side: -1 for the left of the street (it faces right), 1 for the right.
    :param lean: how far the upper edge lies behind the lower one, in metres.
    """
    top_x = x + side * lean
    length = z[1] - z[0]
    inset = 0.5 * length * (1.0 - 1.0 / widening)
    start = z[0] + inset if side < 0 else z[1] - inset
    return panel(
        (top_x, y[1], start),
        (0, 0, -side * length / widening),
        (x - top_x, y[0] - y[1], side * inset),
        texture, label, widening=widening, repeat=repeat, tint=tint, two_sided=two_sided,
        solid=solid,
    )  # fmt: skip
