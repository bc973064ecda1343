"""Accuracy of a model on files: the same as inferring and counting by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from sfnet_ros import inference, taxonomies
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation.accuracy import measure, summary
from sfnet_ros.evaluation.layouts import LabelledFile


@pytest.fixture
def backend(model_folder: Path) -> inference.Backend:
    return inference.load(str(model_folder))


def test_labels_of_the_model_itself_are_all_right(
    backend: inference.Backend, tmp_path: Path, picture: np.ndarray
) -> None:
    cv2.imwrite(str(tmp_path / 'image.png'), picture[..., ::-1])
    ids = backend.infer(picture[None])[0]
    for taxonomy in ('cityscapes', 'camvid'):
        table = taxonomies.conversion('cityscapes', taxonomy)
        painted = taxonomies.get(taxonomy).colorize(table[ids])
        for labels in (table[ids], painted[..., ::-1]):
            cv2.imwrite(str(tmp_path / 'labels.png'), labels)
            pair = LabelledFile(tmp_path / 'image.png', tmp_path / 'labels.png', taxonomy)
            result = summary(measure(backend, [pair]), taxonomy)
            assert result['miou'] == result['pixel_accuracy'] == 1
            assert len(result['iou']) == len(np.unique(table[ids]))


def test_other_sizes_and_nothing_are_refused(
    backend: inference.Backend, tmp_path: Path, picture: np.ndarray
) -> None:
    cv2.imwrite(str(tmp_path / 'image.png'), picture)
    cv2.imwrite(str(tmp_path / 'labels.png'), picture[:5, :5, 0])
    pair = LabelledFile(tmp_path / 'image.png', tmp_path / 'labels.png', 'cityscapes')
    with pytest.raises(DataError, match=r'labels.png is \(5, 5\), its image \(359, 641\)'):
        measure(backend, [pair])
    with pytest.raises(DataError, match='no labelled images'):
        measure(backend, [])
