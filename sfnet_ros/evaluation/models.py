"""The models that are evaluated, and how."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .. import inference, taxonomies
from ..errors import BackendError
from ..inference.description import describe

# The scales of the papers' multi-scale tables.
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)


@dataclass(frozen=True)
class Setup:
    """
    How to evaluate.

    ``model`` are the arguments of ``inference.load``, ``against`` the weights of a second model.
    With ``scales`` or ``flip`` logits are averaged; ``calibration`` asks each labelled image once
    more, for the confidence, so that latencies stay those of ids alone. ``count_in`` is a
    taxonomy, '' for that of the labels; ``pictures`` is how many of the worst frames are kept.
    """

    model: dict[str, Any] = field(default_factory=dict)
    against: str = ''
    scales: tuple[float, ...] = ()
    flip: bool = False
    calibration: bool = False
    count_in: str = ''
    pictures: int = 4


class Models:
    """The loaded model, and the one it is compared with."""

    def __init__(self, setup: Setup) -> None:
        self.backend = inference.load(**setup.model)
        self.taxonomy = self.backend.facts.taxonomy
        self.infer: Callable[[np.ndarray], np.ndarray] = self.backend.infer
        self.calibration = setup.calibration
        if setup.scales or setup.flip:
            self.infer = _averaged(self.backend, setup)
        self.against = None
        if setup.against:
            runtime = {key: setup.model.get(key, 'auto') for key in ('backend', 'precision')}
            self.against = inference.load(setup.against, **runtime)
        if self.against:
            self.against_table = taxonomies.conversion(self.against.facts.taxonomy, self.taxonomy)

    def facts(self) -> dict[str, Any]:
        """Return what the report says of the models."""
        return {
            'model': describe(self.backend),
            'against': describe(self.against) if self.against else None,
        }


def _averaged(backend: inference.Backend, setup: Setup) -> Callable[[np.ndarray], np.ndarray]:
    """Return inference over several scales, or mirrored; only the torch backend has it."""
    from ..inference.backends.torch import TorchBackend

    if not isinstance(backend, TorchBackend):
        raise BackendError(
            f'the {backend.name} backend cannot average over scales; expected the backend torch'
        )
    if setup.calibration:
        raise BackendError(
            'averaged logits have no confidence; leave out the calibration, or scales and flip'
        )
    return partial(backend.infer_averaged, scales=setup.scales or (1.0,), flip=setup.flip)
