"""The publishers of the node, and what each of them shows."""

from collections.abc import Callable, Collection
import json

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

from .messages import from_array, to_png
from .serving import Serving
from ..taxonomies import UNLABELLED

PICTURES = {
    'label': Image,
    'label/compressed': CompressedImage,
    'color': Image,
    'overlay': Image,
}


class Outputs:
    """
    Publishes labels and what people look at, each only when it is wanted.

    :param prefix: of the names of the topics, such as ``front/``.
    """

    def __init__(self, node: LifecycleNode, prefix: str) -> None:
        self._node = node
        # Reliable serves best-effort readers too; best effort would lose large labels.
        self._pictures = {
            name: node.create_lifecycle_publisher(
                message_type,
                f'{prefix}segmentation/{name}',
                _reliable(depth=5),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for name, message_type in PICTURES.items()
        }
        latched = _reliable(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._classes = node.create_lifecycle_publisher(
            String, f'{prefix}segmentation/classes', latched
        )

    @property
    def topics(self) -> list[str]:
        """The resolved names of all topics."""
        return [publisher.topic_name for publisher in (*self._pictures.values(), self._classes)]

    def wanted(self) -> set[str]:
        """Return the pictures that someone subscribed to."""
        return {
            name
            for name, publisher in self._pictures.items()
            if publisher.get_subscription_count() > 0
        }

    def announce(self, serving: Serving) -> None:
        """Publish the names and colours of the classes, for all who come later as well."""
        self._classes.publish(String(data=describe_classes(serving)))

    def publish(
        self,
        serving: Serving,
        ids: np.ndarray,
        image: np.ndarray,
        header: Header,
        wanted: Collection[str],
        alpha: float,
    ) -> None:
        """
        Publish the wanted pictures under the header of the source image.

        :param ids: H x W uint8, as the model has them.
        :param image: H x W x 3 uint8 RGB, the source.
        :param alpha: weight of the colours in the overlay, 0..1.
        """
        ids, taxonomy = serving.translate(ids), serving.taxonomy
        make: dict[str, Callable[[], Image | CompressedImage]] = {
            'label': lambda: from_array(ids, header),
            'label/compressed': lambda: to_png(ids, header),
            'color': lambda: from_array(taxonomy.colorize(ids), header),
            'overlay': lambda: from_array(taxonomy.overlay(ids, image, alpha), header),
        }
        for name in PICTURES:
            if name in wanted:
                self._pictures[name].publish(make[name]())

    def destroy(self) -> None:
        """Take the topics off the graph."""
        for publisher in (*self._pictures.values(), self._classes):
            self._node.destroy_lifecycle_publisher(publisher)


def describe_classes(serving: Serving) -> str:
    """Return the content of segmentation/classes: JSON with every class and the model."""
    backend, facts, taxonomy = serving.backend, serving.backend.facts, serving.taxonomy
    classes = zip(taxonomy.classes, taxonomy.colors, strict=True)
    return json.dumps(
        {
            'name': facts.name,
            'taxonomy': taxonomy.name,
            'output_ids': serving.asked['output_ids'],
            'unlabelled': UNLABELLED,
            'classes': [
                {'id': number, 'name': name, 'color': [int(value) for value in color]}
                for number, (name, color) in enumerate(classes)
            ],
            'model': {
                'network': facts.network,
                'backbone': facts.backbone,
                'input_height': backend.input_size[0],
                'input_width': backend.input_size[1],
                'backend': backend.name,
                'device': backend.device,
                'precision': backend.precision,
            },
        }
    )


def _reliable(depth: int, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=durability,
    )
