"""The command, as a user types it: exit codes, tables, files."""

from collections.abc import Callable
import json
from pathlib import Path
import shutil

import cv2
import numpy as np
import pytest
from sfnet_ros import cli, inference, taxonomies


@pytest.fixture
def arguments(model_folder: Path, tmp_path: Path, picture: np.ndarray) -> list[str]:
    """Return a command line for a data set that the model gets wholly right."""
    for folder in ('images', 'labels'):
        (tmp_path / 'data' / folder).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / 'data' / 'images' / 'a.png'), picture[..., ::-1])
    ids = inference.load(str(model_folder), backend='torch').infer(picture[None])[0]
    cv2.imwrite(str(tmp_path / 'data' / 'labels' / 'a.png'), ids)
    data = str(tmp_path / 'data')
    return ['evaluate', data, '--weights', str(model_folder), '--backend', 'torch']


def test_figures_on_the_terminal_and_in_the_json(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / 'result.json'
    assert cli.main([*arguments, '--json', str(path)]) == 0
    text = capsys.readouterr().out
    assert 'mIoU             100.00%' in text
    assert '1 frames, 1 inferred, 1 labelled; small on torch fp32, counted in cityscapes' in text
    report = json.loads(path.read_text())
    assert report['miou'] == report['boundary_iou'] == 1
    assert report['model']['name'] == 'small'
    assert cli.main([*arguments, '--scales', '0.5', '1', '--flip']) == 0
    assert 'mIoU             100.00%' not in capsys.readouterr().out


def test_a_model_of_ones_own_classes_is_measured_by_labels_in_them(
    make_model: Callable[..., Path],
    tmp_path: Path,
    picture: np.ndarray,
    capsys: pytest.CaptureFixture,
) -> None:
    taxonomies.write_table(tmp_path / 'own.csv', ['ground', 'sky', 'rest'])
    model = make_model('mine', taxonomy=str(tmp_path / 'own.csv'))
    shutil.copy(tmp_path / 'own.csv', model)
    ids = inference.load(str(model), backend='torch').infer(picture[None])[0]
    for folder, content in (('images', picture[..., ::-1]), ('labels', ids)):
        (tmp_path / 'data' / folder).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / 'data' / folder / 'a.png'), content)
    arguments = ['evaluate', str(tmp_path / 'data'), '--weights', str(model)]
    for named in ([], ['--labels-taxonomy', str(model / 'own.csv')]):
        assert cli.main([*arguments, '--backend', 'torch', *named]) == 0
        assert 'mIoU             100.00%' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main([*arguments, '--labels-taxonomy', 'moon'])
    assert "taxonomy is 'moon'; expected one of cityscapes" in capsys.readouterr().err


def test_limits_set_the_exit_code(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*arguments, '--fail-under', 'miou=1,p95_ms=60000']) == 0
    assert cli.main([*arguments, '--fail-under', 'miou=0.5,p95_ms=0.001,flicker=0.1']) == 2
    lines = capsys.readouterr().err.splitlines()
    missed = [line for line in lines if line.startswith('missed: ')]
    assert len(missed) == 2
    assert missed[0].startswith('missed: p95_ms: found ')
    assert missed[1] == 'missed: flicker: there is none; expected at most 0.1'


def test_reports_are_compared(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    paths = [str(tmp_path / name) for name in ('a.json', 'b.json')]
    assert cli.main([*arguments, '--json', paths[0]]) == 0
    assert cli.main([*arguments, '--json', paths[1], '--scales', '0.5']) == 0
    capsys.readouterr()
    assert cli.main(['evaluate', '--compare', *paths]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith('miou ')]
    assert line.split()[1] == '100.00%'
    assert line.split()[-1] == 'worse'
    assert cli.main(['evaluate', '--compare', paths[0], str(tmp_path / 'data')]) == 1
    assert 'Traceback' not in capsys.readouterr().err


def test_a_source_that_fails_is_told_and_not_fatal(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'bad.mcap').write_bytes(b'nothing')
    sources = [str(tmp_path / 'bad.mcap'), 'nowhere']
    assert cli.main([*arguments[:2], *sources, *arguments[2:]]) == 1
    streams = capsys.readouterr()
    assert 'mIoU             100.00%' in streams.out
    assert f'problem: {tmp_path / "bad.mcap"} cannot be read' in streams.out
    assert 'problem: nowhere does not exist' in streams.out
    assert 'Traceback' not in streams.out + streams.err


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (['--fail-under', 'speed=1'], "limit is for 'speed'; expected one of miou"),
        (['--workers', '0'], '--workers must be 1 or more'),
        (['--node', '/segmenter'], '--node is for --online'),
        (['--online', '--flip'], 'the node does not average'),
        (['--against', 'nowhere'], "weights is 'nowhere': no such folder"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: list[str], extra: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert cli.main([*arguments, *extra]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert 'Traceback' not in error


def test_only_recordings_are_played(
    arguments: list[str], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')
    assert cli.main([*arguments, '--online', '--json', str(tmp_path / 'a.json')]) == 1
    assert 'problem: nothing was played online: no source is' in capsys.readouterr().out
    report = json.loads((tmp_path / 'a.json').read_text())
    assert report['sources'][0]['state'] == 'complete'
    assert report['online']['sources'] == []


def test_no_source_is_an_error(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(['evaluate']) == 1
    assert 'no source was given; expected bags' in capsys.readouterr().err
