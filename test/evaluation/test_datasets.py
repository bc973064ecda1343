"""Layouts on disk: what is found, and what is missing is named."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation.datasets import list_pairs, read_image, read_labels

# Layout, split, image file, label file, taxonomy of the labels.
LAYOUTS = [
    ('camvid', 'val', 'val/a.jpg', 'valannot/a.png', 'camvid'),
    ('camvid19', 'val', 'val/a.png', 'valannot19/a.png', 'cityscapes'),
    (
        'cityscapes',
        'train',
        'leftImg8bit/train/ulm/ulm_0_leftImg8bit.png',
        'gtFine/train/ulm/ulm_0_gtFine_labelTrainIds.png',
        'cityscapes',
    ),
    (
        'idd_lite',
        'val',
        'leftImg8bit/val/7/1_image.jpg',
        'gtFine/val/7/1_label.png',
        'idd_lite',
    ),
    (
        'cityscapes_coarse',
        'train_extra',
        'leftImg8bit/train_extra/a/a_leftImg8bit.png',
        'gtCoarse/train_extra/a/a_gtCoarse_labelIds.png',
        'cityscapes_ids',
    ),
    ('sequences', '', 's0/x.jpg', 's0_pseudo_trainIds/x.png', 'cityscapes'),
    ('folder', '', 'images/x.jpg', 'labels/x.png', 'cityscapes'),
    ('folder', '', 'images/x.jpg', 'masks/x.png', 'cityscapes'),
    ('folder', 'train', 'train/images/x.jpg', 'train/labels/x.png', 'cityscapes'),
]


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.mark.parametrize(('layout', 'split', 'image', 'labels', 'taxonomy'), LAYOUTS)
def test_pairs_are_found(
    tmp_path: Path, layout: str, split: str, image: str, labels: str, taxonomy: str
) -> None:
    write(tmp_path / image, np.zeros((4, 6, 3), np.uint8))
    write(tmp_path / labels, np.zeros((4, 6), np.uint8))
    (pair,) = list_pairs(layout, tmp_path, split)
    assert (pair.image, pair.labels) == (tmp_path / image, tmp_path / labels)
    assert pair.taxonomy == taxonomy


def test_unknown_layouts_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="layout is 'voc'; expected one of bdd"):
        list_pairs('voc', tmp_path, 'train')
    with pytest.raises(DataError, match="no images found under .* for split 'val'"):
        list_pairs('camvid', tmp_path, 'val')
    with pytest.raises(DataError, match='nothing is no folder'):
        list_pairs('camvid', tmp_path / 'nothing', 'val')


def test_what_is_there_and_what_should_be_is_told(tmp_path: Path) -> None:
    for name in ('data/imgs/a.tif', 'data/imgs/b.tif', 'data/masks/a.png', 'data/notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DataError) as caught:
        list_pairs('folder', tmp_path / 'data', '')
    told = str(caught.value)
    assert 'data, which holds imgs/ (2 files such as a.tif), masks/ (a.png), notes.txt;' in told
    assert 'folder: images/* with labels/*.png or masks/*.png, or <split>/images/* with' in told
    assert told.endswith('(images may be .jpg, .jpeg, .png, .bmp, .webp)')


def test_folders_that_cannot_be_looked_into_are_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, who may look everywhere: the refusal is made here."""
    (tmp_path / 'lost+found').mkdir()
    entries = Path.iterdir

    def refusing(path: Path) -> Iterator[Path]:
        if path.name == 'lost+found':
            raise PermissionError(13, 'Permission denied')
        return entries(path)

    monkeypatch.setattr(Path, 'iterdir', refusing)
    with pytest.raises(DataError, match=r'which holds lost\+found/ \(Permission denied\);'):
        list_pairs('folder', tmp_path, '')


@pytest.mark.parametrize(
    ('layout', 'expected'),
    [
        ('folder', 'val/images/* with val/labels/*.png or val/masks/*.png'),
        ('mapillary', 'validation/images/* with validation/v1.2/labels/*.png or validation/l'),
        ('cityscapes_coarse', 'leftImg8bit/val/*/*_leftImg8bit.* with gtCoarse/val/*/*_gtCoarse_'),
    ],
)
def test_what_is_expected_is_that_of_the_split(layout: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / 'val' / 'x').mkdir(parents=True)
    with pytest.raises(DataError, match=r"split 'val', which holds val/ \(x/\); ") as caught:
        list_pairs(layout, tmp_path, 'val')
    assert f'expected the layout {layout}: {expected}' in str(caught.value)


def test_images_are_rgb_and_labels_are_ids(tmp_path: Path) -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    write(tmp_path / 'image.png', bgr)
    write(tmp_path / 'labels.png', bgr[..., 0])
    assert np.array_equal(read_image(tmp_path / 'image.png'), bgr[..., ::-1])
    assert np.array_equal(read_labels(tmp_path / 'labels.png'), bgr[..., 0])
    with pytest.raises(DataError, match='expected one 8-bit channel of ids'):
        read_labels(tmp_path / 'image.png')
    for read in (read_image, read_labels):
        with pytest.raises(DataError, match='is no image that OpenCV can read'):
            read(tmp_path / 'nothing.png')
