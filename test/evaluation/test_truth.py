"""Labels find their images: by topic and stamp, by name, by number."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation.frames import open_frames, SourceFrame
from sfnet_ros.evaluation.labels import taxonomy_colors
from sfnet_ros.evaluation.truth import FolderLabels, TopicLabels

START_NS, PERIOD_NS = 1_700_000_000 * 10**9, 10**8
COLORS = taxonomy_colors('cityscapes')


def label(value: int) -> np.ndarray:
    return np.full((4, 6), value, np.uint8)


def image(value: int) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


def found(bag: Path, labels: TopicLabels | FolderLabels) -> list[int | None]:
    """Return the first id of every frame's labels."""
    ids = [labels.find(frame, number) for number, frame in enumerate(open_frames(bag, '/image'))]
    return [None if item is None else int(item[0, 0]) for item in ids]


def test_labels_of_a_topic_match_by_stamp_not_by_order(make_bag: Callable[..., Path]) -> None:
    stamps = [START_NS + number * PERIOD_NS for number in range(5)]
    entries = [('/image', stamp, stamp, image(0)) for stamp in stamps]
    # The first label comes before its image, the others late and in disorder; one has no label.
    for number, delay_ns in ((0, -PERIOD_NS), (3, 2 * PERIOD_NS), (1, 9 * PERIOD_NS), (4, 0)):
        entries.append(('/label', stamps[number], stamps[number] + delay_ns, label(number)))
    entries.append(('/label', stamps[4], stamps[4] + 1, label(9)))
    bag = make_bag(sorted(entries, key=lambda entry: entry[2]))
    labels = TopicLabels(bag, '/label', COLORS)
    assert found(bag, labels) == [0, 1, None, 3, 4]
    labels.restart()
    assert found(bag, labels) == [0, 1, None, 3, 4]


def test_without_stamps_the_time_of_recording_counts(make_bag: Callable[..., Path]) -> None:
    times = [START_NS + number * PERIOD_NS for number in range(3)]
    entries = [('/image', 0, time, image(0)) for time in times]
    entries += [('/label', 0, time, label(number)) for number, time in enumerate(times)]
    bag = make_bag(sorted(entries, key=lambda entry: entry[2]))
    assert found(bag, TopicLabels(bag, '/label', COLORS)) == [0, 1, 2]


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['1700000000.100000000', '1700000000.000000000'], [1, 0]),
        (['1700000000_000000000', '1700000000-100000000'], [0, 1]),
        (['1700000000100000000'], [None, 0]),
        (['000001', '000000'], [1, 0]),
        (['1', 'readme'], [None, 0]),
    ],
)
def test_files_match_by_stamp_or_number(
    tmp_path: Path,
    make_bag: Callable[..., Path],
    names: list[str],
    expected: list[int | None],
) -> None:
    stamps = [START_NS, START_NS + PERIOD_NS]
    bag = make_bag([('/image', stamp, stamp, image(0)) for stamp in stamps])
    (tmp_path / 'labels').mkdir()
    for number, name in enumerate(names):
        cv2.imwrite(str(tmp_path / 'labels' / f'{name}.png'), label(number))
    assert found(bag, FolderLabels(tmp_path / 'labels', COLORS)) == expected


def test_files_match_pictures_by_name_only(tmp_path: Path) -> None:
    for number, name in enumerate(('b', '000000')):
        cv2.imwrite(str(tmp_path / f'{name}.png'), label(number))
    labels = FolderLabels(tmp_path, COLORS)
    frames = [
        SourceFrame(0, None, '', np.zeros(0, np.uint8), 'png', name=name) for name in ('a', 'b')
    ]
    assert labels.find(frames[0], 0) is None
    assert np.array_equal(labels.find(frames[1], 1), label(0))


def test_folders_without_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='holds no label files; expected PNG files'):
        FolderLabels(tmp_path, COLORS)
    with pytest.raises(DataError, match='is no folder'):
        FolderLabels(tmp_path / 'nothing', COLORS)
