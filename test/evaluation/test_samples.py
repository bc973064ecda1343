"""Sources of every kind as one stream, with what is broken in them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sfnet_ros import taxonomies
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation.samples import open_source, SourceSpec

START_NS, PERIOD_NS = 1_700_000_000 * 10**9, 10**8
LABELS = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64) % 19


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if picture.ndim == 3:
        picture = picture[..., ::-1]
    assert cv2.imwrite(str(path), picture)


def test_bags_give_images_stamps_and_truth(
    make_bag: Callable[..., Path], images: list[np.ndarray]
) -> None:
    entries = []
    for number, image in enumerate(images):
        stamp = START_NS + number * PERIOD_NS
        entries.append(('/image', stamp, stamp + 7, image))
        if number != 2:
            entries.append(('/label', stamp, stamp + 8, (LABELS + number) % 19))
    bag = make_bag(entries)
    source = open_source(SourceSpec(str(bag), label_topic='/label', limit=4))
    assert (source.kind, source.topic, source.labels) == ('bag', '/image', '/label')
    assert source.taxonomies == ('cityscapes',)
    samples = list(source)
    assert len(samples) == len(source) == 4
    for number, sample in enumerate(samples):
        assert np.array_equal(sample.image, images[number])
        assert sample.stamp_ns == START_NS + number * PERIOD_NS
        assert sample.time_ns == sample.stamp_ns + 7
        assert (sample.image_problem, sample.label_problem) == ('', '')
    assert samples[2].truth is None
    assert np.array_equal(samples[3].truth, (LABELS + 3) % 19)


def test_broken_messages_are_problems_and_not_the_end(
    make_bag: Callable[..., Path], images: list[np.ndarray]
) -> None:
    whole = cv2.imencode('.png', images[0])[1].tobytes()
    stamps = [START_NS + number * PERIOD_NS for number in range(3)]
    entries = [('/image', stamps[0], stamps[0], whole)]
    entries.append(('/image', stamps[1], stamps[1], whole[:40]))
    entries.append(('/image', stamps[2], stamps[2], whole))
    entries.append(('/label', stamps[0], stamps[2], b'no picture'))
    spec = SourceSpec(str(make_bag(entries)), label_topic='/label')
    samples = list(open_source(spec))
    assert [sample.image is None for sample in samples] == [False, True, False]
    assert 'cannot be decoded' in samples[1].image_problem
    assert samples[0].label_problem == 'the label is no image that OpenCV can read'
    assert samples[0].truth is None


def test_images_and_labels_for_them(tmp_path: Path, images: list[np.ndarray]) -> None:
    for number, image in enumerate(images[:2]):
        write(tmp_path / 'in' / f'x{number}.png', image)
    write(tmp_path / 'truth' / 'x1.png', taxonomies.get('cityscapes').colorize(LABELS))
    (tmp_path / 'in' / 'x2.png').write_bytes(b'')
    spec = SourceSpec(str(tmp_path / 'in'), labels=str(tmp_path / 'truth'))
    samples = list(open_source(spec))
    assert [sample.name for sample in samples] == ['x0', 'x1', 'x2']
    assert samples[0].truth is None
    assert np.array_equal(samples[1].truth, LABELS)
    assert samples[2].image is None
    assert samples[2].image_problem


def test_videos_take_labels_by_number(tmp_path: Path, images: list[np.ndarray]) -> None:
    path = str(tmp_path / 'a.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 20, (64, 48))
    for image in images:
        writer.write(image)
    writer.release()
    write(tmp_path / 'truth' / '000004.png', LABELS)
    samples = list(open_source(SourceSpec(path, labels=str(tmp_path / 'truth'))))
    assert [sample.truth is not None for sample in samples] == [False] * 4 + [True, False]
    assert samples[1].time_ns == 50_000_000
    with pytest.raises(DataError, match='is no bag and has no topic /label; give --labels'):
        open_source(SourceSpec(path, label_topic='/label'))


# Layout, split found by itself, image file, label file, taxonomy of the labels.
LAYOUTS = [
    ('bdd', 'val', 'images/10k/val/a.jpg', 'labels/sem_seg/masks/val/a.png', 'bdd'),
    ('bdd', 'train', 'images/train/a.jpg', 'labels/train/a_train_id.png', 'bdd'),
    ('camvid', 'val', 'val/a.png', 'valannot/a.png', 'camvid'),
    ('camvid_full', 'val', 'val/a.png', 'val_labels/a_L.png', 'camvid'),
    ('camvid_full', '', '701_StillsRaw_full/a.png', 'LabeledApproved_full/a_L.png', 'camvid'),
    (
        'cityscapes',
        'val',
        'leftImg8bit/val/ulm/a_leftImg8bit.png',
        'gtFine/val/ulm/a_gtFine_labelIds.png',
        'cityscapes_ids',
    ),
    ('folder', '', 'images/a.jpg', 'labels/a.png', 'cityscapes'),
    (
        'idd',
        'val',
        'leftImg8bit/val/7/a_leftImg8bit.jpg',
        'gtFine/val/7/a_gtFine_labelids.png',
        'idd',
    ),
    ('idd_lite', 'val', 'leftImg8bit/val/7/1_image.jpg', 'gtFine/val/7/1_label.png', 'idd_lite'),
    ('kitti', 'training', 'training/image_2/a.png', 'training/semantic/a.png', 'cityscapes_ids'),
    ('mapillary', 'val', 'validation/images/a.jpg', 'validation/labels/a.png', 'mapillary'),
    ('mapillary', 'val', 'validation/images/a.jpg', 'validation/v1.2/labels/a.png', 'mapillary'),
    ('sequences', 'val', 's0/a.jpg', 's0_pseudo_trainIds/a.png', 'cityscapes'),
    (
        'uds',
        'val',
        'mapillary/validation/images/a.jpg',
        'mapillary/validation/labels/a.png',
        'mapillary',
    ),
]


@pytest.mark.parametrize(('layout', 'split', 'image', 'labels', 'taxonomy'), LAYOUTS)
def test_layouts_are_found_out(
    tmp_path: Path, layout: str, split: str, image: str, labels: str, taxonomy: str
) -> None:
    write(tmp_path / image, np.zeros((48, 64, 3), np.uint8))
    write(tmp_path / labels, LABELS)
    source = open_source(SourceSpec(str(tmp_path)))
    assert source.kind == 'dataset'
    assert source.labels == f'{layout} {split}'.strip()
    (sample,) = source
    assert sample.name == image
    assert sample.taxonomy == taxonomy
    assert np.array_equal(sample.truth, LABELS)


def test_missing_and_damaged_labels_of_a_data_set(
    tmp_path: Path, images: list[np.ndarray]
) -> None:
    for name in 'abc':
        write(tmp_path / 'images' / f'{name}.png', images[0])
    write(tmp_path / 'labels' / 'a.png', LABELS)
    (tmp_path / 'labels' / 'b.png').write_bytes(b'nothing')
    (tmp_path / 'images' / 'c.png').write_bytes(b'nothing')
    samples = list(open_source(SourceSpec(str(tmp_path), layout='folder')))
    assert [sample.truth is None for sample in samples] == [False, True, True]
    assert [sample.image is None for sample in samples] == [False, False, True]
    assert [bool(sample.image_problem) for sample in samples] == [False, False, True]
    assert [bool(sample.label_problem) for sample in samples] == [False, True, True]


def test_images_cannot_be_their_own_labels(make_bag: Callable[..., Path]) -> None:
    bag = make_bag([('/label', START_NS, START_NS, LABELS)])
    with pytest.raises(DataError, match='/label would be images and labels at once'):
        open_source(SourceSpec(str(bag), label_topic='/label'))


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='does not exist'):
        open_source(SourceSpec(str(tmp_path / 'nothing')))
    with pytest.raises(DataError, match="no data set with labels for the split 'val'; name"):
        open_source(SourceSpec(str(tmp_path), split='val'))
    with pytest.raises(DataError, match='holds neither a bag nor images'):
        open_source(SourceSpec(str(tmp_path)))
