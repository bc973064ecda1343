"""One of the node's cameras: where its images come from, and where its masks go."""

from collections.abc import Callable
import time
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from .counters import Counters
from .explanations import explain_incompatible_publisher, warn_of_incompatible
from .gate import RateGate
from .messages import cv_bridge
from .outputs import Outputs
from .slots import Frame

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

_TOPICS = {'raw': (Image, 'image'), 'compressed': (CompressedImage, 'image/compressed')}


class Camera:
    """
    The subscriptions, the publishers and the counters of one camera.

    ``calibration`` is the latest that the camera published, None before.

    :param name: the namespace of its topics below the node's, '' for the only camera.
    """

    def __init__(self, node: LifecycleNode, name: str) -> None:
        self.name = name
        self.counters = Counters()
        self.gate = RateGate()
        self.calibration: CameraInfo | None = None
        self._node = node
        self._outputs: Outputs | None = None
        self._subscriptions: list[Subscription] = []

    @property
    def transport(self) -> str:
        """Whether raw or compressed images are read."""
        return self._node.get_parameter('image_transport').value

    @property
    def topic(self) -> str:
        """The resolved name of the topic that is read."""
        return self._node.resolve_topic_name(self._prefix + _TOPICS[self.transport][1])

    @property
    def outputs(self) -> Outputs:
        """The publishers; there are some from ``open`` to ``close``."""
        if self._outputs is None:
            raise RuntimeError('found a closed camera; expected it to be opened first')
        return self._outputs

    def open(self) -> None:
        """Offer the outputs."""
        self._outputs = Outputs(self._node, self._prefix)

    def subscribe(self, offer: Callable[[Frame], None]) -> None:
        """Begin to read images, and hand each one on."""
        self.counters.wait_anew()
        message_type, name = _TOPICS[self.transport]
        self._listen(
            message_type, name, lambda message: offer(Frame(message, self.name, time.monotonic()))
        )
        self._listen(CameraInfo, 'camera_info', self._calibrate)
        self._node.get_logger().info(
            f'reading {self.topic} ({self.transport}; {cv_bridge()[1]}), '
            f'publishing {", ".join(self.outputs.topics)}'
        )

    def unsubscribe(self) -> None:
        """Stop reading images."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self.calibration = None

    def close(self) -> None:
        """Take the outputs off the graph."""
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None

    @property
    def _prefix(self) -> str:
        return f'{self.name}/' if self.name else ''

    def _listen(self, message_type: type, name: str, callback: Callable[[Any], None]) -> None:
        topic = self._node.resolve_topic_name(self._prefix + name)
        subscription = self._node.create_subscription(
            message_type,
            self._prefix + name,
            callback,
            # Best effort and volatile match every publisher.
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.BEST_EFFORT
            ),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=lambda event: warn_of_incompatible(
                    self._node, topic, event, explain_incompatible_publisher
                )
            ),
        )
        self._subscriptions.append(subscription)

    def _calibrate(self, message: CameraInfo) -> None:
        self.calibration = message
