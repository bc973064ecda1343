"""What the node says where no image comes, or where two ends of a topic do not match."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

pytestmark = pytest.mark.timeout(120)


def test_a_silence_is_explained(
    start_segmenter: Callable, graph: Any, model_folder: Path, quick: str
) -> None:
    """Nobody publishes what the node reads, but another topic has images."""
    camera = graph.node.create_publisher(Image, '/camera/image_raw', 5)
    process = start_segmenter(weights=model_folder, backend=quick)
    said = graph.diagnostics()
    process.wait_for(
        f'no one publishes it. Topics with images are {camera.topic_name}: remap image to one'
    )
    assert graph.spin_until(lambda: 'no image on /image for' in said('message'))
    assert said('level') == 'warn'


def test_publishers_that_do_not_match_are_explained(
    start_segmenter: Callable, graph: Any, model_folder: Path, quick: str
) -> None:
    """The user asked for reliable images, the camera is best effort."""
    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    camera = graph.node.create_publisher(Image, '/image', best_effort)
    reliable = {'qos_overrides./image.subscription.reliability': 'reliable'}
    process = start_segmenter(weights=model_folder, backend=quick, **reliable)
    process.wait_for('offers a quality of service that this subscription does not accept')
    process.wait_for(
        'Offered: /tester (sensor_msgs/msg/Image, best_effort, volatile). '
        'Asked for: /segmenter (sensor_msgs/msg/Image, reliable, volatile)'
    )
    process.wait_for('1 publisher(s) seen: /tester (sensor_msgs/msg/Image, best_effort, volatile)')
    assert 'RELIABILITY' in process.log
    assert camera.get_subscription_count() == 0


def test_subscribers_that_do_not_match_are_explained(
    start_segmenter: Callable, graph: Any, model_folder: Path, quick: str
) -> None:
    """A viewer asks for latched masks, which are not kept for who comes late."""
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    process = start_segmenter(weights=model_folder, backend=quick)
    process.wait_for('reading /')
    labels = graph.collect(Image, '/segmentation/label', latched)
    process.wait_for('asks for a quality of service that is not offered (DURABILITY')
    process.wait_for(
        'Offered: /segmenter (sensor_msgs/msg/Image, reliable, volatile). '
        'Asked for: /tester (sensor_msgs/msg/Image, reliable, transient_local)'
    )
    assert 'qos_overrides./segmentation/label.publisher.*' in process.log
    assert labels == []
