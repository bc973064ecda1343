"""A model adapts to a handful of labelled images, and says what that brought."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
import shutil

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file
from sfnet_ros import cli, inference, taxonomies
from sfnet_ros.errors import DataError
from sfnet_ros.networks import create_network
from sfnet_ros.training.checkpoints import save
from sfnet_ros.training.config import read_recipe, write_recipe
from sfnet_ros.training.initial import load_initial
from sfnet_ros.training.train import CHECKPOINT
from sfnet_ros.training.tuning import tuning_recipe
import torch

MODEL = 'sfnet_lite_efficientnet_lite0'


@pytest.fixture
def small_model(tmp_path: Path) -> str:
    """Return a folder of the shipped model, at a size that trains quickly."""
    choice = inference.choose_model(MODEL, input_height=96, input_width=160)
    folder = tmp_path / 'small'
    folder.mkdir()
    shutil.copy(choice.weights, folder)
    inference.models.write_facts(folder, choice.facts)
    return str(folder)


@pytest.mark.slow
def test_the_shipped_model_adapts_to_another_camera(
    streets: Callable[..., Path], small_model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A camera with inverted colours; the images held back are better known afterwards."""
    data = streets(15, 'masks')
    for path in (data / 'images').iterdir():
        cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    facts = inference.choose_model(MODEL).facts
    output = tmp_path / 'mine'
    arguments = ['train', '--from', small_model, '--data', str(data), '--steps', '40']
    assert cli.main([*arguments, '--output', str(output)]) == 0
    backend = inference.load(str(output / 'model'), backend='torch', precision='fp32')
    about = backend.facts.about
    assert about['fine_tuned_from'] == MODEL
    assert about['data'] == [*facts.about['data'], 'then 12 labelled images of data']
    assert about['licence'].startswith(facts.about['licence'])
    before, now = (about[key]['folder 80% to 100%'] for key in ('accuracy_before', 'accuracy'))
    assert before['images'] == now['images'] == 3
    assert now['pixel_accuracy'] > before['pixel_accuracy'] + 0.1
    assert now['miou'] > before['miou'] + 0.03
    told = capsys.readouterr().out
    assert f'folder 80% to 100%, before: mIoU {before["miou"]:.3f}' in told
    assert f'folder 80% to 100%, now: mIoU {now["miou"]:.3f}' in told
    image = cv2.imread(str(data / 'images' / '0.png'))[..., ::-1]
    assert backend.infer(np.ascontiguousarray(image)[None]).shape == (1, 96, 160)


