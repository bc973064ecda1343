"""The process of the node: how it ends, and what it refuses at start."""

from collections.abc import Callable
from pathlib import Path
import signal
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from sensor_msgs.msg import Image  # noqa: E402

pytestmark = pytest.mark.timeout(120)
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LIMIT_S = 3.0


def end(process: Any, number: int) -> None:
    """Send a signal; the process must end well and in time."""
    sent_s = time.monotonic()
    process.signal(number)
    assert process.wait() == 0, process.log
    assert time.monotonic() - sent_s < LIMIT_S
    assert 'Traceback' not in process.log
    assert 'rror' not in process.log, process.log


@pytest.mark.parametrize('number', SIGNALS)
@pytest.mark.parametrize('autostart', ['true', 'false'])
def test_an_idle_node_ends(
    start_segmenter: Callable, model_folder: Path, quick: str, number: int, autostart: str
) -> None:
    process = start_segmenter(weights=model_folder, backend=quick, autostart=autostart)
    process.wait_for('reading /' if autostart == 'true' else 'malloc: ')
    time.sleep(0.5)
    end(process, number)


@pytest.mark.parametrize('delay_s', [0.0, 0.4])
@pytest.mark.parametrize('number', SIGNALS)
def test_a_node_ends_while_it_loads(
    start_segmenter: Callable, model_folder: Path, number: int, delay_s: float
) -> None:
    process = start_segmenter(weights=model_folder)
    process.wait_for('malloc: ')
    time.sleep(delay_s)
    assert 'reading /' not in process.log
    end(process, number)


@pytest.mark.parametrize('size', [256, 1536])
@pytest.mark.parametrize('number', SIGNALS)
def test_a_node_ends_while_it_works(
    start_segmenter: Callable, graph: Any, model_folder: Path, number: int, size: int
) -> None:
    """Also when the frame at work takes about as long as one waits."""
    process = start_segmenter(weights=model_folder, input_height=size, input_width=size)
    graph.collect(Image, '/segmentation/label')
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    assert graph.spin_until(publisher.get_subscription_count)
    message = Image(encoding='mono8', height=64, width=64, step=64)
    message.data.frombytes(bytes(4096))
    for _ in range(20):
        publisher.publish(message)
        graph.spin(0.05)
    end(process, number)


@pytest.mark.parametrize('delay_s', [0, 0.01, 0.1, 0.3])
def test_a_second_signal_does_not_hurt(
    start_segmenter: Callable, model_folder: Path, quick: str, delay_s: float
) -> None:
    process = start_segmenter(weights=model_folder, backend=quick)
    process.wait_for('reading /')
    process.signal(signal.SIGINT)
    time.sleep(delay_s)
    end(process, signal.SIGINT)


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
