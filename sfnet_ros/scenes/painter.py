"""Paint panels on a picture and its labels, the far ones first."""

from dataclasses import dataclass
import math
from typing import TypeAlias

import cv2
import numpy as np

from .camera import Camera
from .labels import NO_LABEL
from .models import Batch, paint_order
from .surfaces import Panel
from .weather import Weather

_NEAR_M = 0.4
_FAR_M = 600.0
_BAND = 1.9  # a band's far edge over its near one; one sharpness and one haze for each band
_LEVELS = np.arange(256.0)[:, None]
_SQUARE = np.array([[0.0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]])
# The corners of a convex piece before division: x * w, y * w and w, the depth.
Outline: TypeAlias = list[tuple[float, float, float]]
_SUBPIXEL = 4  # bits of fraction in the corners handed to OpenCV


@dataclass(frozen=True)
class Canvas:
    """A picture (H x W x 3 uint8 RGB) and its labels (H x W uint8), painted in place."""

    image: np.ndarray
    labels: np.ndarray


class Painter:
    """Paints for one camera in one weather."""

    def __init__(self, canvas: Canvas, camera: Camera, weather: Weather) -> None:
        """Keep what all panels share."""
        self._canvas = canvas
        self._camera = camera
        self._weather = weather
        self._projection = camera.projection()
        self._mask = np.zeros(canvas.labels.shape, np.uint8)

    def paint(self, batch: Batch) -> None:
        """Paint all panels of the batch that the camera sees."""
        maps = self._projection @ batch.basis  # N x 3 x 3, from (u, v, 1) to pixels
        corners = _SQUARE @ maps.transpose(0, 2, 1)  # N x 4 x (x, y, w)
        # Divided by the world's own homogeneous factor, w is the depth in metres.
        corners = corners / (batch.basis[:, 3] @ _SQUARE.T)[..., None]
        gains = self._weather.gain(batch.normals)
        visible = self._visible(batch, corners)
        for index in paint_order(batch, visible):
            self._panel(batch.panels[index], maps[index], corners[index], gains[index])

    def _visible(self, batch: Batch, corners: np.ndarray) -> np.ndarray:
        """Return the indices of panels that face the camera and may be in the picture."""
        near, far = corners[..., 2].min(axis=1), corners[..., 2].max(axis=1)
        to_eye = np.array(self._camera.position) - batch.basis[:, :3, 2]
        facing = (np.einsum('ni,ni->n', batch.normals, to_eye) > 0) | ~batch.normals.any(axis=1)
        # For corners behind the camera the sign flips, so only wholly visible panels are tested.
        ahead = near > _NEAR_M
        points = corners[..., :2] / np.where(ahead, 1.0, np.nan)[:, None, None] / corners[..., 2:]
        low, high = points.min(axis=1), points.max(axis=1)
        limit = np.array([self._camera.width, self._camera.height])
        outside = ((high < 0) | (low > limit)).any(axis=1)
        small = ((high - low) < 0.4).any(axis=1) | ((high - low).prod(axis=1) < 5.0)
        return np.flatnonzero(facing & (far > _NEAR_M) & (near < _FAR_M) & ~outside & ~small)

    def _panel(
        self, panel: Panel, to_pixels: np.ndarray, corners: np.ndarray, gain: np.ndarray
    ) -> None:
        """Paint a panel in bands of depth, each with its own sharpness and haze."""
        outline: Outline = corners.tolist()
        depths = [w for _, _, w in outline]
        near, far = max(min(depths), _NEAR_M), min(max(depths), _FAR_M)
        light = gain * panel.tint
        if min(depths) > _NEAR_M and far < near * _BAND:
            self._piece(panel, to_pixels, outline, light)
            return
        count = max(1, math.ceil(math.log(far / near) / math.log(_BAND)))
        edges = [near * (far / near) ** (step / count) for step in range(count, -1, -1)]
        for high, low in zip(edges[:-1], edges[1:], strict=True):
            piece = _clip(_clip(outline, 1.0, low), -1.0, -high)
            if len(piece) > 2:
                self._piece(panel, to_pixels, piece, light)

    def _piece(
        self, panel: Panel, to_pixels: np.ndarray, corners: Outline, gain: np.ndarray
    ) -> None:
        """Paint a convex piece of a panel."""
        xs, ys = [x / w for x, _, w in corners], [y / w for _, y, w in corners]
        left, top = max(math.floor(min(xs)), 0), max(math.floor(min(ys)), 0)
        right = min(self._camera.width, math.ceil(max(xs)) + 1)
        bottom = min(self._camera.height, math.ceil(max(ys)) + 1)
        if right <= left or bottom <= top:
            return
        depths, texture = [w for _, _, w in corners], panel.texture
        entries = to_pixels.tolist()
        pixels = texture.level(*_texels(entries, panel, corners))
        patch = cv2.warpPerspective(
            pixels,
            _from_texels(entries, panel.repeat, pixels.shape, (left, top)),
            (right - left, bottom - top),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP if texture.tiled else cv2.BORDER_REPLICATE,
        )
        depth = math.sqrt(min(depths) * max(depths))
        patch = cv2.LUT(patch, self._light(gain, depth, pixels.shape[2]))
        window = (slice(top, bottom), slice(left, right))
        points = [(x - left, y - top) for x, y in zip(xs, ys, strict=True)]
        self._blend(panel, patch, self._fill(points, window), window)

    def _fill(self, outline: list[tuple[float, float]], window: tuple[slice, slice]) -> np.ndarray:
        mask = self._mask[window]
        mask[:] = 0
        points = np.array(outline) * (1 << _SUBPIXEL)
        cv2.fillConvexPoly(mask, points.astype(np.int32), 255, cv2.LINE_8, _SUBPIXEL)
        return mask

    def _blend(
        self, panel: Panel, patch: np.ndarray, inside: np.ndarray, window: tuple[slice, slice]
    ) -> None:
        image, labels = self._canvas.image[window], self._canvas.labels[window]
        if not panel.texture.has_alpha:
            cv2.copyTo(patch, inside, image)
            if panel.label != NO_LABEL:
                labels[inside > 0] = panel.label
            return
        alpha = cv2.bitwise_and(np.ascontiguousarray(patch[..., 3]), inside)
        weight = alpha.astype(np.float32) * np.float32(1 / 255)
        colour = cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB)
        image[:] = cv2.blendLinear(colour, np.ascontiguousarray(image), weight, 1 - weight)
        if panel.label != NO_LABEL:
            labels[(inside if panel.solid else alpha) > 127] = panel.label

    def _light(self, gain: np.ndarray, depth: float, channels: int) -> np.ndarray:
        """Return the 1 x 256 x C uint8 table that lights a texture and dims it with distance."""
        clear = math.exp(-depth / self._weather.haze_m)
        table = np.empty((1, 256, channels), np.uint8)
        lit = _LEVELS * (gain * clear) + self._weather.sky_low * (1 - clear)
        table[0, :, :3] = np.minimum(lit, 255)
        if channels == 4:
            table[0, :, 3:] = _LEVELS
        return table


