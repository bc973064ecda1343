"""A street to drive along: pictures of it, and what each pixel shows."""

from dataclasses import dataclass
import math

import cv2
import numpy as np

from .blocks import Builder
from .camera import Camera, Lens
from .labels import SKY, TERRAIN, UNLABELLED
from .layout import draw_layout
from .models import Batch, BLOCK_M, join, LAND, Model, place, Thing
from .painter import Canvas, Painter
from .stock import Stock
from .surfaces import flat
from .traffic import SPEED, Traffic
from .weather import draw_weather, paint_sky

_VIEW_M = 200.0
_SKY_CLIMB = math.radians(60)  # what the painted sky spans from its last row to its first
_SKY_TURN = math.radians(120)  # and from its first column to its last


@dataclass(frozen=True)
class Frame:
    """
    A picture and its labels.

    `image` is H x W x 3 uint8 RGB; `labels` is H x W uint8, Cityscapes trainIds 0..18 and 255
    for what has no class.
    """

    image: np.ndarray
    labels: np.ndarray


class Street:
    """A street drawn from a seed: the same seed, size and time always give the same frame."""

    def __init__(self, seed: int) -> None:
        """
        Draw the street's layout, weather and camera.

        :param seed: any integer from 0.
        """
        if seed < 0:
            raise ValueError(f'The seed of a street is {seed}; give an integer from 0.')
        rng = np.random.default_rng([seed, 0])
        self._seed = seed
        self._layout = draw_layout(rng)
        self._weather = draw_weather(rng)
        self._sky = paint_sky(self._weather, rng)
        self._stock = Stock(seed, self._weather, self._layout)
        self._builder = Builder(seed, self._layout, self._stock, self._weather)
        self._traffic = Traffic(seed, self._layout, self._stock)
        self._blocks: dict[int, Batch] = {}
        self._focal = rng.uniform(0.72, 1.12)
        self._eye = (
            self._layout.lanes[self._layout.camera_lane][0] + rng.normal(0, 0.15),
            rng.uniform(1.25, 1.6),
        )
        self._tilt = rng.uniform(-0.06, 0.03)
        self._bonnet = rng.uniform(0.04, 0.09) if rng.random() < 0.2 else 0.0
        self._lens = Lens(
            blur_px=rng.uniform(0.4, 0.85),
            grain=rng.uniform(1.0, 4.0),
            vignette=rng.uniform(0.0, 0.35),
            contrast=rng.uniform(-0.2, 0.7),
            white=tuple(rng.uniform(0.92, 1.22) * rng.uniform(0.95, 1.05, 3)),
        )

    def render(self, height: int, width: int, time_s: float = 0.0) -> Frame:
        """
        Take a picture at a time of the drive, which goes on at about 8 m a second.

        :param time_s: from 0; frames a little apart look like a video.
        """
        if height < 8 or width < 8:
            raise ValueError(f'A frame of {height} x {width} pixels is too small; 8 x 8 is least.')
        camera = self._camera(height, width, time_s)
        canvas = Canvas(
            np.empty((height, width, 3), np.uint8), np.full((height, width), SKY, np.uint8)
        )
        self._paint_sky(canvas, camera)
        Painter(canvas, camera, self._weather).paint(self._world(camera, time_s))
        self._paint_bonnet(canvas)
        grains = np.random.default_rng([self._seed, 5, round(abs(time_s) * 1e6)])
        return Frame(self._lens.expose(canvas.image, grains), canvas.labels)

    def _camera(self, height: int, width: int, time_s: float) -> Camera:
        """Return the camera on its way, swaying as a car does."""
        sway, bounce = math.sin(0.5 * time_s), math.sin(6.1 * time_s)
        position = (
            self._eye[0] + 0.12 * math.sin(0.31 * time_s),
            self._eye[1] + 0.008 * bounce,
            SPEED * time_s,
        )
        pitch = self._tilt * min(1.0, height / width * 2) + 0.0015 * bounce
        return Camera(height, width, self._focal * width, position, 0.02 * sway, pitch)

    def _world(self, camera: Camera, time_s: float) -> Batch:
        z = camera.position[2]
        first, last = math.floor((z - 8) / BLOCK_M), math.floor((z + _VIEW_M) / BLOCK_M)
        self._blocks = {
            index: self._blocks.get(index) or place(self._builder.build(index))
            for index in range(first, last + 1)
        }
        tile_m = 8.0
        land = flat((-320, 320), (-8, 560), 0, self._stock.grass[1], TERRAIN,
                    tile_m=(tile_m, tile_m))  # fmt: skip
        moving = [
            Thing(self._stock.horizon[0], LAND, 0, z + 500),
            Thing(Model([land]), LAND, 0, math.floor(z / tile_m) * tile_m),
            *self._traffic.things(z, time_s),
        ]
        return join([*self._blocks.values(), place(moving)])

    def _paint_sky(self, canvas: Canvas, camera: Camera) -> None:
        """Lay the painted sky behind everything; its last row falls on the horizon."""
        height, width = self._sky.shape[:2]
        down = camera.focal_px * _SKY_CLIMB / height
        across = camera.focal_px * _SKY_TURN / width
        left = 0.5 * camera.width - across * width * (0.5 + camera.yaw / _SKY_TURN)
        top = camera.horizon_row() - down * height
        matrix = np.array([[across, 0, left], [0, down, top]])
        cv2.warpAffine(
            self._sky, matrix, (camera.width, camera.height), canvas.image, cv2.INTER_LINEAR,
            cv2.BORDER_REPLICATE,
        )  # fmt: skip

    def _paint_bonnet(self, canvas: Canvas) -> None:
        """Show the camera's own car along the lower edge, where it has a bonnet in view."""
        height, width = canvas.labels.shape
        if not self._bonnet:
            return
        middle, axes = (width // 2, height), (int(width * 0.62), int(height * self._bonnet))
        mask = np.zeros((height, width), np.uint8)
        cv2.ellipse(mask, middle, axes, 0, 180, 360, 255, -1)
        light = np.linspace(1.5, 0.5, max(1, axes[1]))[:, None, None] * np.array([44.0, 46, 50])
        strip = np.broadcast_to(light, (len(light), width, 3)).astype(np.uint8)
        rows = slice(height - len(light), height)
        cv2.copyTo(np.ascontiguousarray(strip), mask[rows], canvas.image[rows])
        canvas.labels[mask > 0] = UNLABELLED
