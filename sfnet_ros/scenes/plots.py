"""What lines a street: rows of houses, offices, villas, walls and parks, a block at a time."""

import numpy as np

from .facades import Facade
from .labels import BUILDING, FENCE, SIDEWALK, TERRAIN, VEGETATION, WALL
from .layout import Side
from .models import HEDGES, HOUSES, Model, SURFACE, Thing, YARD
from .standing import Block, cutout, KERB_M, tree
from .stock import Pool, Stock
from .surfaces import along, facing, flat, Panel, panel
from .weather import Weather


class Plots:
    """Fills the plots behind the sidewalks of one street."""

    def __init__(self, stock: Stock, weather: Weather) -> None:
        """Keep what all plots share."""
        self._stock = stock
        self._weather = weather
        self._kinds = {
            'row': self._row,
            'offices': self._offices,
            'houses': self._houses,
            'wall': self._wall,
            'fence': self._fenced,
            'park': self._park,
        }

    def fill(self, kind: str, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        """Build one side of a block as a plot of this kind."""
        return self._kinds[kind](rng, side, block)

    def _row(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        return self._terrace(rng, side, block, side.walk_to, self._stock.fronts)

    def _offices(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        line = side.walk_to + rng.uniform(1.0, 5.0)
        court = flat(side.span(side.walk_to, line), (block.front, block.end), KERB_M,
                     self._stock.paving[1], SIDEWALK, tile_m=(4, 4))  # fmt: skip
        houses = self._terrace(rng, side, block, line, self._stock.high_fronts)
        return [Thing(Model([court]), SURFACE), *houses]

    def _terrace(
        self,
        rng: np.random.Generator,
        side: Side,
        block: Block,
        line: float,
        fronts: Pool[Facade],
    ) -> list[Thing]:
        """Put houses wall to wall, stretched a little so that they fill the block."""
        length, drawn = block.end - block.front, [fronts.draw(rng)]
        while sum(f.width_m for f in drawn) < length - 6:
            drawn.append(fronts.draw(rng))
        stretch = length / sum(f.width_m for f in drawn)
        things, z = [], block.front
        for index, front in enumerate(drawn):
            wide = front.width_m * stretch
            depth = 40.0 if index == 0 and block.crossed else front.width_m
            things.append(self._house(rng, side, line, z, front, wide, depth))
            z += wide
        return things

    def _house(
        self,
        rng: np.random.Generator,
        side: Side,
        line: float,
        z: float,
        front: Facade,
        wide: float,
        depth: float,
    ) -> Thing:
        """Build a house: its front to the street, the wall that faces the camera, its roof."""
        tint = tuple(rng.uniform(0.86, 1.1) * np.array([1, 1, 1]) * rng.uniform(0.96, 1.04, 3))
        high, rise = front.height_m, rng.uniform(2.0, 4.5)
        pieces = max(1, round(depth / front.width_m))
        parts: list[Panel] = []
        for piece in reversed(range(pieces)):
            x = side.span(line + depth * piece / pieces, line + depth * (piece + 1) / pieces)
            parts.append(facing(x, (0, high), 0, front.texture, BUILDING, tint=tint))
        if rng.random() < 0.7:
            tiles, lean = self._stock.roof.draw(rng), min(depth, 14.0) / 2
            middle = side.at(line + lean)
            parts.append(panel((middle - 0.05, high + rise, 0), (0.1, 0, 0),
                               (0.05 - lean, -rise, 0), tiles, BUILDING, widening=20 * lean,
                               repeat=(lean / 3, rise / 6)))  # fmt: skip
            parts.append(along(side.sign, side.at(line - 0.3), (high, high + rise), (0, wide),
                               tiles, BUILDING, lean=lean + 0.3,
                               repeat=(wide / 6, lean / 4)))  # fmt: skip
        parts.append(along(side.sign, side.at(line), (0, high), (0, wide), front.texture,
                           BUILDING, tint=tint))  # fmt: skip
        return Thing(Model(parts), HOUSES, 0, z)

    def _houses(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        line = side.walk_to + rng.uniform(3.0, 7.0)
        things = [self._lawn(side, block, side.walk_to + 40)]
        things += self._boundary(rng, side, block, (0.75, 1.5))
        z = block.front + rng.uniform(1, 4)
        while z < block.end - 9:
            front = self._stock.low_fronts.draw(rng)
            wide = min(front.width_m, block.end - z)
            things.append(self._house(rng, side, line, z, front, wide, 9.0))
            z += wide + rng.uniform(3.0, 9.0)
        strip = (side.walk_to + 1.0, line - 0.6)
        return things + self._plants(rng, side, block, strip, trees=2, bushes=6)

    def _wall(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        things = [self._lawn(side, block, side.walk_to + 40)]
        masonry, high = self._stock.masonry.draw(rng), rng.uniform(1.8, 3.2)
        z, x = (block.front, block.end), side.at(side.walk_to)
        length = z[1] - z[0]
        far_x = side.span(side.walk_to, side.walk_to + 25)
        wall = Model([
            facing(far_x, (0, high), 0, masonry, WALL, repeat=(6, 1)),
            along(side.sign, x, (0, high), (0, length), masonry, WALL, repeat=(length / 4, 1)),
        ])  # fmt: skip
        things.append(Thing(wall, HEDGES, 0, z[0]))
        if rng.random() < 0.6:
            line = side.walk_to + rng.uniform(8, 14)
            things += self._terrace(rng, side, block, line, self._stock.fronts)
        strip = (side.walk_to + 2.0, side.walk_to + 7.0)
        return things + self._plants(rng, side, block, strip, trees=4, bushes=0)

    def _park(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        things = [self._lawn(side, block, side.walk_to + 60)]
        if rng.random() < 0.7:
            things += self._boundary(rng, side, block, (0.7, 1.3))
        far, length = side.walk_to + rng.uniform(14, 30), block.end - block.front
        leaves, y = self._stock.foliage.draw(rng), (0.0, rng.uniform(4, 9))
        woods = along(side.sign, side.at(far), y, (0, length), leaves, VEGETATION,
                      repeat=(length / 6, 1.3))  # fmt: skip
        things.append(Thing(Model([woods]), HOUSES, 0, block.front))
        strip = (side.walk_to + 2.0, far - 2)
        return things + self._plants(rng, side, block, strip, trees=7, bushes=5)

    def _fenced(self, rng: np.random.Generator, side: Side, block: Block) -> list[Thing]:
        things, length = [self._lawn(side, block, side.walk_to + 40)], block.end - block.front
        high = rng.uniform(1.3, 2.4)
        fence = along(side.sign, side.at(side.walk_to), (0, high), (0, length),
                      self._stock.railing.draw(rng), FENCE, repeat=(length * 0.7 / high, 1),
                      solid=True)  # fmt: skip
        things.append(Thing(Model([fence]), HEDGES, 0, block.front))
        if rng.random() < 0.6:
            line = side.walk_to + rng.uniform(4, 9)
            things += self._terrace(rng, side, block, line, self._stock.high_fronts)
        strip = (side.walk_to + 1.5, side.walk_to + 4.0)
        return things + self._plants(rng, side, block, strip, trees=3, bushes=4)

    def _lawn(self, side: Side, block: Block, far: float) -> Thing:
        lawn = flat(side.span(side.walk_to, far), (block.front, block.end), KERB_M,
                    self._stock.grass[0], TERRAIN, tile_m=(8, 8))  # fmt: skip
        return Thing(Model([lawn]), SURFACE)

    def _boundary(
        self, rng: np.random.Generator, side: Side, block: Block, y: tuple[float, float]
    ) -> list[Thing]:
        """Put a hedge, a fence or a low wall between the sidewalk and the plot."""
        kind = str(rng.choice(['hedge', 'fence', 'wall', 'open'], p=[0.27, 0.46, 0.12, 0.15]))
        high, length = rng.uniform(*y), block.end - block.front
        x, wide = side.at(side.walk_to), (0.0, length)
        if kind == 'open':
            return []
        if kind == 'hedge':
            leaves, deep = self._stock.foliage.draw(rng), 0.7
            parts = [
                facing(side.span(side.walk_to, side.walk_to + deep), (0, high), 0, leaves,
                       VEGETATION, repeat=(deep / 3, high / 3)),
                flat(side.span(side.walk_to, side.walk_to + deep), wide, high, leaves, VEGETATION,
                     tile_m=(3, 3)),
                along(side.sign, x, (0, high), wide, leaves, VEGETATION,
                      repeat=(length / 3, high / 3)),
            ]  # fmt: skip
        elif kind == 'fence':
            parts = [along(side.sign, x, (0, high), wide, self._stock.railing.draw(rng), FENCE,
                           repeat=(length / 2, 1), solid=True)]  # fmt: skip
        else:
            parts = [along(side.sign, x, (0, high), wide, self._stock.masonry.draw(rng), WALL,
                           repeat=(length / 4, 1))]  # fmt: skip
        return [Thing(Model(parts), HEDGES, 0, block.front)]

    def _plants(
        self,
        rng: np.random.Generator,
        side: Side,
        block: Block,
        strip: tuple[float, float],
        trees: int,
        bushes: int,
    ) -> list[Thing]:
        """Scatter about so many trees and bushes over a strip between two distances."""
        things = []
        for _ in range(rng.poisson(trees)):
            place = (side.at(rng.uniform(*strip)), rng.uniform(block.front + 2, block.end))
            kind = self._stock.tree if rng.random() < 0.75 else self._stock.fir
            things += tree(kind.draw(rng), self._stock.tree_shadow.draw(rng),
                           self._weather, place, rng.uniform(4, 10), YARD)  # fmt: skip
        for _ in range(rng.poisson(bushes)):
            place = (side.at(rng.uniform(*strip)), rng.uniform(block.front + 1, block.end))
            wide = rng.uniform(1.0, 2.6)
            model = cutout(
                self._stock.bush.draw(rng), wide, wide * rng.uniform(0.6, 0.9), VEGETATION
            )
            things.append(Thing(model, YARD, *place))
        return things
