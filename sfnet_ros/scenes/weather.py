"""The light of a scene: sun, sky, haze, season; drawn once for each street."""

from dataclasses import dataclass
import math

import cv2
import numpy as np

from .noise import fractal

# name: share, sky above, sky at the horizon, sunlight, ambient light, haze in metres, clouds
_SKIES = {
    'clear': (0.34, (86, 138, 205), (196, 214, 228), (0.62, 0.57, 0.48), 0.50, 900.0, 0.25),
    'cloudy': (0.28, (128, 158, 196), (206, 214, 222), (0.36, 0.34, 0.31), 0.64, 600.0, 0.60),
    'overcast': (0.22, (176, 182, 190), (212, 216, 220), (0.06, 0.06, 0.06), 0.82, 380.0, 0.95),
    'evening': (0.10, (98, 122, 172), (240, 202, 160), (0.62, 0.44, 0.26), 0.42, 500.0, 0.35),
    'mist': (0.06, (198, 203, 208), (216, 219, 222), (0.03, 0.03, 0.03), 0.84, 120.0, 0.98),
}
# name: share, leaf colours, grass colour
_SEASONS = {
    'spring': (0.25, ((104, 138, 52), (126, 152, 62), (86, 122, 50)), (104, 136, 60)),
    'summer': (0.40, ((62, 94, 42), (78, 108, 46), (54, 84, 44)), (98, 118, 58)),
    'autumn': (0.23, ((150, 104, 42), (120, 112, 44), (164, 88, 38)), (118, 116, 66)),
    'winter': (0.12, ((92, 82, 66), (74, 86, 58), (84, 76, 64)), (112, 108, 78)),
}


@dataclass(frozen=True)
class Weather:
    """Sun direction (unit vector of 3), gains of 3 by colour, RGB colours 0..255 float."""

    sky_top: np.ndarray
    sky_low: np.ndarray
    sun: np.ndarray
    sunlight: np.ndarray
    ambient: np.ndarray
    haze_m: float
    clouds: float
    leaves: tuple[tuple[int, int, int], ...]
    grass: tuple[int, int, int]
    bare: bool

    @property
    def shadow(self) -> float:
        """How dark a cast shadow is, 0..1."""
        return float(np.clip(self.sunlight.mean() * 0.95, 0.06, 0.55))

    def gain(self, normals: np.ndarray) -> np.ndarray:
        """
        Return how bright surfaces are: N x 3 float64 by colour.

        :param normals: N x 3 unit vectors, zeros for surfaces without a side.
        """
        facing_sun = np.maximum(normals @ self.sun, 0.0)
        facing_sun[~normals.any(axis=1)] = 0.45
        sky_seen = 0.86 + 0.14 * normals[:, 1:2]
        return self.ambient * sky_seen + self.sunlight * facing_sun[:, None]


def draw_weather(rng: np.random.Generator) -> Weather:
    """Draw a sky and a season."""
    sky = _SKIES[rng.choice(list(_SKIES), p=[v[0] for v in _SKIES.values()])]
    season = str(rng.choice(list(_SEASONS), p=[v[0] for v in _SEASONS.values()]))
    bearing, climb = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(25, 60))
    sun = np.array([
        math.sin(bearing) * math.cos(climb), math.sin(climb), math.cos(bearing) * math.cos(climb)
    ])  # fmt: skip
    cool = np.array([0.97, 1.0, 1.05])
    return Weather(
        sky_top=np.array(sky[1], float) + rng.normal(0, 6, 3),
        sky_low=np.array(sky[2], float) + rng.normal(0, 4, 3),
        sun=sun,
        sunlight=np.array(sky[3]),
        ambient=sky[4] * cool * rng.uniform(0.92, 1.06),
        haze_m=sky[5] * rng.uniform(0.7, 1.3),
        clouds=sky[6],
        leaves=_SEASONS[season][1],
        grass=_SEASONS[season][2],
        bare=season == 'winter',
    )


def paint_sky(weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """
    Paint the sky once around, tileable along its rows.

    The result is 256 x 512 x 3 uint8 RGB: the last row is the horizon, the first 60 degrees
    above it, the columns go once around 120 degrees.
    """
    rows = np.linspace(1, 0, 256, dtype=np.float32)[:, None, None]
    sky = weather.sky_low + (weather.sky_top - weather.sky_low) * np.clip(rows * 1.6, 0, 1) ** 0.6
    sheet = fractal(rng, 512, 4, 7, 0.58)
    # Clouds lie on a level sheet overhead, so towards the horizon they grow thin and narrow.
    reach = 1.0 / (np.linspace(1, 0, 256) + 0.16)
    pick = (reach * 85).astype(np.float32)[:, None].repeat(512, 1)
    columns = np.arange(512, dtype=np.float32)[None].repeat(256, 0)
    puffs = cv2.remap(sheet, columns, pick, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    edge = 1.1 - 2.4 * weather.clouds
    cover = np.clip((puffs - edge) * 0.9, 0, 1)[..., None] * np.clip(rows * 6 + 0.35, 0, 1)
    thick = np.clip((puffs - edge) * 0.35, 0, 1)[..., None]
    bright = np.array([250.0, 250, 250]) * (1 - 0.25 * thick) * (0.82 + 0.18 * weather.ambient)
    bright = 0.75 * bright + 0.25 * weather.sky_low
    painted = sky * (1 - 0.85 * cover) + bright * 0.85 * cover
    return np.clip(painted, 0, 255).astype(np.uint8)
