"""The models that are evaluated, and how."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .. import inference, taxonomies

# The scales of the papers' multi-scale tables.
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)


@dataclass(frozen=True)
class Setup:
    """
    How to evaluate.

    ``model`` are the arguments of ``inference.load``, ``against`` the weights of a second model.
    With ``scales`` or ``flip`` logits are averaged. ``count_in`` is a taxonomy, '' for that of the
    labels; ``pictures`` is how many of the worst frames are kept.
    """

    model: dict[str, Any] = field(default_factory=dict)
    against: str = ''
    scales: tuple[float, ...] = ()
    flip: bool = False
    count_in: str = ''
    pictures: int = 4


class Models:
    """The loaded model, and the one it is compared with."""

    def __init__(self, setup: Setup) -> None:
        self.backend = inference.load(**setup.model)
        self.taxonomy = self.backend.facts.taxonomy
        self.infer: Callable[[np.ndarray], np.ndarray] = self.backend.infer
        if setup.scales or setup.flip:
            # Only the torch backend has it, and the caller asked for that one.
            averaged = self.backend.infer_averaged  # type: ignore[attr-defined]
            self.infer = partial(averaged, scales=setup.scales or (1.0,), flip=setup.flip)
        self.against = None
        if setup.against:
            runtime = {key: setup.model.get(key, 'auto') for key in ('backend', 'precision')}
            self.against = inference.load(setup.against, **runtime)
        if self.against:
            self.against_table = taxonomies.conversion(self.against.facts.taxonomy, self.taxonomy)

    def facts(self) -> dict[str, Any]:
        """Return what the report says of the models."""
        return {
            'model': _facts(self.backend),
            'against': _facts(self.against) if self.against else None,
        }


def _facts(backend: inference.Backend) -> dict[str, Any]:
    facts = backend.facts
    return {
        'name': facts.name,
        'network': facts.network,
        'backbone': facts.backbone,
        'taxonomy': facts.taxonomy,
        'sha256': facts.sha256,
        'input_height': backend.input_size[0],
        'input_width': backend.input_size[1],
        'backend': backend.name,
        'device': backend.device,
        'precision': backend.precision,
    }
