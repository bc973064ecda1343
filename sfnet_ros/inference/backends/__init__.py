"""The seam: what every runtime offers, and the table of those there are."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from ..models import ModelFacts

# Told, while an engine is built, what is being done and the share of it that is done, 0..1.
Progress = Callable[[str, float], None]


class Prediction(NamedTuple):
    """
    What a model says of a batch of images; what was not asked for, or cannot be had, is None.

    :param ids: N x H x W uint8, ids of the model's taxonomy, 255 = unlabelled.
    :param confidence: N x H x W uint8, 0..255 for 0..1: the softmax probabilities of the coarse
        logits at the pixel's class, interpolated between the four grid points around it.
    :param flow: N x h x w x 2 float32, shift of the sampling point along x and y that the finest
        alignment module learnt for its coarse feature, in pixels of that feature map.
    """

    ids: np.ndarray
    confidence: np.ndarray | None = None
    flow: np.ndarray | None = None


class Backend(Protocol):
    """
    One loaded model on one runtime; the constructor loads.

    ``name`` is the runtime, ``device`` where it runs, ``precision`` what it computes in,
    ``reason`` why it was chosen, ``input_size`` the height and width that the network sees.
    ``provisional`` ones were chosen because the engine of a better one is not built yet;
    ``batches`` tells whether several images at once take less than one after the other.
    """

    name: str
    device: str
    precision: str
    reason: str
    facts: ModelFacts
    input_size: tuple[int, int]
    provisional: bool = False
    batches: bool = False

    def predict(
        self, images: np.ndarray, confidence: bool = False, flow: bool = False
    ) -> Prediction:
        """
        Map a batch of images to class ids, and on request to what stands behind them.

        :param images: N x H x W x 3 uint8 RGB.
        :raises ImageError: when the array is no such batch.
        """
        ...

    def infer(self, images: np.ndarray) -> np.ndarray:
        """Map N x H x W x 3 uint8 RGB to N x H x W uint8 class ids, 255 = unlabelled."""
        return self.predict(images).ids

    def memory_mb(self) -> float | None:
        """Return what is held of the device's own memory; None where it has none, or is mute."""
        return None

    def close(self) -> None:
        """Free what the backend holds; it is not used afterwards."""
        ...
