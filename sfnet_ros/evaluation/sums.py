"""What adds up over frames and sources, and the figures that follow from it."""

from collections.abc import Mapping
import math
from typing import Any

import numpy as np

from .calibration import CalibrationCounts
from .metrics import BoundaryCounts, ConfusionMatrix
from .. import taxonomies

COUNTS = {
    'frames': 'frames read, broken ones included',
    'inferred': 'frames that the model was run on',
    'labelled': 'frames counted in the accuracy',
    'broken_images': 'frames that could not be decoded',
    'broken_labels': 'labels that could not be read, or of another size than their image',
    'unlabelled': 'frames for which there was no label',
    'duplicate_stamps': 'frames with the stamp of an earlier one; they are not counted again',
    'backward_stamps': 'frames with an earlier stamp than the one before',
    'gaps': 'places where frames are missing, by the stamps',
}


class Sums:
    """
    Pixel counts of frames; two of them can be added.

    ``taxonomy`` is what truth and prediction are counted in; two models are compared in
    ``model_taxonomy``. ``flicker`` is pixels that changed, and pixels compared.
    """

    def __init__(self, taxonomy: str, model_taxonomy: str) -> None:
        self.taxonomy, self.model_taxonomy = taxonomy, model_taxonomy
        classes = len(taxonomies.get(taxonomy).classes)
        self.counts = dict.fromkeys(COUNTS, 0)
        self.confusion = ConfusionMatrix(classes)
        self.boundary = BoundaryCounts(classes)
        self.calibration = CalibrationCounts(classes)
        self.flicker = np.zeros(2, np.int64)
        self.agreement = ConfusionMatrix(len(taxonomies.get(model_taxonomy).classes))

    def add(self, other: 'Sums') -> None:
        """Add the counts of other frames; of pixels only where the taxonomy is the same."""
        for name, count in other.counts.items():
            self.counts[name] += count
        self.flicker += other.flicker
        self.agreement.counts += other.agreement.counts
        if other.taxonomy == self.taxonomy:
            self.confusion.counts += other.confusion.counts
            self.boundary.intersection += other.boundary.intersection
            self.boundary.union += other.boundary.union
            self.calibration.merge(other.calibration)

    def clear_accuracy(self) -> None:
        """Forget what was counted against labels."""
        self.confusion = ConfusionMatrix(self.confusion.num_classes)
        self.boundary = BoundaryCounts(self.boundary.num_classes)
        self.calibration = CalibrationCounts(self.calibration.num_classes)

    def figures(self) -> dict[str, Any]:
        """Return the figures as plain numbers, None where nothing was counted."""
        names = taxonomies.get(self.taxonomy).classes
        changed, compared = (int(value) for value in self.flicker)
        return {
            'miou': _number(self.confusion.mean_iou),
            'pixel_accuracy': _number(self.confusion.pixel_accuracy),
            'boundary_iou': _number(self.boundary.mean_iou),
            'calibration_error': _number(self.calibration.error),
            'flicker': changed / compared if compared else None,
            'agreement': _number(self.agreement.pixel_accuracy),
            'agreement_miou': _number(self.agreement.mean_iou),
            'iou': _by_class(names, self.confusion.iou),
            'boundary_iou_by_class': _by_class(names, self.boundary.iou),
            'calibration': self.calibration.bins() if self.calibration.pixels.any() else None,
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain numbers, from which ``from_json`` makes the same again."""
        return {
            'taxonomy': self.taxonomy,
            'model_taxonomy': self.model_taxonomy,
            'counts': dict(self.counts),
            'confusion': self.confusion.counts.tolist(),
            'boundary_intersection': self.boundary.intersection.tolist(),
            'boundary_union': self.boundary.union.tolist(),
            'calibration_pixels': self.calibration.pixels.tolist(),
            'calibration_right': self.calibration.right.tolist(),
            'calibration_confidence': self.calibration.confidence.tolist(),
            'flicker': self.flicker.tolist(),
            'agreement': self.agreement.counts.tolist(),
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> 'Sums':
        """Make the sums that ``to_json`` described; raises KeyError or ValueError otherwise."""
        sums = Sums(content['taxonomy'], content['model_taxonomy'])
        sums.counts.update(content['counts'])
        sums.confusion.counts[:] = content['confusion']
        sums.boundary.intersection[:] = content['boundary_intersection']
        sums.boundary.union[:] = content['boundary_union']
        sums.calibration.pixels[:] = content['calibration_pixels']
        sums.calibration.right[:] = content['calibration_right']
        sums.calibration.confidence[:] = content['calibration_confidence']
        sums.flicker[:] = content['flicker']
        sums.agreement.counts[:] = content['agreement']
        return sums


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _by_class(names: tuple[str, ...], values: np.ndarray) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(names, values, strict=True)}
