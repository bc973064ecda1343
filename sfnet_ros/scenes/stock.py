"""The textures and models of one street, made when first drawn and then used over and over."""

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from . import boxes, cars, facades, furniture, ground, people, plants
from .layout import Layout
from .models import Model
from .noise import Grain
from .surfaces import Texture
from .weather import Weather

T = TypeVar('T')


class Pool(Generic[T]):
    """A few things of a kind, numbered; each has its own random numbers, so order is free."""

    def __init__(
        self, seed: list[int], size: int, make: Callable[[np.random.Generator], T]
    ) -> None:
        """Make nothing yet."""
        self._seed = seed
        self._size = size
        self._make = make
        self._made: dict[int, T] = {}

    def draw(self, rng: np.random.Generator) -> T:
        """Return one of them."""
        return self[int(rng.integers(self._size))]

    def __getitem__(self, index: int) -> T:
        """Return the one with this number, counted round and round."""
        index %= self._size
        if index not in self._made:
            self._made[index] = self._make(np.random.default_rng([*self._seed, index]))
        return self._made[index]


class Stock:
    """Everything a street is built from."""

    def __init__(self, seed: int, weather: Weather, layout: Layout) -> None:
        """Prepare the pools; the things in them are made later."""
        grain = Grain(np.random.default_rng([seed, 1]))
        dark = weather.shadow
        kinds = iter(range(100, 200))

        def pool(size: int, make: Callable[[np.random.Generator], T]) -> Pool[T]:
            return Pool([seed, next(kinds)], size, make)

        width_m = layout.road[1] - layout.road[0]
        self.road: Pool[Texture] = pool(
            1, lambda r: ground.road(r, grain, width_m, list(layout.lines), layout.lane_m)
        )
        self.asphalt: Pool[Texture] = pool(1, lambda r: ground.asphalt(r, grain))
        self.paving: Pool[Texture] = pool(2, lambda r: ground.paving(r, grain))
        self.grass: Pool[Texture] = pool(2, lambda r: ground.grass(r, grain, weather.grass))
        self.kerb: Pool[Texture] = pool(1, lambda r: ground.kerb(r, grain))
        self.crossing: Pool[Texture] = pool(1, lambda r: ground.crossing(r, grain, width_m))
        self.cover: Pool[Texture] = pool(2, lambda r: ground.cover(r, grain))
        self.car_shadow: Pool[Texture] = pool(1, lambda r: ground.soft_shadow(0.6 + dark * 0.6))
        self.tree_shadow: Pool[Texture] = pool(3, lambda r: ground.leafy_shadow(r, grain, dark))
        self.house_shadow: dict[int, Pool[Texture]] = {
            -1: pool(1, lambda r: ground.strip_shadow(r, grain, dark, -1)),
            1: pool(1, lambda r: ground.strip_shadow(r, grain, dark, 1)),
        }
        self.low_fronts: Pool[facades.Facade] = pool(
            5, lambda r: facades.facade(r, grain, int(r.integers(2, 4)), False)
        )
        self.fronts: Pool[facades.Facade] = pool(
            9, lambda r: facades.facade(r, grain, int(r.integers(3, 6)), bool(r.random() < 0.6))
        )
        self.high_fronts: Pool[facades.Facade] = pool(
            5, lambda r: facades.facade(r, grain, int(r.integers(5, 9)), bool(r.random() < 0.4))
        )
        self.roof: Pool[Texture] = pool(3, lambda r: facades.roof(r, grain))
        self.masonry: Pool[Texture] = pool(3, lambda r: facades.masonry(r, grain))
        self.railing: Pool[Texture] = pool(3, lambda r: facades.railing(r, grain))
        self.tree: Pool[Texture] = pool(
            6, lambda r: plants.tree(r, grain, weather, str(r.choice(['round', 'round', 'tall'])))
        )
        self.fir: Pool[Texture] = pool(2, lambda r: plants.tree(r, grain, weather, 'fir'))
        self.bush: Pool[Texture] = pool(4, lambda r: plants.bush(r, grain, weather))
        self.foliage: Pool[Texture] = pool(3, lambda r: plants.foliage(r, grain, weather))
        self.post: Pool[Texture] = pool(2, lambda r: furniture.post(r, grain))
        self.light: Pool[Model] = pool(
            3, lambda r: furniture.traffic_light(r, grain, self.post.draw(r))
        )
        self.sign: Pool[Model] = pool(8, lambda r: furniture.sign(r, grain, self.post.draw(r)))
        self.bin: Pool[Model] = pool(3, lambda r: furniture.bin_box(r, grain))
        self.car: Pool[Model] = pool(20, lambda r: cars.car(r, grain))
        self.truck: Pool[Model] = pool(3, lambda r: boxes.truck(r, grain))
        self.bus: Pool[Model] = pool(2, lambda r: boxes.bus(r, grain))
        self.tram: Pool[Model] = pool(1, lambda r: boxes.tram(r, grain))
        self.walker: Pool[people.Gait] = pool(12, lambda r: people.walker(r, grain, False))
        self.passer: Pool[people.Gait] = pool(5, lambda r: people.walker(r, grain, True))
        self.cyclist: Pool[people.Gait] = pool(4, lambda r: people.cyclist(r, grain, False))
        self.biker: Pool[people.Gait] = pool(2, lambda r: people.cyclist(r, grain, True))
        self.bicycle: Pool[Model] = pool(4, lambda r: people.parked(r, grain, False))
        self.motorcycle: Pool[Model] = pool(2, lambda r: people.parked(r, grain, True))
        self.motorbike: Pool[Model] = pool(2, lambda r: people.standing(r, grain))
        self.horizon: Pool[Model] = pool(
            1, lambda r: furniture.horizon(r, grain, weather, layout.town)
        )
