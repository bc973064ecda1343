"""A pinhole camera on a car, and what its lens and sensor do to a picture."""

from dataclasses import dataclass
import math

import cv2
import numpy as np


@dataclass(frozen=True)
class Camera:
    """
    A pinhole at a point in metres (x right, y up, z forward), angles in radians.

    `focal_px` is the focal length; the optical axis meets the centre of the picture.
    """

    height: int
    width: int
    focal_px: float
    position: tuple[float, float, float]
    yaw: float = 0.0
    pitch: float = 0.0

    def projection(self) -> np.ndarray:
        """Return the 3 x 4 float64 matrix from homogeneous world points to pixels."""
        sin_yaw, cos_yaw = math.sin(self.yaw), math.cos(self.yaw)
        sin_pitch, cos_pitch = math.sin(self.pitch), math.cos(self.pitch)
        right = np.array([cos_yaw, 0.0, -sin_yaw])
        down = np.array([sin_yaw * sin_pitch, -cos_pitch, cos_yaw * sin_pitch])
        forward = np.array([sin_yaw * cos_pitch, sin_pitch, cos_yaw * cos_pitch])
        rows = np.stack([
            self.focal_px * right + 0.5 * (self.width - 1) * forward,
            self.focal_px * down + 0.5 * (self.height - 1) * forward,
            forward,
        ])  # fmt: skip
        return np.hstack([rows, -rows @ np.array(self.position)[:, None]])

    def horizon_row(self) -> float:
        """Return the row, a fraction of a pixel kept, where level ground ends."""
        return 0.5 * (self.height - 1) + self.focal_px * math.tan(self.pitch)


@dataclass(frozen=True)
class Lens:
    """What a camera adds: blur and grain in pixels and grey levels, gains per channel."""

    blur_px: float
    grain: float
    vignette: float
    contrast: float
    white: tuple[float, float, float]

    def expose(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """
        Return the picture as this lens and its sensor would record it.

        :param image: H x W x 3 uint8 RGB.
        """
        scaled_px = self.blur_px * (image.shape[1] / 1000.0) ** 0.5
        image = cv2.GaussianBlur(image, (0, 0), max(scaled_px, 0.3))
        image = cv2.multiply(image, self._falloff(image.shape[0], image.shape[1]), dtype=cv2.CV_8U)
        image = cv2.LUT(image, self._curve())
        return cv2.add(image, self._noise(image.shape, rng), dtype=cv2.CV_8U)

    def _falloff(self, height: int, width: int) -> np.ndarray:
        rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
        columns = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
        gain = 1.0 - self.vignette * 0.5 * (0.7 * rows + columns)
        return cv2.merge([gain, gain, gain])

    def _curve(self) -> np.ndarray:
        level = np.linspace(0, 1, 256)[:, None] * np.array(self.white)
        curved = level + self.contrast * level * (1 - level) * (level - 0.5) * 2
        return (np.clip(curved, 0, 1) * 255).astype(np.uint8)[None]

    def _noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        # A patch laid out several times: drawing every grain costs more than the whole street.
        side = 288
        patch = (rng.standard_normal((side, side, 3), np.float32) * self.grain).astype(np.int8)
        times = (-(-shape[0] // side), -(-shape[1] // side), 1)
        return np.ascontiguousarray(np.tile(patch, times)[: shape[0], : shape[1]])
