"""The model that serves, together with what was asked for when it was loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import taxonomies
from ..inference import Backend
from ..taxonomies import Taxonomy


@dataclass(frozen=True)
class Serving:
    """A backend and the parameters that led to it; never changed, only replaced as a whole."""

    backend: Backend
    asked: Mapping[str, Any]

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes whose ids are published."""
        return taxonomies.get(self.backend.facts.taxonomy)

    def describe(self) -> str:
        """Return in a line which model serves, and on what."""
        backend, facts, (height, width) = self.backend, self.backend.facts, self.backend.input_size
        return (
            f'{facts.name} ({facts.network}, {facts.backbone}, {facts.taxonomy}) on '
            f'{backend.name}, {backend.device}, {backend.precision} ({backend.reason}), input '
            f'{width} x {height}'
        )
