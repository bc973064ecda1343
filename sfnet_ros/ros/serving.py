"""The model that serves, together with what was asked for when it was loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from .. import taxonomies
from ..inference import Backend
from ..taxonomies import Taxonomy

# Which taxonomy the published ids are of; '' is the model's own.
_TAXONOMIES = {'train_id': '', 'label_id': 'cityscapes_ids', 'autoware': 'autoware'}
OUTPUT_IDS = tuple(_TAXONOMIES)


@dataclass(frozen=True)
class Serving:
    """
    A backend and the parameters that led to it; never changed, only replaced as a whole.

    ``taxonomy`` is of the ids that are published, ``table`` turns the model's ids into them.

    :raises TaxonomyError: when the model's classes cannot be turned into those asked for.
    """

    backend: Backend
    asked: Mapping[str, Any]
    taxonomy: Taxonomy = field(init=False)
    table: np.ndarray | None = field(init=False)

    def __post_init__(self) -> None:
        """Look up what frames need."""
        own = self.backend.facts.taxonomy
        name = _TAXONOMIES[self.asked['output_ids']]
        table = taxonomies.conversion(own, name) if name else None
        object.__setattr__(self, 'taxonomy', taxonomies.get(name or own))
        object.__setattr__(self, 'table', table)

    def translate(self, ids: np.ndarray) -> np.ndarray:
        """Turn H x W uint8 ids of the model into those to publish."""
        return ids if self.table is None else cv2.LUT(ids, self.table)

    def describe(self) -> str:
        """Return in a line which model serves, and on what."""
        backend, facts, (height, width) = self.backend, self.backend.facts, self.backend.input_size
        return (
            f'{facts.name} ({facts.network}, {facts.backbone}, {facts.taxonomy}) on '
            f'{backend.name}, {backend.device}, {backend.precision} ({backend.reason}), input '
            f'{width} x {height}'
        )
