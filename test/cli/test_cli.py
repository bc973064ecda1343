"""The commands, as a user types them."""

import json
import os
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest
from sfnet_ros import cli, inference, taxonomies
from sfnet_ros.inference.models import DEFAULT_MODEL


def test_segment_writes_what_inference_gives(
    model_folder: Path, tmp_path: Path, picture: np.ndarray
) -> None:
    (tmp_path / 'in').mkdir()
    cv2.imwrite(str(tmp_path / 'in' / 'a.png'), picture[..., ::-1])
    arguments = ['segment', str(tmp_path / 'in'), '--weights', str(model_folder), '--flow']
    arguments += ['--kind', 'label', 'color', 'overlay', '--output', str(tmp_path / 'out')]
    assert cli.main(arguments) == 0
    ids = inference.load(str(model_folder)).infer(picture[None])[0]
    read = {
        path.parent.name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        for path in (tmp_path / 'out').glob('*/000000.png')
    }
    assert set(read) == {
        'label', 'color', 'overlay', 'flow_flow_align_module.high', 'flow_flow_align_module.low'
    }  # fmt: skip
    assert np.array_equal(read['label'], ids)
    colours = taxonomies.get('cityscapes')
    assert np.array_equal(read['color'][..., ::-1], colours.colorize(ids))
    assert np.array_equal(read['overlay'][..., ::-1], colours.overlay(ids, picture, 0.5))


def test_evaluate_counts_what_segment_writes(
    model_folder: Path, tmp_path: Path, picture: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / 'images' / 'a.png'), picture[..., ::-1])
    ids = inference.load(str(model_folder)).infer(picture[None])[0]
    cv2.imwrite(str(tmp_path / 'labels' / 'a.png'), ids)
    arguments = ['evaluate', str(tmp_path), '--weights', str(model_folder)]
    assert cli.main([*arguments, '--json', str(tmp_path / 'result.json')]) == 0
    assert 'mIoU             100.00%' in capsys.readouterr().out
    assert json.loads((tmp_path / 'result.json').read_text())['miou'] == 1
    assert cli.main([*arguments, '--scales', '0.5', '1', '--flip']) == 0
    assert 'mIoU             100.00%' not in capsys.readouterr().out


def test_models_are_listed_and_shown(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(['models', 'list']) == 0
    listing = capsys.readouterr().out
    assert DEFAULT_MODEL in listing
    assert 'resnet18' in listing
    assert cli.main(['models', 'show', DEFAULT_MODEL]) == 0
    assert 'sha256:' in capsys.readouterr().out


def test_doctor_tells_what_would_be_used(capsys: pytest.CaptureFixture, cache: Path) -> None:
    assert cli.main(['doctor']) == 0
    text = capsys.readouterr().out
    assert f'model        {DEFAULT_MODEL}' in text
    assert 'backend      ' in text
    assert '\ntensorrt     ' in text
    assert '\ngpu          ' in text
    assert f'\ncache        {cache}' in text


def test_doctor_needs_no_pytorch(tmp_path: Path) -> None:
    """It tells that there is none; what cannot do without says what is missing, in a line."""
    code = (
        'import sys; sys.modules["torch"] = None; from sfnet_ros import cli; '
        'sys.exit(cli.main(sys.argv[1:]))'
    )
    told = []
    for command in ('doctor', 'benchmark'):
        done = subprocess.run(
            [sys.executable, '-c', code, command],
            env=os.environ | {'SFNET_CACHE_DIR': str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1 and 'Traceback' not in done.stderr
        told.append(done)
    assert '\nmodel        no backend can be used: ' in told[0].stdout
    assert 'pip install torch' in told[0].stdout
    assert told[1].stderr.startswith('sfnet benchmark: import of torch halted')


def test_errors_are_one_line_without_a_traceback(
    tmp_path: Path, picture: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), picture)
    for source, message in (
        (tmp_path / 'nothing.mp4', f'{tmp_path / "nothing.mp4"} does not exist'),
        (tmp_path / 'a.png', "weights is 'nowhere': no such folder"),
    ):
        assert cli.main(['segment', str(source), '--weights', 'nowhere']) == 1
        error = capsys.readouterr().err
        assert error.startswith(f'sfnet segment: {message}')
        assert 'Traceback' not in error


def test_a_reader_may_leave_early() -> None:
    """As in ``sfnet models list | head -1``."""
    command = [sys.executable, '-u', '-m', 'sfnet_ros.cli', 'models', 'list']
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b''
    assert process.returncode == 1
