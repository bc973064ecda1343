"""What moves: vehicles in their lanes, people on the sidewalks and on the crossings."""

from typing import TypeAlias

import numpy as np

from .layout import Layout
from .models import STREET, Thing
from .people import PHASES
from .standing import vehicle
from .stock import Stock

SPEED = 8.0  # metres a second, of the camera and of those in its lane
_BEHIND_M = 25.0
_REACH_M = 190.0  # those who leave the window behind come in again far ahead
# The lane's number, metres ahead at the start, speed along the street, kind, number in its kind.
Driver: TypeAlias = tuple[int, float, float, str, int]


class Traffic:
    """Everybody on the move in one street."""

    def __init__(self, seed: int, layout: Layout, stock: Stock) -> None:
        """Draw who is on the move; where they are follows from the time."""
        rng = np.random.default_rng([seed, 4])
        self._layout = layout
        self._stock = stock
        self._kinds = {
            'car': stock.car, 'truck': stock.truck, 'bus': stock.bus, 'tram': stock.tram
        }  # fmt: skip
        self._drivers = [
            driver for lane in range(len(layout.lanes)) for driver in self._lane(rng, lane)
        ]
        self._cyclists = [
            (int(rng.integers(2)), rng.uniform(0, _REACH_M), rng.uniform(3.0, 5.5), index)
            for index in range(rng.poisson(3.4))
        ]
        self._walkers = [
            (int(rng.integers(2)), rng.random(), rng.uniform(0, _REACH_M),
             rng.uniform(0.9, 1.6) * rng.choice([-1, 1]), index)
            for index in range(rng.poisson(60 * layout.walkers))
        ]  # fmt: skip
        self._passers = [
            (rng.uniform(12, _REACH_M), rng.uniform(0, 60), rng.uniform(1.0, 1.6), index)
            for index in range(rng.poisson(3.5 * layout.walkers))
        ]

    def _lane(self, rng: np.random.Generator, lane: int) -> list[Driver]:
        """Fill one lane from the front of the camera's window to its end."""
        _, direction = self._layout.lanes[lane]
        own = lane == self._layout.camera_lane
        speed = SPEED if own else rng.uniform(6, 11)
        drivers: list[Driver] = []
        ahead = rng.uniform(9, 30) if own else rng.uniform(0, 15)
        while ahead < _REACH_M - 16:
            kind = str(rng.choice(
                ['car', 'truck', 'bus', 'tram', 'biker'], p=[0.81, 0.07, 0.045, 0.015, 0.06]
            ))  # fmt: skip
            long = {'car': 0.0, 'truck': 4.0, 'bus': 6.0, 'tram': 14.0, 'biker': 0.0}[kind]
            ahead += long
            if rng.random() < self._layout.traffic:
                drivers.append((lane, ahead, speed * direction, kind, int(rng.integers(100))))
            ahead += long + rng.uniform(8, 26)
        return drivers

    def things(self, camera_z: float, time_s: float) -> list[Thing]:
        """Return everybody near the camera at this time."""
        step = int(time_s * 1.8 * PHASES)
        shadow, stock, sides = self._stock.car_shadow[0], self._stock, self._layout.sides
        things: list[Thing] = []
        for lane, start, speed, kind, index in self._drivers:
            x, direction = self._layout.lanes[lane]
            model = stock.biker[index].phase(0) if kind == 'biker' else self._kinds[kind][index]
            place = (x, _wrap(start, speed - SPEED, time_s, camera_z))
            things += vehicle(model, shadow, place, 0.0 if direction > 0 else np.pi)
        for number, start, speed, index in self._cyclists:
            side = sides[number]
            direction = next((d for x, d in self._layout.lanes if x * side.sign > 0), 1)
            x = side.at(side.kerb - (2.7 if side.parking else 0.7))
            z = _wrap(start, speed * direction - SPEED, time_s, camera_z)
            model = stock.cyclist[index].phase(step + index)
            things.append(Thing(model, STREET, x, z, 0.0 if direction > 0 else np.pi))
        for number, share, start, speed, index in self._walkers:
            side = sides[number]
            near, far = side.kerb + side.verge + 0.4, side.walk_to - 0.4
            x = side.at(near + share * (far - near))
            z = _wrap(start, speed - SPEED, time_s, camera_z)
            model = stock.walker[index].phase(step + index)
            things.append(Thing(model, STREET, x, z))
        return things + self._crossing(camera_z, time_s, step)

    def _crossing(self, camera_z: float, time_s: float, step: int) -> list[Thing]:
        """Return people who walk from one sidewalk to the other and back again."""
        (left, right), things = self._layout.road, []
        for start, phase, speed, index in self._passers:
            span = right - left + 3.0
            way = (phase + speed * time_s) % (2 * span)
            x = left - 1.5 + (way if way < span else 2 * span - way)
            z = _wrap(start, -SPEED, time_s, camera_z)
            heading = 0.0 if way < span else np.pi
            model = self._stock.passer[index].phase(step + index)
            things.append(Thing(model, STREET, x, z, heading))
        return things


def _wrap(start: float, relative_speed: float, time_s: float, camera_z: float) -> float:
    """Return a z that stays in the window around the camera."""
    return camera_z - _BEHIND_M + (start + _BEHIND_M + relative_speed * time_s) % _REACH_M
