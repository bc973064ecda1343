"""The player as a process: what a subscriber gets is what was recorded, at its pace."""

from collections.abc import Callable
from pathlib import Path
import signal
import time
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')
pytest.importorskip('rosbags', reason='needs rosbags to write bags')

from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import get_typestore, Stores  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

pytestmark = pytest.mark.timeout(90)

PLAYER = 'sfnet_ros.ros.player'
BEST_EFFORT = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
PERIOD_S = 0.2
COUNT = 5


def message_number(number: int, compressed: bool) -> Image | CompressedImage:
    """Return a message of 691 KB of padded bgr8, or a png."""
    picture = np.random.default_rng(number).integers(0, 256, (359, 641, 3), dtype=np.uint8)
    message: Image | CompressedImage
    if compressed:
        message = CompressedImage(format='bgr8; png compressed bgr8')
        message.data.frombytes(cv2.imencode('.png', picture)[1].tobytes())
    else:
        rows = np.pad(picture.reshape(359, -1), ((0, 0), (0, 5)))
        message = Image(encoding='bgr8', height=359, width=641, step=rows.shape[1])
        message.data.frombytes(rows.tobytes())
    message.header.frame_id = f'front/{number}'
    message.header.stamp.sec, message.header.stamp.nanosec = 12 + number, 999_999_999 - number
    return message


def write_bag(path: Path, storage: StoragePlugin, compressed: bool) -> Path:
    store = get_typestore(Stores.ROS2_JAZZY)
    name = 'sensor_msgs/msg/CompressedImage' if compressed else 'sensor_msgs/msg/Image'
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection('/front/image', name, typestore=store)
        for number in range(COUNT):
            raw = serialize_message(message_number(number, compressed))
            writer.write(connection, round(number * PERIOD_S * 1e9), raw)
    return path


@pytest.mark.parametrize(
    ('storage', 'compressed', 'qos'),
    [
        (StoragePlugin.MCAP, False, 'best_effort'),
        (StoragePlugin.MCAP, True, 'reliable'),
        (StoragePlugin.SQLITE3, False, 'reliable'),
        (StoragePlugin.SQLITE3, True, 'best_effort'),
    ],
)
def test_a_bag_is_played_as_it_was_recorded(
    start: Callable,
    graph: Any,
    tmp_path: Path,
    storage: StoragePlugin,
    compressed: bool,
    qos: str,
) -> None:
    bag = write_bag(tmp_path / 'bag', storage, compressed)
    kind, topic = (CompressedImage, '/image/compressed') if compressed else (Image, '/image')
    found = graph.collect(kind, topic, BEST_EFFORT)
    process = start(PLAYER, str(bag), '--qos', qos)
    assert graph.spin_until(lambda: found)
    started_s = time.monotonic()
    assert graph.spin_until(lambda: len(found) == COUNT, 10), process.log
    # Wide, for a busy machine: at once would be 0 s.
    assert 0.3 < time.monotonic() - started_s < 2
    assert found == [message_number(number, compressed) for number in range(COUNT)]
    assert process.wait() == 0
    assert f'{COUNT} frames published on {topic}' in process.log
    assert f'{COUNT}/{COUNT}' in process.log, 'the progress bar'


def test_rate_and_raw(start: Callable, graph: Any, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', StoragePlugin.MCAP, compressed=True)
    found = graph.collect(Image, '/image', BEST_EFFORT)
    start(PLAYER, str(bag), '--rate', '0.5', '--raw')
    assert graph.spin_until(lambda: found)
    started_s = time.monotonic()
    assert graph.spin_until(lambda: len(found) == COUNT, 10)
    assert 1.1 < time.monotonic() - started_s < 3
    for number, message in enumerate(found):
        expected = message_number(number, compressed=True)
        assert message.header == expected.header
        assert (message.encoding, message.step) == ('rgb8', 641 * 3)
        picture = cv2.imdecode(np.frombuffer(expected.data, np.uint8), cv2.IMREAD_COLOR)
        assert bytes(message.data) == picture[:, :, ::-1].tobytes()


def test_a_video_is_stamped_now_and_loops(start: Callable, graph: Any, tmp_path: Path) -> None:
    path = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for number in range(4):
        writer.write(np.full((48, 64, 3), 60 * number, np.uint8))
    writer.release()
    found = graph.collect(Image, '/image', BEST_EFFORT)
    process = start(PLAYER, str(path), '--loop')
    assert graph.spin_until(lambda: len(found) >= 10)
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    assert 'Traceback' not in process.log
    greys = [round(np.mean(message.data) / 60) for message in found]
    first = greys[0]
    assert greys == [(first + number) % 4 for number in range(len(greys))]
    stamps_s = [message.header.stamp.sec + message.header.stamp.nanosec / 1e9 for message in found]
    assert stamps_s == sorted(stamps_s)
    assert abs(stamps_s[-1] - time.time()) < 10
    # The pause between the last frame and the first is one between frames too.
    assert np.mean(np.diff(stamps_s)) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_it_ends_while_it_waits(start: Callable, tmp_path: Path, number: int) -> None:
    process = start(PLAYER, str(write_bag(tmp_path / 'bag', StoragePlugin.MCAP, False)))
    process.wait_for('malloc: ')
    process.signal(number)
    assert process.wait(3) == 0
    assert 'Traceback' not in process.log


def test_without_a_subscriber_it_says_so(start: Callable, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', StoragePlugin.MCAP, False)
    process = start(PLAYER, str(bag), '--wait', '0.5')
    assert process.wait() == 1
    assert 'no one subscribed to /image within 0.5 s; expected a running segmenter' in process.log
    assert 'Traceback' not in process.log


@pytest.mark.parametrize(
    ('arguments', 'code', 'message'),
    [
        (['/missing.mcap'], 1, '/missing.mcap does not exist'),
        (['/missing.mcap', '--rate', '0'], 2, '0 is not above zero'),
        (['/missing.mcap', '--qos', 'best'], 2, 'invalid choice'),
    ],
)
def test_bad_arguments(start: Callable, arguments: list[str], code: int, message: str) -> None:
    process = start(PLAYER, *arguments)
    assert process.wait() == code
    assert message in process.log
    assert 'Traceback' not in process.log
