"""What is broken is told at once, before the first step; where classes are is found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from sfnet_ros import taxonomies
from sfnet_ros.errors import DataError
from sfnet_ros.training.config import Recipe, Source
from sfnet_ros.training.survey import class_centres, survey
from sfnet_ros.training.train import train


def test_all_that_is_broken_is_told_at_once(
    streets: Callable[..., Path], recipe: Recipe, tmp_path: Path
) -> None:
    data = streets(9)
    images, labels = data / 'images', data / 'labels'
    (labels / '0.png').unlink()
    (labels / '1.png').unlink()
    (images / '2.png').write_bytes((images / '2.png').read_bytes()[:-900])
    jpeg = cv2.imencode('.jpg', np.zeros((96, 160, 3), np.uint8))[1].tobytes()
    (images / '3.png').write_bytes(jpeg[:-100])
    (labels / '4.png').write_bytes(b'')
    cv2.imwrite(str(labels / '5.png'), np.zeros((5, 5), np.uint8))
    cv2.imwrite(str(labels / '6.png'), np.full((96, 160), 77, np.uint8))
    cv2.imwrite(str(labels / '7.png'), np.full((96, 160), 1000, np.uint16))
    with pytest.raises(DataError) as caught:
        train(replace(recipe, validation=()), data, tmp_path / 'run')
    lines = str(caught.value).splitlines()
    assert lines[0] == '8 of 9 files cannot be trained on:'
    assert f'  2 label files missing: {labels}/0.png; {labels}/1.png' in lines
    assert f'  2 images unreadable: {images}/2.png; {images}/3.png' in lines
    assert (
        '  1 label files of another size than their image: '
        f'{labels}/5.png is (5, 5), its image (96, 160)'
    ) in lines
    assert (
        '  1 label files with ids out of range (expected of cityscapes: 0..18 and 255): '
        f'{labels}/6.png has 77'
    ) in lines
    unreadable = next(line for line in lines if 'label files unreadable' in line)
    assert f'{labels}/4.png is no image' in unreadable
    assert f'{labels}/7.png is uint16' in unreadable
    assert not (tmp_path / 'run' / 'log.csv').exists()


def test_the_data_of_validation_are_looked_at_too(data: Path, recipe: Recipe) -> None:
    for folder in ('images', 'labels'):
        (data / 'val' / folder).mkdir(parents=True)
        (data / 'val' / folder / 'a.png').write_bytes((data / folder / '0.png').read_bytes())
    recipe = replace(recipe, validation=(Source('folder', '', 'val'),))
    assert survey(recipe, data) == [{}]
    (data / 'val' / 'labels' / 'a.png').unlink()
    with pytest.raises(DataError, match='1 of 2 files cannot .*\n.* missing: .*val/labels/a.png'):
        survey(recipe, data)


def test_of_many_broken_files_some_are_named(streets: Callable[..., Path], recipe: Recipe) -> None:
    data = streets(8)
    for path in (data / 'labels').iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r'8 label files missing: .*/4.png, and 3 more'):
        survey(replace(recipe, validation=()), data)


def test_labels_are_missed_where_the_others_are(
    streets: Callable[..., Path], recipe: Recipe
) -> None:
    data = streets(3, 'masks')
    (data / 'labels').mkdir()
    (data / 'masks' / '1.png').unlink()
    with pytest.raises(DataError, match='1 label files missing: .*/masks/1.png\n'):
        survey(replace(recipe, validation=()), data)


def test_ids_in_three_channels_are_told_to_be_colours(data: Path, recipe: Recipe) -> None:
    path = data / 'labels' / '0.png'
    cv2.imwrite(str(path), cv2.imread(str(path)))
    with pytest.raises(DataError) as caught:
        survey(replace(recipe, validation=()), data)
    _, line, _ = str(caught.value).splitlines()
    assert line.startswith('  1 label files in colours of something else (name the taxonomy of')
    assert 'ids belong into one channel' in line
    assert f'{path}: 100% of the painted pixels have colours that cityscapes does not' in line
    assert '--label-palette' not in line  # which sfnet train does not have


def test_void_ids_of_a_data_set_are_no_damage(data: Path, recipe: Recipe) -> None:
    """CamVid's files have 11 where nothing is labelled."""
    for index, value in enumerate((11, 12)):
        labels = np.full((96, 160), value, np.uint8)
        labels[:50] = 3
        cv2.imwrite(str(data / 'labels' / '0.png'), labels)
        source = Source('folder', '', '', taxonomy='camvid')
        camvid = replace(recipe, sources=(source,), validation=())
        if index == 0:
            survey(camvid, data)
        else:
            with pytest.raises(DataError, match='camvid: 0..10 and 255.*has 12'):
                survey(camvid, data)


