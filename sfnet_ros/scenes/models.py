"""Things made of panels, and where they stand."""

from collections.abc import Iterable
from dataclasses import dataclass
import math

import numpy as np

from .surfaces import Panel

BLOCK_M = 48.0  # a street is built in pieces of this length
# Layers are painted in this order, and within one the far things first: on the ground nothing
# hides anything, and what stands between the kerbs and on the sidewalks is never hidden by what
# stands behind them. Houses, yards and hedges share the plots behind the sidewalks: those are
# painted block by block from far to near, and only within a block in this order.
LAND, SURFACE, MARKS, SHADOWS, HOUSES, YARD, HEDGES, STREET = range(8)


class Model:
    """Panels that move together; those which cover others come later."""

    def __init__(self, panels: Iterable[Panel], ahead: Iterable[float] = ()) -> None:
        """
        Stack the panels' numbers, so that a whole model is placed at once.

        :param ahead: for each panel how far in front of the model's middle its part lies, where
            the model has parts of which now one and now the other is the nearer.
        """
        self.panels = tuple(panels)
        self.ahead = np.array(tuple(ahead) or [0.0] * len(self.panels))
        self.basis = np.stack([p.basis for p in self.panels])
        self.normals = np.stack([p.normal for p in self.panels])


@dataclass(frozen=True)
class Thing:
    """A model at a place of the ground, turned by `heading` radians to the right."""

    model: Model
    layer: int
    x: float = 0.0
    z: float = 0.0
    heading: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Many things as arrays over their N panels: 4 x 3 bases, normals, layers and depths."""

    panels: tuple[Panel, ...]
    basis: np.ndarray
    normals: np.ndarray
    layer: np.ndarray
    z: np.ndarray


def place(things: list[Thing]) -> Batch:
    """Bring the panels of all things into the world."""
    basis, normals, layer, z = [], [], [], []
    for thing in things:
        turn = np.eye(4)
        sine, cosine = math.sin(thing.heading), math.cos(thing.heading)
        turn[0, :] = cosine, 0.0, sine, thing.x
        turn[2, :] = -sine, 0.0, cosine, thing.z
        basis.append(turn @ thing.model.basis)
        normals.append(thing.model.normals @ turn[:3, :3].T)
        layer.append(np.full(len(thing.model.panels), thing.layer))
        z.append(thing.z + cosine * thing.model.ahead)
    return Batch(
        tuple(p for thing in things for p in thing.model.panels),
        np.concatenate(basis) if basis else np.zeros((0, 4, 3)),
        np.concatenate(normals) if normals else np.zeros((0, 3)),
        np.concatenate(layer) if layer else np.zeros(0, int),
        np.concatenate(z) if z else np.zeros(0),
    )


def paint_order(batch: Batch, chosen: np.ndarray) -> np.ndarray:
    """Return the chosen panels' indices in the order in which they hide each other."""
    layer, z = batch.layer[chosen], batch.z[chosen]
    on_plots = (layer >= HOUSES) & (layer <= HEDGES)
    group = np.where(on_plots, HOUSES, layer)
    block = np.where(on_plots, np.floor(z / BLOCK_M), 0)
    return chosen[np.lexsort((chosen, -z, layer, -block, group))]


def join(batches: list[Batch]) -> Batch:
    """Put batches one after the other."""
    return Batch(
        tuple(p for b in batches for p in b.panels),
        np.concatenate([b.basis for b in batches]),
        np.concatenate([b.normals for b in batches]),
        np.concatenate([b.layer for b in batches]),
        np.concatenate([b.z for b in batches]),
    )
