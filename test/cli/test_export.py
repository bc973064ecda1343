"""``sfnet export``: what is made ahead of time, and what it says where that cannot be."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from sfnet_ros import cli
from sfnet_ros.cli.build_bar import BuildBar
from sfnet_ros.cli.export import spread_images
from sfnet_ros.inference import cuda


def export(folder: Path, *arguments: str) -> int:
    return cli.main(['export', '--weights', str(folder), *arguments])


def test_a_file_in_half_precision_with_all_outputs(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / 'half.onnx'
    outputs = ('ids', 'logits', 'flow')
    asked = ['--onnx', str(path), '--precision', 'fp16', '--output', *outputs]
    assert export(model_folder, *asked) == 0
    assert 'opset 17, fp16, images 1x64x128x3 uint8 RGB in, ids, logits' in capsys.readouterr().out
    graph = onnx.load(path).graph
    assert tuple(output.name for output in graph.output) == outputs
    assert any(item.data_type == onnx.TensorProto.FLOAT16 for item in graph.initializer)


def test_the_cache_of_a_runtime_is_filled(
    model_folder: Path, cache: Path, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip('openvino')
    assert export(model_folder, '--openvino', '--precision', 'fp32') == 0
    printed = capsys.readouterr().out
    assert printed.startswith('openvino fp32 is ready: asked for')
    assert 'agrees with fp32 of PyTorch on 100.00%' in printed
    assert list(cache.glob('*.onnx'))


@pytest.mark.skipif(cuda.has_device_file(), reason='there is an NVIDIA GPU')
def test_an_engine_needs_a_gpu(model_folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert export(model_folder, '--tensorrt') == 1
    assert 'found no NVIDIA GPU; expected one of /dev/nvidiactl' in capsys.readouterr().err


def test_what_cannot_be_exported_is_refused(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert export(model_folder) == 1
    assert 'expected --onnx FILE, --tensorrt or --openvino' in capsys.readouterr().err
    assert export(model_folder, '--onnx', str(tmp_path / 'a'), '--precision', 'bf16') == 1
    assert 'precision of the ONNX file is bf16; expected one of' in capsys.readouterr().err
    assert export(model_folder, '--tensorrt', '--batch', '0') == 1
    assert 'found --batch 0; expected 1 or more' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_bar_shows_phase_and_share(capsys: pytest.CaptureFixture) -> None:
    with BuildBar() as bar:
        pass
    assert capsys.readouterr().err == ''
    with BuildBar() as bar:
        bar('Optimizing graph', 0.25)
        bar('Timing tactics', 0.5)
    last = capsys.readouterr().err.split('\r')[-1]
    assert 'TensorRT: Timing tactics' in last and ' 50 %' in last


def test_images_are_taken_from_all_over_the_source(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for number in range(250):
        cv2.imwrite(str(tmp_path / f'{number:03}.png'), np.full((4, 8, 3), number, np.uint8))
    (tmp_path / '005.png').write_bytes(b'broken')
    images = spread_images(str(tmp_path), '', (32, 64))
    assert {image.shape for image in images} == {(1, 32, 64, 3)}
    taken = [int(image.max()) for image in images]
    assert (taken[:3], taken[-1], len(taken)) == ([0, 2, 8], 248, 99)
    assert set(np.diff(taken[3:])) == {2, 3}
    assert 'frame 5 is left out: compressed image of 6 bytes' in capsys.readouterr().err


def test_images_are_for_int8_only(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert export(model_folder, '--openvino', '--images', str(tmp_path)) == 1
    assert (
        'expected --precision int8 and one of --openvino and --tensorrt' in capsys.readouterr().err
    )
    (tmp_path / 'a.png').write_bytes(b'broken')
    asked = ['--openvino', '--precision', 'int8', '--images', str(tmp_path)]
    assert export(model_folder, *asked) == 1
    assert 'has no whole image among 1; expected at least one' in capsys.readouterr().err
