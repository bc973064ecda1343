"""Training crops: image and labels stay together, the index alone decides."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
import pickle

import cv2
import numpy as np
import pytest
from sfnet_ros import taxonomies
from sfnet_ros.errors import DataError
from sfnet_ros.training.config import Recipe, Source
from sfnet_ros.training.samples import TrainingSamples
from sfnet_ros.training.sources import COARSE_OFFSET, label_table, list_files, read_ids
from sfnet_ros.training.survey import survey
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
        one, other = first[index], backwards[index]
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.soft.view, other.soft.view)
    assert not torch.equal(first[0][0], first[1][0])


def test_processes_that_are_not_forked_get_the_same_crops(data: Path, recipe: Recipe) -> None:
    """Python 3.14 forks none by default: what loads is pickled for them."""
    recipe = replace(recipe, sources=(*recipe.sources, Source('scenes', weight=0)))
    samples = TrainingSamples(recipe, data)
    sent = pickle.loads(pickle.dumps(samples))
    assert all(torch.equal(samples[index].image, sent[index].image) for index in range(8))


def test_no_more_is_kept_than_allowed(data: Path, recipe: Recipe) -> None:
    """What is kept can be had when the four files, of 60 x 80 x 4 bytes, are gone."""
    file, kept = 60 * 80 * 4, {}
    for files in (0, 2.5, 4):
        samples = TrainingSamples(recipe, data, cache_bytes=int(files * file))
        before = [samples[index].image for index in range(10)]
        (data / 'mine').rename(data / 'gone')
        kept[files] = 0
        for index, image in enumerate(before):
            with suppress(DataError):
                assert torch.equal(samples[index].image, image)
                kept[files] += 1
        (data / 'gone').rename(data / 'mine')
    assert kept[0] == 0
    assert 0 < kept[2.5] < 10
    assert kept[4] == 10


def test_streets_are_rendered_in_the_classes_of_the_recipe(data: Path, recipe: Recipe) -> None:
    recipe = replace(recipe, sources=(Source('scenes'),), steps=1, batch=1)
    known, ids = (
        TrainingSamples(replace(recipe, taxonomy=name), data)[0].labels.numpy()
        for name in ('cityscapes', 'camvid')
    )
    assert np.array_equal(ids, taxonomies.conversion('cityscapes', 'camvid')[known])
    assert set(np.unique(ids)) - {255} <= set(range(11))


def test_crops_have_the_shape_and_type_of_the_network(data: Path, recipe: Recipe) -> None:
    image, labels, soft = TrainingSamples(recipe, data)[3]
    assert (image.shape, image.dtype) == ((3, 32, 48), torch.float32)
    assert (labels.shape, labels.dtype) == ((32, 48), torch.int64)
    assert set(labels.unique().tolist()) <= {*range(19), 255}
    assert soft.logits == ()


def test_coarse_labels_are_kept_apart() -> None:
    table = label_table('idd_lite', 'cityscapes')
    assert table[:7].tolist() == [COARSE_OFFSET + k for k in range(7)]
    assert set(table[7:]) == {255}
    assert label_table('camvid', 'cityscapes')[3] == 0


def test_rare_classes_are_drawn_as_often_as_others(data: Path, recipe: Recipe) -> None:
    """One image of four shows, in a corner, what uniform crops hardly ever show."""
    labels = np.zeros((60, 80), np.uint8)
    for index in range(4):
        cv2.imwrite(str(data / 'mine' / 'labels' / f'{index}.png'), labels)
    labels[:4, :4] = 6
    cv2.imwrite(str(data / 'mine' / 'labels' / '0.png'), labels)
    recipe = replace(
        recipe,
        sources=(Source('folder', 'mine', '', scale=(2, 2)),),
        aspect=1.0,
        steps=100,
    )

    def share(recipe: Recipe) -> float:
        samples = TrainingSamples(recipe, data, survey(recipe, data))
        return float(np.mean([(samples[index][1] == 6).any() for index in range(200)]))

    assert share(recipe) < 0.15
    assert 0.4 < share(replace(recipe, class_uniform=1.0)) < 0.75
    boosted = replace(recipe.sources[0], classes=('traffic light',))
    assert share(replace(recipe, sources=(boosted,))) == 1
    with pytest.raises(DataError, match='shows none of train; expected crops around'):
        share(replace(recipe, sources=(replace(boosted, classes=('train',)),)))
    with pytest.raises(DataError, match='names the classes lamp; expected of cityscapes: road'):
        share(replace(recipe, sources=(replace(boosted, classes=('lamp',)),)))


def test_a_part_of_the_images_is_used(data: Path, recipe: Recipe) -> None:
    first = Source('folder', 'mine', '', part=(0, 0.75))
    last = replace(first, part=(0.75, 1))
    assert [file.image.stem for file in list_files(first, data)] == ['0', '1', '2']
    assert [file.image.stem for file in list_files(last, data)] == ['3']
    with pytest.raises(DataError, match=r'4 images were found .* none in the part \(0.9, 0.95\)'):
        list_files(replace(first, part=(0.9, 0.95)), data)


def test_colour_masks_and_other_taxonomies_are_read(data: Path) -> None:
    ids = np.arange(11, dtype=np.uint8).repeat(80 * 60 // 11 + 1)[: 80 * 60].reshape(60, 80)
    painted = taxonomies.get('camvid').colorize(ids)
    cv2.imwrite(str(data / 'mine' / 'labels' / '0.png'), painted[..., ::-1])
    file = list_files(Source('folder', 'mine', '', taxonomy='camvid'), data)[0]
    table = taxonomies.conversion('camvid', 'cityscapes')
    assert np.array_equal(read_ids(file, 'cityscapes'), table[ids])


def test_unlabelled_images_give_unlabelled_crops(data: Path, recipe: Recipe) -> None:
    recipe = replace(recipe, sources=(Source('images', 'mine/images'),))
    image, labels, _ = TrainingSamples(recipe, data)[0]
    assert image.std() > 0.1
    assert labels.unique().tolist() == [255]


def test_labels_of_another_size_are_refused(data: Path, recipe: Recipe) -> None:
    cv2.imwrite(str(data / 'mine' / 'labels' / '0.png'), np.zeros((5, 5), np.uint8))
    samples = TrainingSamples(recipe, data)
    with pytest.raises(DataError, match=r'0.png is \(5, 5\), its image \(60, 80\)'):
        for index in range(len(samples)):
            samples[index]


def test_things_of_other_crops_are_pasted_with_their_labels(data: Path, recipe: Recipe) -> None:
    """The colour of every pixel still tells its label, and the image's teachers are not asked."""
    recipe = replace(
        recipe,
        copy_paste=0.5,
        copy_paste_classes=('rider', 'bus'),
        sources=(Source('folder', 'mine', '', scale=(1, 1)),),
        aspect=1.0,
        steps=40,
    )
    samples = TrainingSamples(recipe, data, survey(recipe, data))
    plain = TrainingSamples(replace(recipe, copy_paste=0.0), data, samples.places)
    changed = 0
    for index in range(len(samples)):
        sample = samples[index]
        if sample.soft.hidden is None:
            assert torch.equal(sample.labels, plain[index].labels)
            continue
        things, hidden = sample.labels, sample.soft.hidden
        assert set(things[hidden].unique().tolist()) <= {12, 15}
        assert torch.equal(things[~hidden], plain[index].labels[~hidden])
        if hidden.any() and not hidden.all():
            changed += 1
            known = things != 255
            colour = (sample.image[0] - sample.image[1])[known].numpy()
            assert np.corrcoef(colour, things[known].numpy())[0, 1] > 0.9
    assert 20 < changed < 60


def test_things_to_copy_that_no_label_shows_are_told(data: Path, recipe: Recipe) -> None:
    for file in (data / 'mine' / 'labels').iterdir():
        cv2.imwrite(str(file), np.zeros((60, 80), np.uint8))
    recipe = replace(recipe, copy_paste=0.5, copy_paste_classes=('rider',))
    with pytest.raises(DataError, match='rider; expected things to copy'):
        TrainingSamples(recipe, data, survey(recipe, data))
