"""Training crops: image and labels stay together, the index alone decides."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from sfnet_ros.errors import DataError
from sfnet_ros.training.config import Recipe, Source
from sfnet_ros.training.samples import COARSE_OFFSET, label_table, random_crop, TrainingSamples
import torch


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write four images whose colour tells the label."""
    for folder in ('images', 'labels'):
        (tmp_path / 'mine' / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(4):
        labels = np.repeat(np.repeat(rng.integers(0, 19, (6, 8)), 10, 0), 10, 1).astype(np.uint8)
        image = np.stack((labels * 12, 255 - labels * 12, labels * 12), axis=-1)
        cv2.imwrite(str(tmp_path / 'mine' / 'images' / f'{index}.png'), image)
        cv2.imwrite(str(tmp_path / 'mine' / 'labels' / f'{index}.png'), labels)
    return tmp_path


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        name='small',
        network='sfnet_lite',
        backbone='stdc1',
        sources=(Source('folder', 'mine', ''),),
        crop_height=32,
        crop_width=48,
        batch=2,
        steps=5,
    )


def test_an_index_always_gives_the_same_crop(data: Path, recipe: Recipe) -> None:
    first, second = TrainingSamples(recipe, data), TrainingSamples(recipe, data)
    assert len(first) == 10
    backwards = {index: second[index] for index in reversed(range(10))}
    for index in range(10):
        for one, other in zip(first[index], backwards[index], strict=True):
            assert torch.equal(one, other)
    assert not torch.equal(first[0][0], first[1][0])


def test_crops_have_the_shape_and_type_of_the_network(data: Path, recipe: Recipe) -> None:
    image, labels = TrainingSamples(recipe, data)[3]
    assert (image.shape, image.dtype) == ((3, 32, 48), torch.float32)
    assert (labels.shape, labels.dtype) == ((32, 48), torch.int64)
    assert set(labels.unique().tolist()) <= {*range(19), 255}


@pytest.mark.parametrize('scale', [(0.3, 0.3), (1, 1), (3, 3)])
def test_labels_follow_the_image(scale: tuple[float, float]) -> None:
    """Away from edges the colour of a pixel is that of its label, whatever the scale."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.repeat(rng.integers(0, 19, (6, 8)), 40, 0), 40, 1).astype(np.uint8)
    image = np.repeat(labels[..., None] * 12, 3, 2)
    crop, cropped = random_crop(image, labels, (96, 128), scale, 1.3, rng)
    assert crop.shape == (96, 128, 3)
    known = cropped != 255
    right = np.abs(crop[..., 0].astype(int) - cropped.astype(int) * 12) < 6
    assert right[known].mean() > 0.85
    if scale[0] < 0.5:
        assert not known.all()
    else:
        assert known.all()


def test_coarse_labels_are_kept_apart() -> None:
    table = label_table('idd_lite', 'cityscapes')
    assert table[:7].tolist() == [COARSE_OFFSET + k for k in range(7)]
    assert set(table[7:]) == {255}
    assert label_table('camvid', 'cityscapes')[3] == 0


def test_labels_of_another_size_are_refused(data: Path, recipe: Recipe) -> None:
    cv2.imwrite(str(data / 'mine' / 'labels' / '0.png'), np.zeros((5, 5), np.uint8))
    samples = TrainingSamples(recipe, data)
    with pytest.raises(DataError, match=r'0.png is \(5, 5\), its image \(60, 80\)'):
        for index in range(len(samples)):
            samples[index]
