"""What stands still: a street is built in blocks of 48 m, each from its own random numbers."""

import numpy as np

from . import furniture
from .ground import ROAD_TILE_M
from .labels import NO_LABEL, ROAD, SIDEWALK, TERRAIN
from .layout import Layout, Side
from .models import BLOCK_M, MARKS, Model, SHADOWS, STREET, SURFACE, Thing
from .plots import Plots
from .standing import Block, KERB_M, tree, turned, vehicle
from .stock import Stock
from .surfaces import along, facing, flat, Panel
from .weather import Weather

_CROSSROAD_M = 10.0
_FIRST = 1_000_000  # seeds must not be negative, block numbers may


class Builder:
    """Builds the blocks of one street."""

    def __init__(self, seed: int, layout: Layout, stock: Stock, weather: Weather) -> None:
        """Keep what all blocks share."""
        self._seed = seed
        self._layout = layout
        self._stock = stock
        self._weather = weather
        self._plots = Plots(stock, weather)

    def block(self, index: int) -> Block:
        """Say where the block with this number lies, and whether a street crosses there."""
        chance = np.random.default_rng([self._seed, 3, index + _FIRST]).random()
        start = index * BLOCK_M
        return Block(start, start + (_CROSSROAD_M if chance < 0.3 else 0.0), start + BLOCK_M)

    def build(self, index: int) -> list[Thing]:
        """Build the block that starts at z = 48 m times the index."""
        rng = np.random.default_rng([self._seed, 2, index + _FIRST])
        block, layout = self.block(index), self._layout
        things = self._road(rng, block)
        for side in layout.sides:
            things.append(self._sidewalk(side, block))
            kind = str(rng.choice(list(layout.plots), p=list(layout.plots.values())))
            things += self._plots.fill(kind, rng, side, block)
            if kind in ('row', 'offices') and self._weather.sun[0] * side.sign > 0.25:
                things.append(self._house_shadow(side, block))
            if rng.random() < layout.lined_with_trees:
                things += self._trees(rng, side, block)
            things += self._posts(rng, side, block)
            things += self._parked_cars(rng, side, block) if side.parking else []
            things += self._parked_bicycles(rng, side, block)
        return things

    def _road(self, rng: np.random.Generator, block: Block) -> list[Thing]:
        stock, road = self._stock, self._layout.road
        parts = [
            flat(road, (block.start, block.end), 0, stock.road[0], ROAD,
                 tile_m=(road[1] - road[0], ROAD_TILE_M))
        ]  # fmt: skip
        marks: list[Panel] = []
        if block.crossed:
            parts.append(flat((-70, 70), (block.start, block.front), 0, stock.asphalt[0], ROAD,
                              tile_m=(16, 16)))  # fmt: skip
        if block.crossed and rng.random() < 0.7:
            for low in (block.start - 3.6, block.front + 0.6):
                marks.append(flat(road, (low, low + 3.0), 0, stock.crossing[0], NO_LABEL))
        for _ in range(rng.integers(1, 4)):
            x, low = rng.uniform(road[0] + 1, road[1] - 1), rng.uniform(block.front, block.end)
            marks.append(flat((x, x + 0.7), (low, low + 0.7), 0, stock.cover.draw(rng), NO_LABEL))
        return [Thing(Model(parts), SURFACE), Thing(Model(marks), MARKS)]

    def _sidewalk(self, side: Side, block: Block) -> Thing:
        stock, z = self._stock, (block.front, block.end)
        walk = side.span(side.kerb, side.walk_to)
        parts = [flat(walk, z, KERB_M, stock.paving[0], SIDEWALK, tile_m=(4, 4))]
        if side.verge:
            strip = side.span(side.kerb + 0.2, side.kerb + side.verge)
            parts.append(flat(strip, z, KERB_M, stock.grass[0], TERRAIN, tile_m=(8, 8)))
        parts.append(along(side.sign, side.at(side.kerb), (0, KERB_M), z, stock.kerb[0], SIDEWALK,
                           repeat=((z[1] - z[0]) / 2, 1)))  # fmt: skip
        if block.crossed:
            parts.append(facing(walk, (0, KERB_M), z[0], stock.kerb[0], SIDEWALK))
        return Thing(Model(parts), SURFACE)

    def _house_shadow(self, side: Side, block: Block) -> Thing:
        sun = self._weather.sun
        reach = min(9.0 * abs(sun[0]) / sun[1], side.walk_to + 6.0)
        shade = flat(side.span(side.walk_to - reach, side.walk_to), (block.front, block.end),
                     KERB_M, self._stock.house_shadow[side.sign][0], NO_LABEL)  # fmt: skip
        return Thing(Model([shade]), SHADOWS)

    def _trees(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        things, texture = [], self._stock.tree.draw(rng)
        x = side.at(side.kerb + (side.verge * 0.5 if side.verge else 0.8))
        for z in np.arange(block.front + rng.uniform(2, 6), block.end, rng.uniform(7, 13)):
            things += tree(texture, self._stock.tree_shadow.draw(rng), self._weather, (x, z),
                           rng.uniform(4.5, 8.5), STREET)  # fmt: skip
        return things

    def _posts(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        """Put lamps, signs, lights and bins along one sidewalk."""
        stock, post, near = self._stock, self._stock.post.draw(rng), side.at(side.kerb + 0.5)
        lamp = furniture.lamp(post, side.sign, rng.uniform(5.5, 8.5), rng.uniform(0.8, 2.2))
        lamps = np.arange(block.front + rng.uniform(2, 12), block.end, 26.0)
        placed = [(lamp, near, z) for z in lamps]
        if block.crossed and rng.random() < 0.75:
            light = stock.light.draw(rng)
            placed += [(light, near, block.front + 0.3), (light, near, block.start - 1.0)]
        far = side.at(side.walk_to - 0.4)
        drawn = [(stock.sign, near)] * rng.poisson(1.6) + [(stock.bin, far)] * rng.poisson(0.6)
        for pool, x in drawn:
            placed.append((pool.draw(rng), x, rng.uniform(block.front + 1, block.end)))
        if rng.random() < 0.35:
            mast = furniture.mast(post, rng.uniform(7, 10))
            placed.append((mast, far, rng.uniform(block.front + 1, block.end)))
        return [Thing(model, STREET, x, z) for model, x, z in placed]

    def _parked_cars(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        things, full = [], rng.choice([0.1, 0.35, 0.7])
        for z in np.arange(block.front + 7.0, block.end - 2.0, 5.8):
            pool = self._stock.car if rng.random() < 0.95 else self._stock.motorbike
            if rng.random() < full:
                place = (side.at(side.kerb - 1.05) + rng.normal(0, 0.08), z)
                things += vehicle(pool.draw(rng), self._stock.car_shadow[0], place,
                                  turned(rng, 0.25))  # fmt: skip
        return things

    def _parked_bicycles(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        things = []
        for _ in range(rng.poisson(1.1)):
            x, z = side.at(side.walk_to - 0.9), rng.uniform(block.front + 3, block.end)
            pool = self._stock.motorcycle if rng.random() < 0.25 else self._stock.bicycle
            for place in range(rng.integers(1, 6)):
                things.append(
                    Thing(pool.draw(rng), STREET, x, z + 0.7 * place, rng.uniform(-0.5, 0.5))
                )
        return things
