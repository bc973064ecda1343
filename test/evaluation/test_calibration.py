"""The calibration error against scikit-learn, and by hand."""

import numpy as np
import pytest
from sfnet_ros.evaluation.calibration import BINS, CalibrationCounts
from sfnet_ros.evaluation.sums import Sums
from sklearn.calibration import calibration_curve


def frames(count: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return frames of a model that is too sure: truth, ids and confidence, some unlabelled."""
    rng = np.random.default_rng(4)
    result = []
    for _ in range(count):
        confidence = rng.integers(0, 256, (41, 67)).astype(np.uint8)
        predicted = rng.integers(0, 5, confidence.shape).astype(np.uint8)
        hit = rng.random(confidence.shape) < (confidence / 255) ** 2
        truth = np.where(hit, predicted, (predicted + 1) % 5).astype(np.uint8)
        predicted[:3], truth[-4:] = 255, 255
        result.append((truth, predicted, confidence))
    return result


def counted(chosen: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> CalibrationCounts:
    counts = CalibrationCounts(5)
    for frame in chosen:
        counts.add(*frame)
    return counts


def test_the_error_is_that_of_scikit_learn() -> None:
    chosen = frames(3)
    truth, predicted, confidence = (
        np.concatenate([frame[part].ravel() for frame in chosen]) for part in range(3)
    )
    known = truth < 5
    right, sure = (truth == predicted)[known], confidence[known] / 255
    shares, means = calibration_curve(right, sure, n_bins=BINS)
    # Every bin is filled, so that their sizes can be told without scikit-learn's help.
    sizes = np.histogram(-sure, -np.linspace(0, 1, BINS + 1)[::-1])[0][::-1]
    assert len(shares) == BINS
    counts = counted(chosen)
    assert counts.error == pytest.approx(
        np.sum(sizes * abs(shares - means)) / sizes.sum(), abs=1e-9
    )
    assert counts.error > 0.05
    bins = counts.bins()
    assert [item['accuracy'] for item in bins] == pytest.approx(shares, abs=1e-12)
    assert [item['confidence'] for item in bins] == pytest.approx(means, abs=1e-12)
    assert sum(item['pixels'] for item in bins) == known.sum()


@pytest.mark.parametrize(
    ('confidence', 'number'),
    [(0, 0), (17, 0), (18, 1), (34, 1), (35, 2), (238, 13), (239, 14), (255, 14)],
)
def test_an_edge_belongs_to_the_bin_below(confidence: int, number: int) -> None:
    counts = CalibrationCounts(1)
    counts.add(*(np.full((2, 3), value, np.uint8) for value in (0, 0, confidence)))
    assert counts.pixels.tolist() == [6 if index == number else 0 for index in range(BINS)]
    assert counts.error == pytest.approx(1 - confidence / 255)


def test_parts_add_up_through_json() -> None:
    chosen = frames(3)
    parts = [Sums('camvid', 'cityscapes') for _ in range(2)]
    for part, frames_of_part in zip(parts, (chosen[:1], chosen[1:]), strict=True):
        for frame in frames_of_part:
            part.calibration.add(*frame)
    total = Sums('camvid', 'cityscapes')
    for part in parts:
        total.add(Sums.from_json(part.to_json()))
    whole = CalibrationCounts(11)
    for frame in chosen:
        whole.add(*frame)
    assert total.figures()['calibration'] == whole.bins()
    assert total.figures()['calibration_error'] == whole.error
    total.clear_accuracy()
    assert total.figures()['calibration'] is total.figures()['calibration_error'] is None
