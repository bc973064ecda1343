"""
The node at full load, while its model, size, palette and precision change again and again.

Ten minutes with a change every five seconds:
``SFNET_SOAK_S=600 SFNET_SOAK_PERIOD_S=5 pytest -s test/ros/test_soak.py``.
"""

from collections.abc import Callable
import json
import os
from pathlib import Path
import signal
import time
from typing import Any

import cv2
import numpy as np
import pytest
from sfnet_ros.inference.parity import parity_image

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import String  # noqa: E402

SOAK_S = float(os.environ.get('SFNET_SOAK_S', '20'))
PERIOD_S = float(os.environ.get('SFNET_SOAK_PERIOD_S', '0.5'))
MOST_GROWTH = 0.05
# One at work and one in its place, so that the node is never without. The next may come just
# before that one is taken, and push it out: the node has to have counted that.
OUTSTANDING = 2
REPLY_TIMEOUT_S = 20.0
SIZES = ((480, 640), (359, 641), (96, 160))
LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Load:
    """Keeps the node busy, and looks at every mask: in order, and of its image's size."""

    def __init__(self, graph: Any) -> None:
        best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.replies = self.superseded = 0
        self._graph = graph
        self._publisher = graph.node.create_publisher(Image, '/image', best_effort)
        self._labels = graph.collect(Image, '/segmentation/label')
        self._images = [message(parity_image(size)[0]) for size in SIZES]
        self._due: list[tuple[int, int, int]] = []
        self._sent = 0
        assert graph.spin_until(
            lambda: (
                self._publisher.get_subscription_count()
                and graph.node.count_publishers('/segmentation/label')
            )
        )

    def step(self) -> None:
        while len(self._due) < OUTSTANDING:
            self._send()
        self._receive()

    def _receive(self) -> None:
        reply = self._graph.spin_until(lambda: self._labels, REPLY_TIMEOUT_S)
        assert reply, f'no reply to {self._due[0]} after {self.replies} replies'
        for label in self._labels:
            number, height, width = self._due.pop(0)
            while number < label.header.stamp.sec:
                self.superseded += 1
                number, height, width = self._due.pop(0)
            assert (label.header.stamp.sec, label.header.stamp.nanosec) == (number, number + 1)
            assert label.header.frame_id == f'camera {number}'
            assert (label.encoding, label.height, label.width) == ('mono8', height, width)
            assert (label.step, len(label.data)) == (width, width * height)
            self.replies += 1
        self._labels.clear()

    def finish(self) -> None:
        """Wait for what is still due; the last one cannot be superseded."""
        while self._due:
            self._receive()

    def _send(self) -> None:
        image = self._images[self._sent % len(self._images)]
        image.header.frame_id = f'camera {self._sent}'
        image.header.stamp.sec, image.header.stamp.nanosec = self._sent, self._sent + 1
        self._publisher.publish(image)
        self._due.append((self._sent, image.height, image.width))
        self._sent += 1


def message(pixels: np.ndarray) -> Image:
    height, width = pixels.shape[:2]
    found = Image(encoding='bgr8', height=height, width=width, step=3 * width)
    found.data.frombytes(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR).tobytes())
    return found


def memory_mb(pid: int) -> float:
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


def threads(pid: int) -> int:
    return len(os.listdir(f'/proc/{pid}/task'))


def changes(small: Path) -> list[dict[str, Any]]:
    """Return the settings that follow each other; the shipped model agrees in every precision."""
    rest = {'weights': '', 'input_height': 64, 'input_width': 128, 'output_ids': 'train_id'}
    rest |= {'backend': 'torch', 'precision': 'fp32'}
    return [
        rest,
        rest | {'output_ids': 'label_id'},
        rest | {'weights': str(small), 'output_ids': 'autoware'},
        rest | {'input_height': 256, 'input_width': 512},
        rest | {'input_height': 256, 'input_width': 512, 'precision': 'bf16'},
        rest | {'backend': 'openvino'},
    ]


def serves(described: dict[str, Any], asked: dict[str, Any], small: Path) -> bool:
    """Return whether the announced classes and model are those that were asked for."""
    model, size = described['model'], (asked['input_height'], asked['input_width'])
    return (
        described['output_ids'] == asked['output_ids']
        and (described['name'] == small.name) == bool(asked['weights'])
        and (model['input_height'], model['input_width']) == size
        and (model['backend'], model['precision']) == (asked['backend'], asked['precision'])
    )


@pytest.mark.timeout(SOAK_S * 3 + 300)
@pytest.mark.slow
def test_the_node_serves_on_and_on(
    start_segmenter: Callable[..., Any], graph: Any, make_model: Callable[..., Path]
) -> None:
    small = make_model('small')
    cycle = changes(small)
    process = start_segmenter(**{**cycle[0], 'weights': "''"})
    diagnostics = graph.diagnostics()
    announced = graph.collect(String, '/segmentation/classes', LATCHED)
    process.wait_for('reading /')
    load = Load(graph)
    memory: list[float] = []
    counts: list[int] = []
    begun_s, number = time.monotonic(), 0
    # Whole cycles: the first is the warm-up, and two are to be compared.
    while number < 3 * len(cycle) or time.monotonic() < begun_s + SOAK_S or number % len(cycle):
        asked = cycle[(number + 1) % len(cycle)]
        number += 1
        assert graph.set_at_once(**asked).successful
        changed_s = time.monotonic()
        while time.monotonic() < changed_s + PERIOD_S or not serves(
            json.loads(announced[-1].data), asked, small
        ):
            load.step()
            assert time.monotonic() < changed_s + 60, f'{asked} not there:\n{process.log}'
        memory.append(memory_mb(process.pid))
        counts.append(threads(process.pid))
    load.finish()
    per_cycle = np.reshape(memory, (-1, len(cycle)))
    growth = per_cycle[-1].mean() / per_cycle[1].mean() - 1
    print(
        f'\n{number} changes in {time.monotonic() - begun_s:.0f} s, {load.replies} replies, '
        f'{load.superseded} superseded; '
        f'memory by cycle {per_cycle.mean(axis=1).round().tolist()} MB, {growth:+.1%} after '
        f'warm-up; threads at most {np.reshape(counts, (-1, len(cycle))).max(axis=1).tolist()}'
    )
    assert graph.spin_until(lambda: int(diagnostics('frames out') or 0) == load.replies)
    assert int(diagnostics('dropped superseded')) == load.superseded
    assert int(diagnostics('frames in')) == load.replies + load.superseded
    assert growth <= MOST_GROWTH
    assert max(counts[-len(cycle) :]) <= max(counts[: 2 * len(cycle)])
    for word in ('Traceback', 'rror', 'failed'):
        assert word not in process.log, process.log
    process.signal(signal.SIGINT)
    assert process.wait() == 0