def test_what_cannot_be_learnt_or_measured_is_told_at_the_start(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    """Before a file is opened: images without labels to measure with, classes without a way."""
    (data / 'images' / '0.png').write_bytes(b'')
    for layout in ('images', 'scenes'):
        with pytest.raises(DataError, match=f'validation has a source of layout {layout}, which'):
            survey(replace(recipe, validation=(Source(layout),)), data)
    taxonomies.write_table(tmp_path / 'own.csv', ['ground', 'sky'])
    own = replace(recipe, taxonomy=str(tmp_path / 'own.csv'))
    taxonomies.write_table(tmp_path / 'many.csv', [f'class {n}' for n in range(129)])
    with pytest.raises(DataError, match='has 129 classes; expected 128 at most'):
        survey(replace(recipe, taxonomy=str(tmp_path / 'many.csv')), data)
    with pytest.raises(DataError, match=r'own.csv, and the labels of folder  are .* cityscapes: '):
        survey(replace(own, validation=()), data)
    with pytest.raises(DataError, match=r'the labels of scenes  are those of cityscapes: no conv'):
        survey(replace(own, sources=(Source('scenes'),), validation=()), data)
    held = Source('folder', '', '', taxonomy='mapillary')
    with pytest.raises(DataError, match="mapillary: no conversion from 'cityscapes' to 'mapill"):
        survey(replace(recipe, validation=(held,)), data)
    with pytest.raises(DataError, match="teachers of small names magic: weights is 'magic': no"):
        survey(replace(recipe, teachers=('magic',)), data)


def test_labels_that_show_nothing_are_told(streets: Callable[..., Path], recipe: Recipe) -> None:
    """As black masks do; one that is unlabelled among others is nothing strange."""
    data = streets(2)
    black = np.zeros((96, 160, 3), np.uint8)
    cv2.imwrite(str(data / 'labels' / '0.png'), black)
    assert survey(recipe, data) == [{}]
    cv2.imwrite(str(data / 'labels' / '1.png'), black)
    with pytest.raises(DataError, match='no pixel of the label files of folder .* of cityscapes;'):
        survey(recipe, data)


def test_images_that_share_a_label_file_are_told(
    streets: Callable[..., Path], recipe: Recipe
) -> None:
    data = streets(3)
    images = data / 'images'
    cv2.imwrite(str(images / '1.jpg'), cv2.imread(str(images / '1.png')))
    (images / '2.jpg').mkdir()
    with pytest.raises(DataError) as caught:
        survey(replace(recipe, validation=()), data)
    told = str(caught.value)
    assert f'several images: {data}/labels/1.png of {images}/1.jpg, {images}/1.png;' in told
    assert f'1 images unreadable: {images}/2.jpg (Is a directory)' in told


def test_images_are_looked_at_as_they_will_be_read(data: Path, recipe: Recipe) -> None:
    """A camera that was held upright: its file lies on its side, as its labels do."""
    image = cv2.imread(str(data / 'images' / '0.png'))
    plain = cv2.imencode('.jpg', image)[1].tobytes()
    exif = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
    turned = plain[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + plain[2:]
    (data / 'images' / '0.png').unlink()
    (data / 'images' / '0.jpg').write_bytes(turned)
    assert cv2.imread(str(data / 'images' / '0.jpg')).shape[:2] == image.shape[1::-1]
    assert survey(recipe, data) == [{}]


def test_centres_are_in_the_middle_of_a_class_in_each_tile() -> None:
    labels = np.full((20, 30), 255, np.uint8)
    labels[2:5, 4:9] = 3
    labels[15:18, 21:30] = 3
    labels[0, 0] = 7
    found = class_centres(labels, (10, 20))
    assert {(row, column) for id_, row, column in found if id_ == 3} == {(3, 6), (16, 25)}
    assert [(row, column) for id_, row, column in found if id_ == 7] == [(0, 0)]


def test_places_are_those_of_the_labels(streets: Callable[..., Path], recipe: Recipe) -> None:
    data = streets(3)
    (places,) = survey(replace(recipe, class_uniform=0.5), data)
    labels = [
        cv2.imread(str(data / 'labels' / f'{n}.png'), cv2.IMREAD_UNCHANGED) for n in range(3)
    ]
    assert set(places) == set(np.unique(labels).tolist()) - {255}
    for class_id, spots in places.items():
        files = {n for n in range(3) if (labels[n] == class_id).any()}
        assert set(spots[:, 0].tolist()) == files
