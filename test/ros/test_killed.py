"""A node that was killed serves again when it is started again, without any cleaning."""

from collections.abc import Callable
from pathlib import Path
import signal
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from sensor_msgs.msg import Image  # noqa: E402

pytestmark = pytest.mark.timeout(300)
# Larger than the shared memory that Fast DDS has by default.
HEIGHT, WIDTH = 600, 800


def image(number: int) -> Image:
    message = Image(encoding='mono8', height=HEIGHT, width=WIDTH, step=WIDTH)
    message.header.frame_id = f'camera {number}'
    message.data.frombytes(np.arange(HEIGHT * WIDTH, dtype=np.uint8).tobytes())
    return message


def test_a_node_that_is_killed_serves_again(
    start_segmenter: Callable[..., Any], graph: Any, model_folder: Path, quick: str
) -> None:
    """It is killed while images come and masks go, and what it had in shared memory stays."""
    labels = graph.collect(Image, '/segmentation/label')
    publisher = graph.node.create_publisher(Image, '/image', 5)
    masks = []
    for number in range(3):
        process = start_segmenter(weights=model_folder, backend=quick)
        process.wait_for('reading /')
        masks.append(graph.exchange(publisher, image(number), labels).data)
        for _ in range(5):
            publisher.publish(image(number))
            graph.spin(0.02)
        process.signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert masks[0] == masks[1] == masks[2]


def test_a_node_that_is_killed_while_it_converts_a_model_starts_again(
    start_segmenter: Callable[..., Any],
    graph: Any,
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it left in the cache, its lock included, does not keep the next one."""
    pytest.importorskip('openvino')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    process = start_segmenter(weights=model_folder, backend='openvino')
    deadline_s = time.monotonic() + 120
    while not list(tmp_path.glob('sfnet_ros/.*.onnx.lock')):
        assert time.monotonic() < deadline_s, process.log
        time.sleep(0.001)
    process.signal(signal.SIGKILL)
    process.wait()
    assert 'reading /' not in process.log
    assert not list(tmp_path.glob('sfnet_ros/*.onnx')), 'it was killed before the file was whole'

    labels = graph.collect(Image, '/segmentation/label')
    publisher = graph.node.create_publisher(Image, '/image', 5)
    again = start_segmenter(weights=model_folder, backend='openvino')
    again.wait_for('reading /', 120)
    graph.exchange(publisher, image(0), labels)
    assert 'rror' not in again.log
