"""The seam: what every runtime offers, and the table of those there are."""

from typing import Protocol

import numpy as np

from ..models import ModelFacts


class Backend(Protocol):
    """
    One loaded model on one runtime; the constructor loads.

    ``name`` is the runtime, ``device`` where it runs, ``precision`` what it computes in,
    ``reason`` why it was chosen, ``input_size`` the height and width that the network sees.
    """

    name: str
    device: str
    precision: str
    reason: str
    facts: ModelFacts
    input_size: tuple[int, int]

    def infer(self, images: np.ndarray) -> np.ndarray:
        """
        Map a batch of images to class ids.

        :param images: N x H x W x 3 uint8 RGB.
        :return: N x H x W uint8, ids of the model's taxonomy, 255 = unlabelled.
        :raises ImageError: when the array is no such batch.
        """
        ...

    def close(self) -> None:
        """Free what the backend holds; it is not used afterwards."""
        ...
