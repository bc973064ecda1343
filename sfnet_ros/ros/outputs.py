"""The publishers of the node, and what each of them shows."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String

from .calibration import resized
from .classes import describe_classes, label_info, LabelInfo
from .explanations import explain_incompatible_subscription, warn_of_incompatible
from .messages import from_array, to_png
from .serving import Serving
from ..inference.flow import flow_picture

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks

# What is made of a frame by the network, and what goes beside it.
PICTURES = {
    'label': Image,
    'label/compressed': CompressedImage,
    'color': Image,
    'overlay': Image,
    'confidence': Image,
    'flow': Image,
}
_OF_FRAMES = PICTURES | {'camera_info': CameraInfo}
# Latched; label_info only where its message is installed.
_OF_MODELS = {'classes': String} | ({'label_info': LabelInfo} if LabelInfo else {})


@dataclass(frozen=True)
class Result:
    """
    A frame and what the model says of it; the arrays are those of Prediction, without the N.

    :param image: H x W x 3 uint8 RGB, at the size of the outputs.
    """

    header: Header
    image: np.ndarray
    ids: np.ndarray
    confidence: np.ndarray | None
    flow: np.ndarray | None


class Outputs:
    """
    Publishes labels and what people look at, each only when it is wanted.

    :param prefix: of the names of the topics, such as ``front/``.
    """

    def __init__(self, node: LifecycleNode, prefix: str) -> None:
        self._node = node
        # Reliable serves best-effort readers too; best effort would lose large labels.
        self._of_frames = {
            name: self._publisher(f'{prefix}segmentation/{name}', message_type, _reliable(5))
            for name, message_type in _OF_FRAMES.items()
        }
        latched = DurabilityPolicy.TRANSIENT_LOCAL
        self._of_models = {
            name: self._publisher(
                f'{prefix}segmentation/{name}', message_type, _reliable(1, latched)
            )
            for name, message_type in _OF_MODELS.items()
        }

    @property
    def topics(self) -> list[str]:
        """The resolved names of all topics."""
        return [publisher.topic_name for publisher in self._publishers]

    def wanted(self) -> set[str]:
        """Return what someone subscribed to, of that which is made of frames."""
        return {
            name
            for name, publisher in self._of_frames.items()
            if publisher.get_subscription_count() > 0
        }

    def announce(self, serving: Serving) -> None:
        """Publish the names of the classes, for all who come later as well."""
        self._of_models['classes'].publish(String(data=describe_classes(serving)))
        if 'label_info' in self._of_models:
            stamp = self._node.get_clock().now().to_msg()
            self._of_models['label_info'].publish(label_info(serving, stamp))

    def publish_calibration(
        self, info: CameraInfo, header: Header, size: tuple[int, int], new_size: tuple[int, int]
    ) -> None:
        """Publish the calibration of what is made of an image, as ``calibration.resized``."""
        self._of_frames['camera_info'].publish(resized(info, header, size, new_size))

    def publish(
        self, serving: Serving, result: Result, wanted: Collection[str], alpha: float
    ) -> None:
        """
        Publish the wanted pictures under the header of the source image.

        :param wanted: names of PICTURES; what the result has nothing of is left out.
        :param alpha: weight of the colours in the overlay, 0..1.
        """
        header, image, taxonomy = result.header, result.image, serving.taxonomy
        ids = serving.translate(result.ids, result.confidence)
        make: dict[str, Callable[[], Image | CompressedImage]] = {
            'label': lambda: from_array(ids, header),
            'label/compressed': lambda: to_png(ids, header),
            'color': lambda: from_array(taxonomy.colorize(ids), header),
            'overlay': lambda: from_array(taxonomy.overlay(ids, image, alpha), header),
        }
        if result.confidence is not None:
            make['confidence'] = partial(from_array, result.confidence, header)
        if result.flow is not None:
            make['flow'] = partial(_painted, result.flow, ids.shape, header)
        for name in make:
            if name in wanted:
                self._of_frames[name].publish(make[name]())

    def destroy(self) -> None:
        """Take the topics off the graph."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    @property
    def _publishers(self) -> list[LifecyclePublisher]:
        return [*self._of_frames.values(), *self._of_models.values()]

    def _publisher(self, topic: str, message_type: type, qos: QoSProfile) -> LifecyclePublisher:
        resolved = self._node.resolve_topic_name(topic)
        return self._node.create_lifecycle_publisher(
            message_type,
            topic,
            qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=PublisherEventCallbacks(
                incompatible_qos=lambda event: warn_of_incompatible(
                    self._node, resolved, event, explain_incompatible_subscription
                ),
                # The executor looks at every event twice a frame: a quarter of them were these.
                use_default_callbacks=False,
            ),
        )


def _painted(flow: np.ndarray, size: tuple[int, int], header: Header) -> Image:
    picture = cv2.resize(flow_picture(flow), size[::-1], interpolation=cv2.INTER_NEAREST)
    return from_array(picture, header)


def _reliable(depth: int, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=durability,
    )
