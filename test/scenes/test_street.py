"""Whole streets: repeatable, rightly labelled, right in perspective, and like a video."""

import numpy as np
import pytest
from sfnet_ros.scenes import Frame, Street
from sfnet_ros.scenes.labels import (
    BICYCLE,
    BUILDING,
    CAR,
    PERSON,
    ROAD,
    SIDEWALK,
    SKY,
    TRAIN,
    UNLABELLED,
    VEGETATION,
)

SEEDS = range(28)
HEIGHT, WIDTH = 180, 320


@pytest.fixture(scope='module')
def drives() -> list[list[Frame]]:
    """Return three frames of each of many streets: two 0.1 s apart and a later one."""
    return [
        [street.render(HEIGHT, WIDTH, time_s) for time_s in (2.0, 2.1, 7.0)]
        for street in map(Street, SEEDS)
    ]


@pytest.fixture(scope='module')
def shares(drives: list[list[Frame]]) -> np.ndarray:
    """Return the share of each id, 256 float64, over all frames."""
    labels = np.stack([frame.labels for drive in drives for frame in drive])
    return np.bincount(labels.ravel(), minlength=256) / labels.size


def test_a_seed_gives_the_same_frame_again() -> None:
    first, second = (Street(11).render(90, 160, 1.5) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)


def test_a_frame_does_not_depend_on_the_frames_before_it() -> None:
    street = Street(12)
    for time_s in (9.0, 0.0, 4.0):
        street.render(120, 200, time_s)
    later, fresh = street.render(90, 160, 2.5), Street(12).render(90, 160, 2.5)
    np.testing.assert_array_equal(later.image, fresh.image)
    np.testing.assert_array_equal(later.labels, fresh.labels)


def test_seeds_give_different_streets(drives: list[list[Frame]]) -> None:
    labels = [drive[0].labels for drive in drives]
    agreement = [float((a == b).mean()) for a, b in zip(labels, labels[1:], strict=False)]
    assert max(agreement) < 0.9


@pytest.mark.parametrize(
    ('height', 'width'),
    [(360, 640), (359, 641), (97, 33), (33, 97), (8, 8), (512, 1024)],
)
def test_any_size(height: int, width: int) -> None:
    frame = Street(3).render(height, width)
    assert frame.image.shape == (height, width, 3)
    assert frame.labels.shape == (height, width)
    assert frame.image.dtype == frame.labels.dtype == np.uint8
    assert ROAD in frame.labels


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match=r'seed of a street is -4; give an integer from 0'):
        Street(-4)


def test_a_tiny_frame_is_refused() -> None:
    with pytest.raises(ValueError, match=r'7 x 640 pixels is too small; 8 x 8 is least'):
        Street(3).render(7, 640)


def test_sizes_show_the_same_view() -> None:
    street = Street(5)
    small, large = street.render(180, 320, 1.0), street.render(540, 960, 1.0)
    assert (small.labels == large.labels[1::3, 1::3]).mean() > 0.93
    difference = small.image.astype(float) - large.image[1::3, 1::3]
    assert np.abs(difference).mean() < 16


def test_labels_are_train_ids(shares: np.ndarray) -> None:
    used = set(np.flatnonzero(shares).tolist())
    assert used <= {*range(19), UNLABELLED}


def test_every_class_occurs(shares: np.ndarray) -> None:
    assert set(np.flatnonzero(shares[:19]).tolist()) == set(range(19))
    assert shares[UNLABELLED] > 0


@pytest.mark.parametrize(
    ('class_id', 'low', 'high'),
    [
        (ROAD, 0.24, 0.42),
        (SIDEWALK, 0.025, 0.10),
        (BUILDING, 0.13, 0.32),
        (VEGETATION, 0.04, 0.20),
        (SKY, 0.08, 0.24),
        (PERSON, 0.002, 0.03),
        (CAR, 0.03, 0.12),
        (TRAIN, 0.0, 0.04),
        (BICYCLE, 0.0003, 0.02),
        (UNLABELLED, 0.001, 0.05),
    ],
)
def test_class_frequency(shares: np.ndarray, class_id: int, low: float, high: float) -> None:
    assert low < shares[class_id] < high


def test_sky_is_above_and_road_below(drives: list[list[Frame]]) -> None:
    road = []
    for frame in (frame for drive in drives for frame in drive):
        assert SKY not in frame.labels[int(HEIGHT * 0.64) :]
        assert ROAD not in frame.labels[: int(HEIGHT * 0.3)]
        ahead = frame.labels[int(HEIGHT * 0.78) : int(HEIGHT * 0.88), WIDTH // 2]
        road.append(float((ahead == ROAD).mean()))
    assert np.mean(road) > 0.8


def test_frames_follow_each_other_like_a_video(drives: list[list[Frame]]) -> None:
    soon = [float((drive[0].labels == drive[1].labels).mean()) for drive in drives]
    late = [float((drive[0].labels == drive[2].labels).mean()) for drive in drives]
    assert np.mean(soon) > 0.88
    assert min(soon) > 0.7
    assert np.mean(late) < np.mean(soon) - 0.08


@pytest.mark.parametrize('shift', [(4, 0), (-4, 0), (0, 4), (0, -4)])
def test_label_edges_lie_on_edges_of_the_picture(
    drives: list[list[Frame]], shift: tuple[int, int]
) -> None:
    def contrast(frame: Frame, labels: np.ndarray) -> float:
        """Return the mean step of the picture, in grey levels, where the label changes."""
        grey = frame.image.astype(float).mean(axis=2)
        across, down = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
        steps = [across[np.diff(labels, axis=1) != 0], down[np.diff(labels, axis=0) != 0]]
        return float(np.concatenate(steps).mean())

    for drive in drives[::4]:
        frame = drive[0]
        moved = np.roll(frame.labels, shift, axis=(0, 1))
        assert contrast(frame, frame.labels) > 1.3 * contrast(frame, moved)
