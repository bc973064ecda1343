"""``sfnet benchmark`` and ``sfnet export``, as a user types them."""

import argparse
from collections.abc import Callable
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree

import cv2
import numpy as np
import onnxruntime
import pytest
from sfnet_ros import cli, inference
from sfnet_ros.cli import benchmark
from sfnet_ros.cli.benchmark_inputs import write_frames, write_random_model
from sfnet_ros.cli.speed_chart import speed_chart
from sfnet_ros.errors import DataError
from sfnet_ros.inference.benchmark import Configuration, Contender
from sfnet_ros.inference.models import read_facts
from sfnet_ros.inference.parity import parity_image


def test_backends_are_timed_side_by_side(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ['benchmark', '--weights', str(model_folder), '--rounds', '3', '--frames', '2']
    arguments += ['--runs', 'torch:fp32', 'openvino:fp32', 'torch:fp16', '--sizes', '64x128']
    arguments += ['--json', str(tmp_path / 'figures.json'), '--svg', str(tmp_path / 'speed.svg')]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr()
    assert 'left out: torch: precision fp16 on the torch backend needs a CUDA' in printed.err
    results = json.loads((tmp_path / 'figures.json').read_text())
    names = [(result['backend'], result['precision']) for result in results]
    assert names == [('eager', 'fp32'), ('torch', 'fp32'), ('openvino', 'fp32')]
    for result in results:
        assert result['frames'] == 6
        assert 0 < result['p05_ms'] <= result['median_ms'] <= result['p95_ms']
        assert result['agreement'] > 0.999
        assert result['memory_mb'] > 50
        assert f'{result["median_ms"]:.1f}' in printed.out
        assert result['speed_up'] == pytest.approx(
            results[0]['median_ms'] / result['median_ms'], abs=0.01
        )
        # 74.15 at 1024x2048 (zoo.PUBLISHED), which has 256 times the pixels; pooled maps stay.
        assert result['gmac'] == pytest.approx(74.15 / 256, abs=0.02)
    assert results[0]['agreement'] == 1
    drawing = ElementTree.parse(tmp_path / 'speed.svg').getroot()
    told = [title.text for title in drawing.iter('{http://www.w3.org/2000/svg}title')]
    assert [text.split(', ')[1].split(':')[0] for text in told if text] == [
        'eager fp32', 'torch fp32', 'openvino fp32',
    ]  # fmt: skip


def test_models_sizes_and_a_picture_of_ones_own(
    model_folder: Path, tmp_path: Path, picture: np.ndarray
) -> None:
    cv2.imwrite(str(tmp_path / 'mine.png'), picture)
    arguments = ['benchmark', '--weights', str(model_folder), '--sizes', '64x128', '96x128']
    arguments += ['--runs', 'openvino:fp32', '--rounds', '1', '--frames', '1']
    arguments += ['--image', str(tmp_path / 'mine.png'), '--json', str(tmp_path / 'a.json')]
    assert cli.main(arguments) == 0
    results = json.loads((tmp_path / 'a.json').read_text())
    found = [(result['backend'], result['input_size']) for result in results]
    assert found == [
        ('eager', [64, 128]), ('openvino', [64, 128]), ('eager', [96, 128]),
        ('openvino', [96, 128]),
    ]  # fmt: skip
    assert results[2]['gmac'] / results[0]['gmac'] == pytest.approx(1.5, abs=0.1)


def test_networks_without_weights_on_frames_of_a_bag(
    tmp_path: Path, picture: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    frames = tmp_path / 'frames'
    frames.mkdir()
    for number in range(12):
        cv2.imwrite(str(frames / f'{number:02}.png'), np.roll(picture, 40 * number, axis=1))
    arguments = ['benchmark', '--networks', 'sfnet_lite/df1', '--bag', str(frames)]
    arguments += ['--runs', 'openvino:bf16', '--sizes', '64x128']
    arguments += ['--rounds', '1', '--frames', '6', '--json', str(tmp_path / 'a.json')]
    assert cli.main(arguments) == 0
    assert 'sfnet_lite/df1 with random weights at 64x128' in capsys.readouterr().out
    eager, bf16 = json.loads((tmp_path / 'a.json').read_text())
    assert eager['agreement'] == 1
    # Random weights in bf16 are timed, but what they give is not called right.
    assert 0.5 < bf16['agreement'] < 0.995
    assert bf16['precision'] == 'bf16'


def test_five_frames_are_spread_over_a_source(tmp_path: Path, picture: np.ndarray) -> None:
    source, folder = tmp_path / 'source', tmp_path / 'chosen'
    source.mkdir()
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(source / f'{number:02}.png'), picture[:, :, ::-1] // (number + 1))
    written = write_frames(str(source), '', folder)
    found = [cv2.imread(path)[:, :, ::-1] for path in written]
    for image, number in zip(found, (0, 2, 4, 6, 8), strict=True):
        np.testing.assert_array_equal(image, picture // (number + 1))


def test_broken_frames_of_a_source_are_left_out(
    tmp_path: Path, picture: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / '0.png').write_bytes(b'no picture')
    with pytest.raises(DataError, match='has no whole image among those tried'):
        write_frames(str(tmp_path), '', tmp_path)
    cv2.imwrite(str(tmp_path / '1.png'), picture)
    assert [Path(path).name for path in write_frames(str(tmp_path), '', tmp_path)] == [
        'frame1.png'
    ]
    assert 'frame 0 is left out: compressed image of 10 bytes' in capsys.readouterr().err


def test_random_weights_are_the_same_every_time_and_tell_classes_apart(tmp_path: Path) -> None:
    first = write_random_model('sfnet_lite/df1', tmp_path)
    facts = read_facts(first)
    assert (facts.input_height, facts.input_width) == (1024, 2048)
    (tmp_path / 'again').mkdir()
    assert read_facts(write_random_model('sfnet_lite/df1', tmp_path / 'again')) == facts
    ids = inference.load(str(first), '', '', '', 128, 256, 'torch', 'fp32').infer(
        parity_image((128, 256))
    )
    shares = np.bincount(ids.ravel()) / ids.size
    assert np.count_nonzero(shares > 0.001) >= 3


def test_a_process_tells_the_memory_of_serving_only(make_model: Callable[..., Path]) -> None:
    # Neither that of its parent, nor what converting the model took, which imports PyTorch.
    ballast = np.ones(3 << 27, np.uint8)  # 384 MiB
    contender = Contender(Configuration('openvino', 'fp32', str(make_model(backbone='df1'))))
    contender.read()
    assert 50 < contender.finish()['memory_mb'] < ballast.nbytes / 2**20


def test_the_chart_tells_the_accuracy_that_is_known() -> None:
    result = {'backend': 'torch', 'precision': 'fp32', 'model': 'a<b', 'input_size': [64, 128]}
    result |= {'gmac': 2.0, 'frames_per_s': 30.0, 'miou': {'camvid val': 0.6879}}
    drawing = ElementTree.fromstring(speed_chart([result]))
    told = [title.text for title in drawing.iter('{http://www.w3.org/2000/svg}title')]
    assert told == ['a<b at 64x128, torch fp32: 30 frames/s, mIoU 68.8% on camvid val']


def test_unknown_runs_and_sizes_are_refused(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(['benchmark', '--runs', 'abacus:fp32']) == 1
    assert "'abacus:fp32' names no backend; expected" in capsys.readouterr().err
    assert cli.main(['benchmark', '--sizes', 'big']) == 1
    assert "size is 'big'; expected HEIGHTxWIDTH" in capsys.readouterr().err
    assert cli.main(['benchmark', '--networks', 'unet/resnet18']) == 1
    assert "'unet/resnet18' names no network; expected NETWORK/B" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--rounds', '0'], 'found --rounds 0; expected 1 or more'),
        (['--frames', '0'], 'found --frames 0; expected 1 or more'),
        (['--node', '--frames', '-3'], 'found --frames -3; expected 1 or more'),
        (['--json', '{}/none/a.json'], 'none/a.json cannot be written; expected a file in a writ'),
        (['--svg', '{}'], 'cannot be written; expected a file in a writable folder'),
        (['--runs', 'openvino:fp7'], "'openvino:fp7' names no precision; expected BACKEND:PREC"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_measured(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocess, 'Popen', pytest.fail)
    assert cli.main(['benchmark', *(part.format(tmp_path) for part in arguments)]) == 1
    assert message in capsys.readouterr().err


def test_where_nothing_can_be_run_it_fails(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(['benchmark', '--weights', 'none', '--runs', 'openvino:fp32']) == 1
    told = capsys.readouterr().err
    assert "left out: openvino: weights is 'none': no such folder" in told
    assert told.endswith('expected at least one backend and model\n')


def test_a_network_that_is_named_twice_is_made_once(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    options = parser.parse_args(
        ['--networks', 'sfnet_lite/df1', 'sfnet_lite/df1', '--runs'] + ['torch']
    )
    groups = benchmark._groups(options, tmp_path)
    assert [[one.backend for one in group] for group in groups] == [['eager', 'torch']]


def test_ctrl_c_leaves_neither_processes_nor_tracebacks(tmp_path: Path) -> None:
    code = (
        'import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n'
        'from sfnet_ros.cli import main; sys.exit(main(sys.argv[1:]))'
    )
    command = [sys.executable, '-c', code, 'benchmark', '--rounds', '1000', '--runs', 'torch:fp32']
    with (tmp_path / 'told').open('w') as told:
        # A session of its own, in which Ctrl-C is for all processes, as on a terminal.
        running = subprocess.Popen(
            command, stdout=told, stderr=subprocess.STDOUT, start_new_session=True
        )
        listed = Path(f'/proc/{running.pid}/task/{running.pid}/children')
        for _ in range(600):
            if children := listed.read_text().split():
                break
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(60) == 130
    assert children and not any(Path(f'/proc/{child}').exists() for child in children)
    assert 'Traceback' not in (tmp_path / 'told').read_text()


def test_an_exported_model_gives_the_same_ids(
    model_folder: Path, tmp_path: Path, picture: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / 'model.onnx'
    assert cli.main(['export', '--weights', str(model_folder), '--onnx', str(path)]) == 0
    assert 'images 1x64x128x3 uint8 RGB in, ids out' in capsys.readouterr().out
    image = np.ascontiguousarray(picture[None, :64, :128])
    (ids,) = onnxruntime.InferenceSession(str(path)).run(None, {'images': image})
    expected = inference.load(str(model_folder), backend='torch', precision='fp32').infer(image)
    assert np.mean(ids == expected) > 0.999
