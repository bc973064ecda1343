"""Accuracy of a loaded model on labelled files."""

from collections.abc import Iterable

import numpy as np

from .datasets import read_image, read_labels
from .labels import taxonomy_colors
from .layouts import LabelledFile
from .metrics import ConfusionMatrix
from .. import taxonomies
from ..errors import DataError
from ..inference import Backend


def measure(backend: Backend, pairs: Iterable[LabelledFile]) -> ConfusionMatrix:
    """
    Infer every image and count its pixels, in the taxonomy of the labels.

    Labels are ids, or masks in the colours of their taxonomy.

    :raises DataError: when a label file has another size than its image.
    """
    matrix: ConfusionMatrix | None = None
    for pair in pairs:
        image = read_image(pair.image)
        truth = read_labels(pair.labels, taxonomy_colors(pair.taxonomy))
        if image.shape[:2] != truth.shape:
            raise DataError(
                f'{pair.labels} is {truth.shape}, its image {image.shape[:2]}; expected one size'
            )
        table = taxonomies.conversion(backend.facts.taxonomy, pair.taxonomy)
        if matrix is None:
            matrix = ConfusionMatrix(len(taxonomies.get(pair.taxonomy).classes))
        matrix.add(truth, table[backend.infer(image[None])[0]])
    if matrix is None:
        raise DataError('no labelled images were given; expected at least one')
    return matrix


def summary(matrix: ConfusionMatrix, taxonomy: str) -> dict:
    """Return mIoU, pixel accuracy and IoU by class as plain numbers, rounded to four digits."""
    names = taxonomies.get(taxonomy).classes
    return {
        'miou': round(matrix.mean_iou, 4),
        'pixel_accuracy': round(matrix.pixel_accuracy, 4),
        'iou': {
            name: round(float(value), 4)
            for name, value in zip(names, matrix.iou, strict=True)
            if np.isfinite(value)
        },
    }
