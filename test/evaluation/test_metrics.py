"""Figures against counts made by hand, class by class."""

import cv2
import numpy as np
import pytest
from sfnet_ros.evaluation.metrics import BOUNDARY_RATIO, BoundaryCounts, ConfusionMatrix
from sfnet_ros.scenes import Street
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score


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


def random_frames() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(1)
    ids = [*range(14), 255]
    return [
        (np.uint8(rng.choice(ids, (61, 83))), np.uint8(rng.choice(ids[:-1], (61, 83))))
        for _ in range(3)
    ]


def street_frames() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return labels of a rendered street, and the same a little later as the prediction."""
    street = Street(3)
    labels = [street.render(120, 200, time_s).labels for time_s in (0, 0.4, 5, 5.4)]
    # What is no class cannot be predicted by the models that we compare with.
    return [(labels[0], labels[1] % 19), (labels[2], labels[3] % 19)]


@pytest.mark.parametrize('frames', [random_frames(), street_frames()])
def test_figures_are_those_of_scikit_learn(frames: list[tuple[np.ndarray, np.ndarray]]) -> None:
    matrix = ConfusionMatrix(19)
    for truth, predicted in frames:
        matrix.add(truth, predicted)
    truth, predicted = (np.concatenate([pair[i].ravel() for pair in frames]) for i in range(2))
    truth, predicted = truth[truth < 19], predicted[truth < 19]
    expected = confusion_matrix(truth, predicted, labels=range(19))
    assert np.array_equal(matrix.counts[:, :19], expected)
    iou = jaccard_score(truth, predicted, labels=range(19), average=None, zero_division=0)
    occurs = np.union1d(truth, predicted)
    assert matrix.iou[occurs] == pytest.approx(iou[occurs], abs=1e-6)
    assert np.isnan(np.delete(matrix.iou, occurs)).all()
    assert matrix.mean_iou == pytest.approx(iou[occurs].mean(), abs=1e-6)
    assert matrix.pixel_accuracy == pytest.approx(accuracy_score(truth, predicted), abs=1e-6)


def boundary_by_erosion(mask: np.ndarray) -> np.ndarray:
    """Return the boundary as the paper defines it: what erosion takes off a mask."""
    distance = max(1, round(BOUNDARY_RATIO * np.hypot(*mask.shape)))
    padded = cv2.copyMakeBorder(np.uint8(mask), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)
    return mask & (eroded[1:-1, 1:-1] == 0)


@pytest.mark.parametrize('scale', [1, 6])
def test_boundary_iou_is_that_of_eroded_masks(scale: int) -> None:
    # Enlarged, the boundary is three pixels wide.
    pairs = [[ids.repeat(scale, 0).repeat(scale, 1) for ids in pair] for pair in street_frames()]
    counts = BoundaryCounts(19)
    intersection, union = np.zeros(19), np.zeros(19)
    for truth, predicted in pairs:
        counts.add(truth, predicted)
        predicted = np.where(truth < 19, predicted, 255)
        for class_id in range(19):
            true = boundary_by_erosion(truth == class_id)
            guessed = boundary_by_erosion(predicted == class_id)
            intersection[class_id] += (true & guessed).sum()
            union[class_id] += (true | guessed).sum()
    assert counts.intersection.tolist() == intersection.tolist()
    assert counts.union.tolist() == union.tolist()
    assert 0 < counts.mean_iou < 1
    occurs = union > 0
    assert counts.iou[occurs] == pytest.approx(intersection[occurs] / union[occurs], abs=1e-12)


def test_boundaries_of_nothing_are_nan() -> None:
    counts = BoundaryCounts(2)
    assert np.isnan(counts.mean_iou)
    counts.add(np.full((4, 4), 255, np.uint8), np.zeros((4, 4), np.uint8))
    assert np.isnan(counts.iou).all()
