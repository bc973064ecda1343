"""Single things that stand on the ground, together with the shadow they throw."""

from dataclasses import dataclass

import numpy as np

from .labels import NO_LABEL, VEGETATION
from .models import Model, SHADOWS, STREET, Thing
from .surfaces import facing, flat, Texture
from .weather import Weather

KERB_M = 0.12


@dataclass(frozen=True)
class Block:
    """Where a block lies: its z in metres, and where its houses begin behind a crossroad."""

    start: float
    front: float
    end: float

    @property
    def crossed(self) -> bool:
        """Whether a street crosses at its beginning."""
        return self.front > self.start


def cutout(texture: Texture, width_m: float, height_m: float, label: int) -> Model:
    """Build a flat plant that faces the camera."""
    x = (-width_m / 2, width_m / 2)
    return Model([facing(x, (0, height_m), 0, texture, label, two_sided=True)])


def tree(
    texture: Texture,
    shadow: Texture,
    weather: Weather,
    place: tuple[float, float],
    height_m: float,
    layer: int,
) -> list[Thing]:
    """Plant a tree at (x, z)."""
    x, z = place
    model = cutout(texture, height_m * 0.8, height_m, VEGETATION)
    shift = -weather.sun / weather.sun[1] * height_m * 0.6
    half = height_m * 0.34
    dark = flat((-half, half), (-half, half), KERB_M, shadow, NO_LABEL)
    return [
        Thing(model, layer, x, z),
        Thing(Model([dark]), SHADOWS, x + shift[0], z + shift[2]),
    ]


def vehicle(
    model: Model, shadow: Texture, place: tuple[float, float], heading: float = 0.0
) -> list[Thing]:
    """Put a vehicle at (x, z), on the dark patch that lies under every vehicle."""
    low, high = model.basis[:, :3, 2].min(axis=0), model.basis[:, :3, 2].max(axis=0)
    half, ends = max(high[0], 0.3) * 1.42, max(-low[2], high[2], 0.9) * 1.40
    dark = flat((-half, half), (-ends, ends), 0.0, shadow, NO_LABEL)
    return [
        Thing(Model([dark]), SHADOWS, *place, heading),
        Thing(model, STREET, *place, heading),
    ]


def turned(rng: np.random.Generator, against: float) -> float:
    """Return a heading along the street, with this share of the other direction."""
    return float(np.pi) if rng.random() < against else 0.0
