"""How wide a street is and what stands beside it: numbers drawn once for each street."""

from dataclasses import dataclass

import numpy as np

_PARKING_M = 2.1
# What lines a street, and how often each kind of plot occurs in it.
_DISTRICTS = {
    'town': {
        'row': 0.60, 'offices': 0.14, 'wall': 0.06, 'fence': 0.06, 'park': 0.08, 'houses': 0.06,
    },
    'suburb': {
        'row': 0.10, 'offices': 0.04, 'wall': 0.08, 'fence': 0.08, 'park': 0.20, 'houses': 0.50,
    },
    'edge': {
        'row': 0.22, 'offices': 0.20, 'wall': 0.14, 'fence': 0.16, 'park': 0.20, 'houses': 0.08,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """
    One side of a street: `sign` is -1 for the left, 1 for the right.

    The rest are distances from the middle in metres, from the kerb outwards.
    """

    sign: int
    kerb: float
    parking: bool
    verge: float
    walk_to: float

    def at(self, distance: float) -> float:
        """Return the x of a place this far from the middle."""
        return self.sign * distance

    def span(self, near: float, far: float) -> tuple[float, float]:
        """Return the two x of a strip, the smaller first."""
        return (near, far) if self.sign > 0 else (-far, -near)


@dataclass(frozen=True)
class Layout:
    """A street's lanes (x of the middle, and 1 with or -1 against the camera) and sides."""

    lane_m: float
    lanes: tuple[tuple[float, int], ...]
    camera_lane: int
    sides: tuple[Side, Side]
    plots: dict[str, float]
    town: bool
    lined_with_trees: float
    traffic: float
    walkers: float
    lines: tuple[tuple[float, str], ...]

    @property
    def road(self) -> tuple[float, float]:
        """The x of the left and of the right kerb."""
        return -self.sides[0].kerb, self.sides[1].kerb


def draw_layout(rng: np.random.Generator) -> Layout:
    """Draw a street."""
    lane_m = rng.uniform(2.9, 3.6)
    with_us = int(rng.choice([1, 2], p=[0.62, 0.38]))
    against = int(rng.choice([0, 1, 2], p=[0.16, 0.62, 0.22]))
    hand = 1 if rng.random() < 0.8 else -1  # which side of the road one drives on
    lanes = [(hand * lane_m * (i + 0.5), 1) for i in range(with_us)]
    lanes += [(-hand * lane_m * (i + 0.5), -1) for i in range(against)]
    district = str(rng.choice(list(_DISTRICTS), p=[0.5, 0.25, 0.25]))
    counts = {hand: with_us, -hand: against}
    sides = tuple(_draw_side(rng, sign, counts[sign] * lane_m) for sign in (-1, 1))
    lines = _lines(rng, lane_m, counts, sides)
    return Layout(
        lane_m=lane_m,
        lanes=tuple(lanes),
        camera_lane=int(rng.integers(with_us)),
        sides=(sides[0], sides[1]),
        plots=_DISTRICTS[district],
        town=district == 'town',
        lined_with_trees=float(rng.choice([0.0, 0.25, 0.8])),
        traffic=rng.uniform(0.15, 0.85),
        walkers=rng.uniform(0.3, 1.6) * (1.0 if district == 'town' else 0.6),
        lines=lines,
    )


def _draw_side(rng: np.random.Generator, sign: int, lanes_m: float) -> Side:
    parking = bool(rng.random() < 0.5) or lanes_m == 0
    kerb = lanes_m + (_PARKING_M if parking else 0.35)
    verge = float(rng.choice([0.0, 1.6, 2.4], p=[0.55, 0.25, 0.20]))
    return Side(sign, kerb, parking, verge, kerb + verge + rng.uniform(2.2, 5.0))


def _lines(
    rng: np.random.Generator, lane_m: float, counts: dict[int, int], sides: tuple[Side, ...]
) -> tuple[tuple[float, str], ...]:
    """Return the lines on the road: distance from its left kerb, and kind."""
    kinds = []
    if counts[-1] and counts[1]:
        kinds.append((0.0, str(rng.choice(['dashed', 'dashed', 'solid', 'double', 'none']))))
    for side in sides:
        lanes_m = counts[side.sign] * lane_m
        kinds += [(side.at(i * lane_m), 'dashed') for i in range(1, counts[side.sign])]
        if side.parking and rng.random() < 0.6 and lanes_m:
            kinds.append((side.at(lanes_m), 'bays'))
        elif not side.parking and rng.random() < 0.4:
            kinds.append((side.at(lanes_m), 'solid'))
    return tuple((x + sides[0].kerb, kind) for x, kind in kinds if kind != 'none')
