"""Which frames the node works on: the newest, wanted, not too many and not too old."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from sfnet_ros.ros.counters import CAUSES  # noqa: E402

pytestmark = pytest.mark.timeout(120)


def image(stamp_s: float, frame_id: str = 'camera') -> Image:
    message = Image(encoding='mono8', height=48, width=64, step=64)
    message.header.frame_id = frame_id
    message.header.stamp.sec = int(stamp_s)
    message.header.stamp.nanosec = round(stamp_s % 1 * 1e9)
    message.data.frombytes(np.arange(48 * 64, dtype=np.uint8).tobytes())
    return message


def unaccounted(rig: Any) -> int:
    """Return how many frames went in, and were neither put out nor dropped."""
    done = ('frames out', *(f'dropped {cause}' for cause in CAUSES))
    return int(rig.said('frames in') or 0) - sum(int(rig.said(key) or 0) for key in done)


def now_s(graph: Any) -> float:
    return graph.node.get_clock().now().nanoseconds / 1e9


def test_the_newest_frame_wins(
    start_rig: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    """A large input makes the network slower than the camera."""
    rig = start_rig(weights=model_folder, input_height=512, input_width=1024)
    rig.label(graph.image(picture, 0))
    for number in range(1, 31):
        rig.camera.publish(graph.image(picture, number))
        graph.spin(0.01)
    last = graph.image(picture, 30).header
    assert graph.spin_until(lambda: rig.labels[-1].header == last)
    stamps = [label.header.stamp.sec for label in rig.labels]
    assert stamps == sorted(stamps), 'the order is that of the camera'
    assert len(stamps) < 30

    assert graph.spin_until(lambda: int(rig.said('frames in') or 0) >= 31)
    rig.said.refresh()
    assert graph.spin_until(lambda: unaccounted(rig) == 0)
    assert int(rig.said('dropped superseded') or 0) > 5
    assert int(rig.said('frames out') or 0) == len(rig.labels)


@pytest.mark.parametrize('lazy', [True, False])
def test_nothing_is_computed_that_nobody_wants(
    start_segmenter: Callable, graph: Any, model_folder: Path, quick: str, lazy: bool
) -> None:
    process = start_segmenter(weights=model_folder, backend=quick, lazy=str(lazy).lower())
    said = graph.diagnostics()
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    assert graph.spin_until(publisher.get_subscription_count)
    key, other = ('dropped unwanted', 'frames out') if lazy else ('frames out', 'dropped unwanted')

    def counted() -> bool:
        publisher.publish(image(1.0))
        graph.spin(0.1)
        return int(said(key) or 0) >= 3

    assert graph.spin_until(counted)
    assert said(other) == '0'
    if not lazy:
        return
    overlays = graph.collect(Image, '/segmentation/overlay')
    graph.exchange(publisher, image(3.0), overlays)


def test_old_frames_are_dropped_and_counted(
    start_rig: Callable, graph: Any, model_folder: Path, quick: str
) -> None:
    rig = start_rig(weights=model_folder, backend=quick)
    rig.label(image(1.0))

    assert graph.set_at_once(max_age_s=5.0).successful
    served = len(rig.labels)
    for number in range(3):
        rig.camera.publish(image(now_s(graph) - 60 - number))
        graph.spin(0.3)
    assert graph.spin_until(lambda: rig.said('dropped too old') == '3')
    assert len(rig.labels) == served
    assert 60 <= float(rig.said('age [s]')) < 90
    # Fresh ones pass; so do those without a stamp, and those that are ahead of the clock.
    for stamp_s in (now_s(graph), 0.0, now_s(graph) + 60):
        rig.label(image(stamp_s, f'{stamp_s}'))
    assert graph.set_at_once(max_age_s=0.0).successful
    rig.label(image(2.0))
    assert graph.spin_until(lambda: int(rig.said('frames out') or 0) == len(rig.labels))
    assert rig.said('dropped too old') == '3'


def test_all_too_old_is_a_warning(
    start_rig: Callable, graph: Any, model_folder: Path, quick: str
) -> None:
    """A bag is played to a node that goes by the time of today."""
    rig = start_rig(weights=model_folder, backend=quick, max_age_s=5.0)
    assert graph.spin_until(rig.camera.get_subscription_count)

    def warned() -> bool:
        rig.camera.publish(image(1000.0))
        graph.spin(0.1)
        return 'all frames are older than max_age_s' in rig.said('message')

    assert graph.spin_until(warned)


def test_a_bag_that_begins_again(
    start_rig: Callable, graph: Any, model_folder: Path, quick: str
) -> None:
    """Simulated time jumps back: frames go by the new time at once, and diagnostics go on."""
    rig = start_rig(weights=model_folder, backend=quick, max_age_s=1.0, use_sim_time='true')
    clock = graph.node.create_publisher(Clock, '/clock', 5)
    assert graph.spin_until(clock.get_subscription_count)

    def set_clock(seconds: int) -> None:
        message = Clock()
        message.clock.sec = seconds
        for _ in range(3):
            clock.publish(message)
            graph.spin(0.1)

    set_clock(1000)
    rig.label(image(1000.5, 'first'))
    dropped = int(rig.said('dropped too old') or 0)
    rig.camera.publish(image(500.25, 'of the next round, before its time'))
    assert graph.spin_until(lambda: int(rig.said('dropped too old') or 0) == dropped + 1)
    set_clock(500)
    label = rig.label(image(500.25, 'second'))
    assert label.header.frame_id == 'second'
    rig.label(image(1000.5, 'of the last round'))
    set_clock(503)
    rig.camera.publish(image(500.25, 'late'))
    assert graph.spin_until(lambda: int(rig.said('dropped too old') or 0) == dropped + 2)
    assert 'late' not in [label.header.frame_id for label in rig.labels]


def test_the_rate_is_limited_live(
    start_rig: Callable, graph: Any, model_folder: Path, quick: str
) -> None:
    rig = start_rig(weights=model_folder, backend=quick, max_rate_hz=2.0)
    rig.label(image(1.0))
    served = len(rig.labels)
    for number in range(30):
        rig.camera.publish(image(2.0 + number))
        graph.spin(0.1)
    # Slow machines stretch the three seconds, they do not shorten them.
    assert 4 <= len(rig.labels) - served
    assert graph.spin_until(lambda: int(rig.said('dropped rate') or 0) >= 15)
    assert graph.set_at_once(max_rate_hz=0.0).successful
    rig.said.refresh()
    limited = int(rig.said('dropped rate') or 0)
    served = len(rig.labels)
    for number in range(10):
        rig.label(image(100.0 + number))
    assert len(rig.labels) - served >= 10
    rig.said.refresh()
    assert int(rig.said('dropped rate') or 0) == limited


def test_what_waits_at_deactivation_is_counted(
    start_rig: Callable, graph: Any, model_folder: Path
) -> None:
    """Every frame in is a frame out or a drop, also at the end; the stages add up to the whole."""
    rig = start_rig(weights=model_folder, input_height=512, input_width=768)
    rig.label(image(1.0))
    graph.node.create_timer(0.01, lambda: rig.camera.publish(image(2.0)))
    # Now and then the node stops in the moment between two frames.
    for _ in range(6):
        served = len(rig.labels)
        assert graph.spin_until(lambda served=served: len(rig.labels) > served)
        assert graph.change_state('deactivate')
        rig.said.refresh()
        if int(rig.said('dropped no model') or 0) > 0:
            break
        assert graph.change_state('activate')
    assert int(rig.said('dropped no model') or 0) > 0
    # A frame that took too long to be waited for is counted when it is done.
    assert graph.spin_until(lambda: unaccounted(rig) == 0)
    for name in ('latency', 'wait', 'convert', 'infer', 'publish'):
        p50, p95, p99 = (float(rig.said(f'{name} p{part} [ms]')) for part in (50, 95, 99))
        assert 0 <= p50 <= p95 <= p99
    assert float(rig.said('infer p50 [ms]')) > 10
    assert float(rig.said('latency p99 [ms]')) >= float(rig.said('infer p99 [ms]'))
