"""
What measures the node from outside: a camera, a receiver of masks, and the bare backend.

Each is a process of its own, which does one thing every time it is asked to.
"""

from collections.abc import Callable
import json
import os
import signal
import sys
import threading
import time
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image

from . import transport
from .. import inference
from ..errors import SfnetError
from ..inference.conversation import Partner, serve, Service
from ..inference.parity import parity_image

_CHANNELS = {'rgb8': 3, 'bgr8': 3, 'mono8': 1}
ENCODINGS = (*_CHANNELS, 'jpeg')
_SECOND_NS = 10**9


class Camera:
    """Publishes pictures best effort; the stamp is the monotonic clock just before."""

    def __init__(self, height: int, width: int, encoding: str) -> None:
        self._node = _node('camera')
        kind, topic = (CompressedImage, '/compressed') if encoding == 'jpeg' else (Image, '')
        self._publisher = self._node.create_publisher(kind, f'image{topic}', _BEST_EFFORT)
        self._message = camera_message(parity_image((height, width))[0], encoding)
        self.ready: dict[str, Any] = {}

    def run(self, frames: int, rate_hz: float) -> dict[str, Any]:
        """Publish at a rate; returns the stamps, in ns."""
        _wait_until(self._publisher.get_subscription_count, 'no node reads the images')
        stamps_ns = []
        due_s = time.monotonic()
        for _ in range(frames):
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s += 1 / rate_hz
            stamps_ns.append(time.monotonic_ns())
            stamp = self._message.header.stamp
            stamp.sec, stamp.nanosec = divmod(stamps_ns[-1], _SECOND_NS)
            self._publisher.publish(self._message)
        return {'stamps_ns': stamps_ns}

    def close(self) -> None:
        """Leave the graph."""
        rclpy.try_shutdown()


class Receiver:
    """Notes when each mask came, and what the node says of itself."""

    def __init__(self, height: int, width: int) -> None:
        self._size = (height, width)
        self._arrivals: list[tuple[int, int]] = []
        self._wrong = 0
        self._values: dict[str, str] = {}
        self._node = _node('receiver')
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._node.create_subscription(Image, 'segmentation/label', self._take, reliable)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._note, reliable)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        self.ready: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        """Return what came since the last time: pairs of stamp and arrival, in ns."""
        masks = lambda: self._node.count_publishers('segmentation/label')  # noqa: E731
        _wait_until(masks, 'no node publishes masks')
        arrivals, self._arrivals = self._arrivals, []
        return {'arrivals_ns': arrivals, 'wrong': self._wrong, 'diagnostics': self._values}

    def close(self) -> None:
        """Leave the graph."""
        rclpy.try_shutdown()
        # A thread that still spins would abort the process at its end.
        self._thread.join(5)

    def _take(self, message: Image) -> None:
        arrived_ns = time.monotonic_ns()
        stamp = message.header.stamp
        self._arrivals.append((stamp.sec * _SECOND_NS + stamp.nanosec, arrived_ns))
        self._wrong += (message.height, message.width) != self._size

    def _note(self, message: DiagnosticArray) -> None:
        self._values = {item.key: item.value for item in message.status[0].values}

    def _spin(self) -> None:
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        try:
            executor.spin()
        except ExternalShutdownException:
            pass


class Bare:
    """
    The backend alone, as anyone would call it from Python.

    Malloc is set as in the node, which makes it faster: the difference is to be that of ROS.
    """

    def __init__(
        self, height: int, width: int, weights: str, size: tuple[int, int], backend: str,
        precision: str,
    ) -> None:  # fmt: skip
        transport.prepare(os.environ)
        self._backend = inference.load(
            weights, '', '', '', *size, backend=backend, precision=precision
        )
        self._images = parity_image((height, width))
        self._backend.infer(self._images)
        self.ready: dict[str, Any] = {
            'model': self._backend.facts.name,
            'backend': self._backend.name,
            'device': self._backend.device,
            'precision': self._backend.precision,
            'input_size': self._backend.input_size,
        }

    def run(self, frames: int) -> dict[str, Any]:
        """Return how long each call took, and all of them together, in seconds."""
        times_s = [time.perf_counter()]
        for _ in range(frames):
            self._backend.infer(self._images)
            times_s.append(time.perf_counter())
        return {'times_s': np.diff(times_s).tolist()}

    def close(self) -> None:
        """Free the backend."""
        self._backend.close()


_BEST_EFFORT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.BEST_EFFORT
)
_ROLES: dict[str, Callable[..., Service]] = {'camera': Camera, 'receiver': Receiver, 'bare': Bare}
_MATCH_TIMEOUT_S = 120.0


def start_probe(role: str, **arguments: Any) -> Partner:
    """Start a probe as a process: camera, receiver or bare, with the arguments of its class."""
    return Partner(role, __name__, role, json.dumps(arguments))


def _node(name: str) -> Node:
    transport.prepare(os.environ)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    return rclpy.create_node(name)


def camera_message(image: np.ndarray, encoding: str) -> Image | CompressedImage:
    """Return H x W x 3 uint8 RGB as a camera would send it; encoding is one of ENCODINGS."""
    if encoding == 'jpeg':
        message = CompressedImage(format='rgb8; jpeg compressed bgr8')
        message.data.frombytes(cv2.imencode('.jpg', image[:, :, ::-1])[1].tobytes())
        return message
    if encoding != 'rgb8':
        gray = encoding == 'mono8'
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY if gray else cv2.COLOR_RGB2BGR)
    height, width = image.shape[:2]
    message = Image(height=height, width=width, encoding=encoding)
    message.step = width * _CHANNELS[encoding]
    message.data.frombytes(np.ascontiguousarray(image).data)
    return message


def _wait_until(condition: Any, otherwise: str) -> None:
    deadline_s = time.monotonic() + _MATCH_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise SfnetError(f'{otherwise}: waited {_MATCH_TIMEOUT_S:.0f} s')
        time.sleep(0.05)


if __name__ == '__main__':
    # The terminal's SIGINT goes to all; who started this closes stdin then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(serve(lambda: _ROLES[sys.argv[1]](**json.loads(sys.argv[2]))))