@pytest.mark.slow
def test_a_model_that_became_worse_is_told(
    streets: Callable[..., Path], small_model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Road is called sky in what is learnt from, not in what is held back."""
    data = streets(15, 'masks')
    for path in sorted((data / 'masks').iterdir())[:12]:
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.where(labels == 0, 10, labels))
    output = tmp_path / 'mine'
    arguments = ['train', '--from', small_model, '--data', str(data), '--steps', '25']
    assert cli.main([*arguments, '--output', str(output)]) == 0
    assert 'the model was better before, mIoU 0.' in capsys.readouterr().err


def test_classes_of_ones_own_are_learnt_and_shipped(
    streets: Callable[..., Path], model_folder: Path, tmp_path: Path
) -> None:
    """Ground, sky and the rest: the table travels with the model, which may be moved."""
    data = streets(5)
    for path in (data / 'labels').iterdir():
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        own = np.where(labels < 2, 0, np.where(labels == 10, 1, 2)).astype(np.uint8)
        cv2.imwrite(str(path), own)
    arguments = ['train', '--from', str(model_folder), '--data', str(data), '--steps', '2']
    arguments += ['--classes', 'ground, sky,any thing', '--output', str(tmp_path / 'run')]
    assert cli.main(arguments) == 0
    shutil.move(tmp_path / 'run' / 'model', tmp_path / 'moved')
    shutil.rmtree(tmp_path / 'run')
    backend = inference.load(str(tmp_path / 'moved'), backend='torch', precision='fp32')
    taxonomy = taxonomies.get(backend.facts.taxonomy)
    assert (taxonomy.name, taxonomy.classes) == ('classes', ('ground', 'sky', 'any thing'))
    assert taxonomy.colors[1] == (70, 130, 180)
    accuracy = backend.facts.about['accuracy']['folder 80% to 100%']
    assert set(accuracy['iou']) == {'ground', 'sky', 'any thing'}
    about = backend.facts.about
    assert 'accuracy_before' not in about
    assert about['data'] == ['what small was trained on', 'then 4 labelled images of data']
    recipe = read_recipe(tmp_path / 'moved' / 'recipe.yaml')
    assert (recipe.steps, recipe.initial) == (2, str(model_folder))
    ids = backend.infer(np.zeros((1, 64, 128, 3), np.uint8))
    assert ids.max() < 3


def test_labels_of_another_meaning_are_noticed_before_the_start(
    streets: Callable[..., Path],
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    """Random weights are hardly ever right; and a run that may not go on keeps its recipe."""
    data, output = streets(5), tmp_path / 'run'
    recipe = tuning_recipe(str(model_folder), data, 'run', steps=2)
    output.mkdir()
    write_recipe(output / 'recipe.yaml', recipe)
    save(output / CHECKPOINT, recipe, {}, 1)
    arguments = ['train', '--from', str(model_folder), '--data', str(data), '--steps', '3']
    assert cli.main([*arguments, '--output', str(output)]) == 1
    told = capsys.readouterr()
    assert 'folder 80% to 100%, before: mIoU' in told.out
    assert 'of the pixels. If it should know such images, the labels mean something' in told.err
    assert 'else than cityscapes: name it by --labels-taxonomy' in told.err
    assert 'another recipe (steps differ)' in told.err
    assert read_recipe(output / 'recipe.yaml') == recipe


def test_a_run_does_not_go_on_with_other_classes(
    streets: Callable[..., Path],
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    """As many in another order: all weights would fit, and mean something else."""
    data, output = streets(5), tmp_path / 'run'
    for path in (data / 'labels').iterdir():
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.minimum(labels, 2))
    arguments = ['train', '--from', str(model_folder), '--data', str(data), '--steps', '1']
    arguments += ['--output', str(output), '--classes']
    assert cli.main([*arguments, 'ground,walk,rest']) == 0
    table = (output / 'classes.csv').read_text()
    assert cli.main([*arguments, 'walk,ground,rest']) == 1
    told = capsys.readouterr().err
    assert f'walk,ground,rest, but {output} has learnt ground,walk,rest; give another' in told
    assert (output / 'classes.csv').read_text() == table
    assert cli.main([*arguments, str(output / 'classes.csv')]) == 0
    taxonomies.get.cache_clear()
    (output / 'classes.csv').write_text(table.replace('ground', 'mud'))
    taxonomies._rows.cache_clear()
    assert cli.main([*arguments, str(output / 'classes.csv')]) == 1
    assert 'the classes had ground, walk, rest, now mud, walk, rest' in capsys.readouterr().err


def test_only_the_classifier_begins_anew(model_folder: Path) -> None:
    network = create_network('sfnet_lite', 'stdc1', 3)
    before = network.state_dict()['head.conv_last.1.weight'].clone()
    load_initial(network, str(model_folder))
    expected = load_file(model_folder / 'weights.safetensors')
    loaded = network.state_dict()
    changed = [key for key, value in expected.items() if not torch.equal(loaded[key], value)]
    assert set(changed) == {'head.conv_last.1.bias', 'head.conv_last.1.weight'}
    assert torch.equal(loaded['head.conv_last.1.weight'], before)


def test_the_recipe_fits_model_and_images(
    streets: Callable[..., Path], model_folder: Path, tmp_path: Path
) -> None:
    data = streets(10)
    recipe = tuning_recipe(str(model_folder), data, 'mine')
    (source,), (held,) = recipe.sources, recipe.validation
    assert (source.part, held.part) == ((0.0, 0.8), (0.8, 1.0))
    # The network sees 64 x 128, the files have 96 x 160: things shrink by 0.73.
    assert source.scale == pytest.approx((0.7 * 0.7303, 1.6 * 0.7303), abs=1e-3)
    assert (recipe.network, recipe.backbone, recipe.freeze_norms) == ('sfnet_lite', 'stdc1', True)
    write_recipe(tmp_path / 'recipe.yaml', recipe)
    assert asdict(read_recipe(tmp_path / 'recipe.yaml')) == asdict(recipe)


def test_a_broken_first_image_is_left_to_the_look_at_all_data(
    streets: Callable[..., Path], model_folder: Path
) -> None:
    data = streets(6)
    scale = tuning_recipe(str(model_folder), data, 'mine').sources[0].scale
    (data / 'images' / '0.png').write_bytes(b'')
    assert tuning_recipe(str(model_folder), data, 'mine').sources[0].scale == scale


def test_a_split_of_ones_own_is_kept(streets: Callable[..., Path], model_folder: Path) -> None:
    data = streets(6)
    for split in ('train', 'val'):
        for folder in ('images', 'labels'):
            shutil.copytree(data / folder, data / split / folder)
    recipe = tuning_recipe(str(model_folder), data, 'mine', 'camvid', steps=7)
    (source,), (held,) = recipe.sources, recipe.validation
    assert (source.split, source.part, held.split, held.part) == ('train', (0, 1), 'val', (0, 1))
    assert (source.taxonomy, recipe.taxonomy, recipe.steps) == ('camvid', 'cityscapes', 7)


def test_too_little_is_said_to_be_too_little(
    streets: Callable[..., Path], model_folder: Path
) -> None:
    with pytest.raises(DataError, match='holds 4 images; expected 5 or more'):
        tuning_recipe(str(model_folder), streets(4), 'mine')


@pytest.mark.parametrize(
    ('wrong', 'found'),
    [
        ('annotations', r'annotations/ \(6 files such as 0.png\), images/ \(6 files'),
        ('', r'found images/ \(6 files such as 0.png\); expected'),
    ],
)
def test_labels_that_lie_elsewhere_are_told_from_none(
    wrong: str, found: str, streets: Callable[..., Path], model_folder: Path
) -> None:
    data = streets(6)
    (data / 'labels').rename(data / wrong if wrong else data.parent / 'gone')
    with pytest.raises(DataError, match=f'none of the 6 images in .*{found}') as caught:
        tuning_recipe(str(model_folder), data, 'mine')
    assert 'expected labels/0.png or masks/0.png for images/0.png' in str(caught.value)


def test_the_images_held_back_need_labels_too(
    streets: Callable[..., Path], model_folder: Path
) -> None:
    data = streets(6, 'masks')
    for folder in ('train/images', 'train/masks', 'val/images'):
        shutil.copytree(data / folder.split('/')[1], data / folder)
    for path in (data / 'val' / 'images').iterdir():
        if path.stem in '0123':
            path.unlink()
    with pytest.raises(
        DataError, match=r'none of the 2 images in .*/val has labels; found images/'
    ):
        tuning_recipe(str(model_folder), data, 'mine')


def test_options_that_a_recipe_does_not_heed_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert cli.main(['train', 'a.yaml', '--data', str(tmp_path), '--steps', '30']) == 1
    assert '--steps is 30, and the recipe a.yaml is given; expected it' in capsys.readouterr().err
    for option in ('--steps', '--save-every'):
        with pytest.raises(SystemExit):
            cli.main(['train', 'a.yaml', '--data', str(tmp_path), option, '0'])
        assert f'argument {option}: 0 is too few; expected 1 or more' in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [[], ['recipe.yaml', '--from', MODEL]])
def test_a_recipe_or_a_model_is_asked_for(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert cli.main(['train', *arguments, '--data', str(tmp_path)]) == 1
    found = 'both' if arguments else 'neither'
    assert f'--from MODEL to fine-tune, and found {found}' in capsys.readouterr().err