def _clip(corners: Outline, sign: float, limit: float) -> Outline:
    """Cut a convex outline down to where sign * w >= limit."""
    kept: Outline = []
    for (x0, y0, w0), (x1, y1, w1) in zip(corners[-1:] + corners[:-1], corners, strict=True):
        before, value = sign * w0 - limit, sign * w1 - limit
        if (value >= 0) != (before >= 0):
            share = before / (before - value)
            kept.append((x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, w0 + (w1 - w0) * share))
        if value >= 0:
            kept.append((x1, y1, w1))
    return kept


def _texels(to_pixels: list[list[float]], panel: Panel, corners: Outline) -> tuple[float, float]:
    """Return how many texels one pixel steps over, across and down, in the piece's middle."""
    depth = sum(w for _, _, w in corners)
    x, y = sum(x for x, _, _ in corners) / depth, sum(y for _, y, _ in corners) / depth
    (a, b, c), (d, e, f), (g, h, i) = to_pixels
    # The rows of the adjugate: the inverse but for a factor, which a homography ignores.
    ux, uy, u1 = e * i - f * h, c * h - b * i, b * f - c * e
    vx, vy, v1 = f * g - d * i, a * i - c * g, c * d - a * f
    wx, wy, w1 = d * h - e * g, b * g - a * h, a * e - b * d
    u, v, w = ux * x + uy * y + u1, vx * x + vy * y + v1, wx * x + wy * y + w1
    scale = 1.0 / (w * w) if w else 0.0
    du = math.hypot(ux * w - wx * u, uy * w - wy * u) * scale
    dv = math.hypot(vx * w - wx * v, vy * w - wy * v) * scale
    height, width = panel.texture.pixels.shape[:2]
    return du * width * panel.repeat[0], dv * height * panel.repeat[1]


def _from_texels(
    to_pixels: list[list[float]],
    repeat: tuple[float, float],
    shape: tuple[int, ...],
    origin: tuple[int, int],
) -> np.ndarray:
    """Return the 3 x 3 map from texel centres to pixels of a window that starts at origin."""
    across, down = 1.0 / (shape[1] * repeat[0]), 1.0 / (shape[0] * repeat[1])
    x, y, w = ((a * across, b * down, 0.5 * (a * across + b * down) + c) for a, b, c in to_pixels)
    return np.array([
        [p - origin[0] * q for p, q in zip(x, w, strict=True)],
        [p - origin[1] * q for p, q in zip(y, w, strict=True)],
        w,
    ])  # fmt: skip
