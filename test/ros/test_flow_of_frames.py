"""Which frames the node works on: their rate and age, on the graph, in real and simulated time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

pytestmark = pytest.mark.timeout(120)


def image(stamp_s: float, frame_id: str = 'camera') -> Image:
    message = Image(encoding='mono8', height=48, width=64, step=64)
    message.header.frame_id = frame_id
    message.header.stamp.sec = int(stamp_s)
    message.header.stamp.nanosec = round(stamp_s % 1 * 1e9)
    message.data.frombytes(np.arange(48 * 64, dtype=np.uint8).tobytes())
    return message


def now_s(graph: Any) -> float:
    return graph.node.get_clock().now().nanoseconds / 1e9


def test_old_frames_are_dropped_and_counted(
    start_segmenter: Callable, graph: Any, model_folder: Path
) -> None:
    process = start_segmenter(weights=model_folder)
    labels = graph.collect(Image, '/segmentation/label')
    diagnostics = graph.diagnostics()
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    graph.exchange(publisher, image(1.0), labels)

    assert graph.set_at_once(max_age_s=5.0).successful
    served = len(labels)
    for number in range(3):
        publisher.publish(image(now_s(graph) - 60 - number))
        graph.spin(0.3)
    assert graph.spin_until(lambda: diagnostics('dropped too old') == '3')
    assert len(labels) == served
    assert 60 <= float(diagnostics('age [s]')) < 90
    # Fresh ones pass; so do those without a stamp, and those that are ahead of the clock.
    for stamp_s in (now_s(graph), 0.0, now_s(graph) + 60):
        graph.exchange(publisher, image(stamp_s, f'{stamp_s}'), labels)
    assert graph.set_at_once(max_age_s=0.0).successful
    graph.exchange(publisher, image(2.0), labels)
    assert graph.spin_until(lambda: int(diagnostics('frames out')) == len(labels))
    assert diagnostics('dropped too old') == '3'


def test_all_too_old_is_a_warning(
    start_segmenter: Callable, graph: Any, model_folder: Path
) -> None:
    """A bag is played to a node that goes by the time of today."""
    process = start_segmenter(weights=model_folder, max_age_s=5.0)
    graph.collect(Image, '/segmentation/label')
    diagnostics = graph.diagnostics()
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    assert graph.spin_until(publisher.get_subscription_count)

    def warned() -> bool:
        publisher.publish(image(1000.0))
        graph.spin(0.1)
        return 'all frames are older than max_age_s' in diagnostics('message')

    assert graph.spin_until(warned)


def test_a_bag_that_begins_again(
    start_segmenter: Callable, graph: Any, model_folder: Path
) -> None:
    """Simulated time jumps back: frames go by the new time at once, and diagnostics go on."""
    process = start_segmenter(weights=model_folder, max_age_s=1.0, use_sim_time='true')
    labels = graph.collect(Image, '/segmentation/label')
    diagnostics = graph.diagnostics()
    publisher = graph.node.create_publisher(Image, '/image', 5)
    clock = graph.node.create_publisher(Clock, '/clock', 5)
    process.wait_for('reading /')
    assert graph.spin_until(clock.get_subscription_count)

    def set_clock(seconds: int) -> None:
        message = Clock()
        message.clock.sec = seconds
        for _ in range(3):
            clock.publish(message)
            graph.spin(0.1)

    set_clock(1000)
    graph.exchange(publisher, image(1000.5, 'first'), labels)
    dropped = int(diagnostics('dropped too old') or 0)
    publisher.publish(image(500.25, 'of the next round, before its time'))
    assert graph.spin_until(lambda: int(diagnostics('dropped too old')) == dropped + 1)
    set_clock(500)
    label = graph.exchange(publisher, image(500.25, 'second'), labels)
    assert label.header.frame_id == 'second'
    graph.exchange(publisher, image(1000.5, 'of the last round'), labels)
    set_clock(503)
    publisher.publish(image(500.25, 'late'))
    assert graph.spin_until(lambda: int(diagnostics('dropped too old')) == dropped + 2)
    assert 'late' not in [label.header.frame_id for label in labels]


def test_the_rate_is_limited_live(
    start_segmenter: Callable, graph: Any, model_folder: Path
) -> None:
    process = start_segmenter(weights=model_folder, max_rate_hz=2.0)
    labels = graph.collect(Image, '/segmentation/label')
    diagnostics = graph.diagnostics()
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    graph.exchange(publisher, image(1.0), labels)
    served = len(labels)
    for number in range(30):
        publisher.publish(image(2.0 + number))
        graph.spin(0.1)
    # Slow machines stretch the three seconds, they do not shorten them.
    assert 4 <= len(labels) - served
    assert graph.spin_until(lambda: int(diagnostics('dropped rate')) >= 15)
    assert graph.set_at_once(max_rate_hz=0.0).successful
    graph.spin(1.2)
    limited = int(diagnostics('dropped rate'))
    served = len(labels)
    for number in range(10):
        graph.exchange(publisher, image(100.0 + number), labels)
    assert len(labels) - served >= 10
    graph.spin(1.1)
    assert int(diagnostics('dropped rate')) == limited


def test_what_waits_at_deactivation_is_counted(
    start_segmenter: Callable, graph: Any, model_folder: Path
) -> None:
    """Every frame in is a frame out or a drop, also at the end; the stages add up to the whole."""
    process = start_segmenter(weights=model_folder, input_height=512, input_width=768)
    labels = graph.collect(Image, '/segmentation/label')
    diagnostics = graph.diagnostics()
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    graph.exchange(publisher, image(1.0), labels)
    graph.node.create_timer(0.01, lambda: publisher.publish(image(2.0)))
    # Now and then the node stops in the moment between two frames.
    for _ in range(6):
        served = len(labels)
        assert graph.spin_until(lambda served=served: len(labels) > served)
        assert graph.change_state('deactivate')
        graph.spin(1.2)
        if int(diagnostics('dropped no model')) > 0:
            break
        assert graph.change_state('activate')
    assert int(diagnostics('dropped no model')) > 0
    causes = ('superseded', 'rate', 'too old', 'unwanted', 'malformed', 'failed', 'no model')
    drops = [int(diagnostics(f'dropped {cause}')) for cause in causes]
    assert int(diagnostics('frames in')) == int(diagnostics('frames out')) + sum(drops)
    for name in ('latency', 'wait', 'convert', 'infer', 'publish'):
        p50, p95, p99 = (float(diagnostics(f'{name} p{part} [ms]')) for part in (50, 95, 99))
        assert 0 <= p50 <= p95 <= p99
    assert float(diagnostics('infer p50 [ms]')) > 10
    assert float(diagnostics('latency p99 [ms]')) >= float(diagnostics('infer p99 [ms]'))
