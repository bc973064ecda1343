"""A subscriber that remembers what a segmenter publishes: labels, some pictures, diagnostics."""

import json
import subprocess
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String

from ..errors import SfnetError

PICTURE_WIDTH = 640
_MOST_PICTURES = 24
_MOST_LABELS = 200
_COUNTS = ('frames in', 'frames out')


class Recorder(Node):
    """
    Keeps labels by stamp, overlays evenly spread over the time, and the last diagnostics.

    :param segmenter: the full name of the node that it listens to.
    :param overlays: whether to ask for overlays, which costs the segmenter time.
    """

    def __init__(self, segmenter: str = '/segmenter', overlays: bool = True) -> None:
        namespace, _, _ = segmenter.rpartition('/')
        super().__init__('recorder', namespace=namespace)
        self._status = f'{segmenter.lstrip("/")}: segmentation'
        self.classes: list[dict] = []
        self.model = ''
        self.taxonomy = ''
        self.labels: dict[int, np.ndarray] = {}
        self.pictures: list[np.ndarray] = []
        self.values: dict[str, str] = {}
        self._previous: dict[str, str] = {}
        self._seen = 0
        self._stride = 1
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        latched = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        self.create_subscription(String, 'segmentation/classes', self._take_classes, latched)
        self.create_subscription(Image, 'segmentation/label', self.take_label, reliable)
        if overlays:
            self.create_subscription(Image, 'segmentation/overlay', self._take_overlay, reliable)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._take_diagnostics, reliable)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)

    def spin(self, timeout_s: float) -> None:
        """Handle what arrives within the time."""
        self._executor.spin_once(timeout_sec=timeout_s)

    def wait_until_ready(self, timeout_s: float, segmenter: subprocess.Popen | None) -> None:
        """
        Wait for the class names, which an active segmenter publishes; raises SfnetError.

        :param segmenter: its process, None where it was started by someone else.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self.classes:
            if segmenter and segmenter.poll() is not None:
                raise SfnetError('the segmenter ended before it was ready; its log above says why')
            if time.monotonic() > deadline_s or not rclpy.ok():
                raise SfnetError(
                    f'the segmenter was not ready within {timeout_s:.0f} s; its log above says why'
                )
            self.spin(0.1)

    def wait_until_settled(self, timeout_s: float) -> None:
        """Wait until the node has dealt with every frame that reached it, or the time is over."""
        deadline_s = time.monotonic() + timeout_s
        self._previous = {}
        while time.monotonic() < deadline_s:
            self.spin(0.1)
            done = self._count('frames out') + sum(self._drops().values())
            counts = [(self._previous.get(key), self.values.get(key)) for key in _COUNTS]
            # The same in two reports: nothing is on its way any more.
            if done == self._count('frames in') and all(one == other for one, other in counts):
                return

    def figures(self) -> dict:
        """Return the node's own counts, and its latency from image received to mask published."""
        return {
            'frames_in': self._count('frames in'),
            'frames_out': self._count('frames out'),
            'masks_received': self._seen,
            'drops': self._drops(),
            'latency_p50_ms': float(self.values.get('latency p50 [ms]', 'nan')),
            'latency_p95_ms': float(self.values.get('latency p95 [ms]', 'nan')),
            'backend': self.values.get('backend', ''),
            'device': self.values.get('device', ''),
            'precision': self.values.get('precision', ''),
            'model': self.values.get('model', ''),
        }

    def _count(self, key: str) -> int:
        return int(self.values.get(key, 0))

    def _drops(self) -> dict[str, int]:
        prefix = 'dropped '
        return {
            key.removeprefix(prefix): int(value)
            for key, value in self.values.items()
            if key.startswith(prefix)
        }

    def _take_classes(self, message: String) -> None:
        content = json.loads(message.data)
        self.classes = content['classes']
        self.taxonomy = content['taxonomy']
        self.model = f'{content["name"]}, {content["model"]}'

    def take_label(self, message: Image) -> None:
        """Keep a label, of the first ones."""
        self._seen += 1
        stamp = message.header.stamp
        if len(self.labels) < _MOST_LABELS:
            ids = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)
            self.labels[stamp.sec * 10**9 + stamp.nanosec] = ids

    def _take_overlay(self, message: Image) -> None:
        if self._seen % self._stride == 0:
            image = np.frombuffer(message.data, np.uint8)
            image = image.reshape(message.height, message.width, 3)
            height = round(PICTURE_WIDTH * message.height / message.width)
            size = (PICTURE_WIDTH, height)
            self.pictures.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        if len(self.pictures) > _MOST_PICTURES:
            self.pictures = self.pictures[::2]
            self._stride *= 2

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status:
                self._previous = self.values
                self.values = {item.key: item.value for item in status.values}
