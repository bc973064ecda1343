"""The process of the node: what it refuses at start, and what it says then."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        (
            {'network': 'sfnet_light'},
            "network is 'sfnet_light'; expected one of '' (empty), sfnet",
        ),
        ({'backbone': 'resnet19'}, "backbone is 'resnet19'; expected one of"),
        ({'dataset': 'kitty'}, "dataset is 'kitty'; expected one of"),
        ({'backend': 'abacus'}, "backend is 'abacus'; expected one of auto"),
        ({'precision': 'fp8'}, "precision is 'fp8'; expected one of auto, fp32"),
        (
            {'precision': 'int8', 'backend': 'torch'},
            'the torch backend has no precision int8; expected auto, fp32, bf16 or fp16',
        ),
        ({'image_transport': 'theora'}, "'theora'; expected one of raw, compressed"),
        ({'input_height': 'tall'}, 'expecting type'),
        ({'input_height': 99999}, 'expected int in 0..8192'),
        ({'input_width': 7}, 'input_width is 7; expected a whole number of pixels, 32 or more'),
        ({'overlay_alpha': 1.5}, 'expected float in 0..1'),
        ({'lazy': 'maybe'}, 'expected a bool'),
        ({'weights': '/missing'}, "weights is '/missing': no such folder"),
        ({'backbone': 'stdc2'}, 'have backbone stdc1, but stdc2 was asked for'),
    ],
)
def test_bad_parameters_are_refused(
    start_segmenter: Callable, model_folder: Path, parameters: dict[str, object], message: str
) -> None:
    process = start_segmenter(**{'weights': model_folder} | parameters)
    assert process.wait() == 1, process.log
    assert message in process.log
    assert 'Traceback' not in process.log


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda data: data[: len(data) // 2], 'the file is damaged or was replaced'),
        (lambda data: b'', 'the file is damaged or was replaced'),
    ],
)
def test_damaged_weights_are_refused(
    start_segmenter: Callable,
    make_model: Callable[..., Path],
    damage: Callable[[bytes], bytes],
    message: str,
) -> None:
    folder = make_model()
    weights = folder / 'weights.safetensors'
    weights.write_bytes(damage(weights.read_bytes()))
    process = start_segmenter(weights=folder)
    assert process.wait() == 1
    assert 'cannot configure' in process.log
    assert message in process.log
    assert 'Traceback' not in process.log


@pytest.mark.parametrize(
    ('backbone', 'message'), [('stdc1', 'cannot be read'), ('stdc2', 'the weights do not fit')]
)
def test_a_bare_checkpoint_must_be_whole_and_fit(
    start_segmenter: Callable, model_folder: Path, tmp_path: Path, backbone: str, message: str
) -> None:
    data = (model_folder / 'weights.safetensors').read_bytes()
    path = tmp_path / 'mine.safetensors'
    path.write_bytes(data[:5000] if backbone == 'stdc1' else data)
    process = start_segmenter(weights=path, network='sfnet_lite', backbone=backbone)
    assert process.wait() == 1
    assert message in process.log, process.log
    assert 'Traceback' not in process.log


def test_a_misspelt_parameter_is_warned_of(
    start_segmenter: Callable, model_folder: Path, quick: str
) -> None:
    process = start_segmenter(weights=model_folder, backend=quick, netwrok='sfnet')
    process.wait_for('parameter netwrok is unknown and has no effect')
    process.wait_for('reading /')


def test_transport_and_malloc_are_said(start_segmenter: Callable, model_folder: Path) -> None:
    process = start_segmenter(weights=model_folder, autostart='false')
    process.wait_for('transport: left alone, FASTDDS_BUILTIN_TRANSPORTS=DEFAULT?sockets_size=4MB')
    process.wait_for('malloc: ')
    assert np.all([not line.startswith('Traceback') for line in process.lines])
