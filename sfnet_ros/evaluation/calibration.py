"""Whether a model is as often right as it is sure: the expected calibration error (ECE)."""

from typing import Any

import numpy as np

BINS = 15
# 255 steps of confidence make 15 bins of 17; the edges belong to the bin below, as in the paper
# (Guo et al., ICML 2017), and 0 to the first.
_BIN_OF = np.maximum(np.arange(256) - 1, 0) // (255 // BINS)


class CalibrationCounts:
    """
    Pixels by their confidence, over any number of frames.

    Bin b holds the confidences 17 b + 1 to 17 b + 17 of 255, the first one 0 as well. Of each,
    ``pixels`` is how many there were, ``right`` how many of these had the true class, and
    ``confidence`` the sum of what they said, 0..255 each. Pixels whose true id is no class are not
    counted, those that were predicted as no class are wrong.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.pixels, self.right, self.confidence = np.zeros((3, BINS), np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray, confidence: np.ndarray) -> None:
        """
        Count one frame.

        :param truth, predicted: H x W uint8 ids. :param confidence: H x W uint8 of 255.
        """
        known = truth < self.num_classes
        said = confidence[known]
        right = said[truth[known] == predicted[known]]
        pixels, hits = (np.bincount(values, minlength=256) for values in (said, right))
        for total, values in (
            (self.pixels, pixels),
            (self.right, hits),
            (self.confidence, pixels * np.arange(256)),
        ):
            np.add.at(total, _BIN_OF, values)

    def merge(self, other: 'CalibrationCounts') -> None:
        """Add the counts of other frames."""
        self.pixels += other.pixels
        self.right += other.right
        self.confidence += other.confidence

    @property
    def error(self) -> float:
        """The mean over all pixels of |share right - confidence| of their bin; nan of none."""
        total = self.pixels.sum()
        distances = np.abs(self.right - self.confidence / 255)
        return float(distances.sum() / total) if total else float('nan')

    def bins(self) -> list[dict[str, Any]]:
        """Return every bin: limits, pixels, and their mean confidence and accuracy, if any."""
        return [
            {
                'above': number / BINS,
                'up_to': (number + 1) / BINS,
                'pixels': int(pixels),
                'confidence': float(said / 255 / pixels) if pixels else None,
                'accuracy': float(right / pixels) if pixels else None,
            }
            for number, (pixels, right, said) in enumerate(
                zip(self.pixels, self.right, self.confidence, strict=True)
            )
        ]
