"""The model that serves, together with what was asked for when it was loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
import math
from typing import Any

import cv2
import numpy as np

from .. import taxonomies
from ..inference import Backend
from ..taxonomies import Taxonomy, UNLABELLED

# Which taxonomy the published ids are of; '' is the model's own.
_TAXONOMIES = {'train_id': '', 'label_id': 'cityscapes_ids', 'autoware': 'autoware'}
OUTPUT_IDS = tuple(_TAXONOMIES)


@dataclass(frozen=True)
class Serving:
    """
    A backend and the parameters that led to it; never changed, only replaced as a whole.

    ``taxonomy`` is of the ids that are published, ``table`` turns the model's ids into them, and
    those whose confidence (0..255) is below ``least_confidence`` become 255.

    :raises TaxonomyError: when the model's classes cannot be turned into those asked for.
    """

    backend: Backend
    asked: Mapping[str, Any]
    taxonomy: Taxonomy = field(init=False)
    table: np.ndarray | None = field(init=False)
    least_confidence: int = field(init=False)

    def __post_init__(self) -> None:
        """Look up what frames need."""
        own = self.backend.facts.taxonomy
        name = _TAXONOMIES[self.asked['output_ids']]
        table = taxonomies.conversion(own, name) if name else None
        object.__setattr__(self, 'taxonomy', taxonomies.get(name or own))
        object.__setattr__(self, 'table', table)
        least = math.ceil(self.asked['confidence_threshold'] * 255)
        object.__setattr__(self, 'least_confidence', least)

    def translate(self, ids: np.ndarray, confidence: np.ndarray | None) -> np.ndarray:
        """
        Turn ids of the model into those to publish.

        :param ids: H x W uint8.
        :param confidence: H x W uint8; may be None where there is no threshold.
        """
        ids = ids if self.table is None else cv2.LUT(ids, self.table)
        if confidence is None or not self.least_confidence:
            return ids
        return np.where(confidence < self.least_confidence, np.uint8(UNLABELLED), ids)

    def describe(self) -> str:
        """Return in a line which model serves, and on what."""
        backend, facts, (height, width) = self.backend, self.backend.facts, self.backend.input_size
        return (
            f'{facts.name} ({facts.network}, {facts.backbone}, {facts.taxonomy}) on '
            f'{backend.name}, {backend.device}, {backend.precision} ({backend.reason}), input '
            f'{width} x {height}'
        )
