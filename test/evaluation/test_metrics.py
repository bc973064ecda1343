"""Figures against counts made by hand, class by class."""

import numpy as np
import pytest

from sfnet_ros.evaluation.metrics import ConfusionMatrix


def test_figures_are_those_of_plain_counting() -> None:
    rng = np.random.default_rng(0)
    frames = [(rng.integers(0, 7, (37, 53)), rng.integers(0, 7, (37, 53))) for _ in range(3)]
    matrix = ConfusionMatrix(5)
    for truth, predicted in frames:
        matrix.add(np.uint8(truth), np.uint8(predicted))
    truth = np.concatenate([frame[0].ravel() for frame in frames])
    predicted = np.concatenate([frame[1].ravel() for frame in frames])
    predicted, truth = predicted[truth < 5], truth[truth < 5]
    iou = [
        np.sum((truth == c) & (predicted == c)) / np.sum((truth == c) | (predicted == c))
        for c in range(5)
    ]
    assert matrix.iou == pytest.approx(iou, abs=1e-12)
    assert matrix.mean_iou == pytest.approx(np.mean(iou), abs=1e-12)
    assert matrix.pixel_accuracy == pytest.approx(np.mean(truth == predicted), abs=1e-12)


def test_absent_classes_do_not_count() -> None:
    matrix = ConfusionMatrix(3)
    matrix.add(np.uint8([[0, 0, 1, 255]]), np.uint8([[0, 0, 1, 2]]))
    assert np.isnan(matrix.iou[2])
    assert matrix.mean_iou == 1


def test_pixels_predicted_as_no_class_are_wrong() -> None:
    matrix = ConfusionMatrix(2)
    matrix.add(np.uint8([0, 0, 1, 1]), np.uint8([0, 255, 1, 1]))
    assert matrix.iou.tolist() == [0.5, 1.0]
    assert matrix.pixel_accuracy == 0.75


def test_nothing_counted_is_nan() -> None:
    matrix = ConfusionMatrix(2)
    assert np.isnan(matrix.mean_iou)
    assert np.isnan(matrix.pixel_accuracy)


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match=r'truth is \(2,\), predicted \(3,\)'):
        ConfusionMatrix(2).add(np.zeros(2, np.uint8), np.zeros(3, np.uint8))
