"""The thread that turns frames into results: it decodes, infers and publishes."""

import threading
import time
import traceback

from rclpy.node import Node

from .counters import Counters
from .messages import picture
from .outputs import Outputs
from .slot import Frame, Slot
from ..errors import ImageError
from ..inference import Backend

_WARN_EVERY_S = 5.0


class Worker:
    """Works on the newest frame of a slot until it is stopped; reads live parameters each time."""

    def __init__(self, node: Node, backend: Backend, outputs: Outputs, counters: Counters) -> None:
        self._node = node
        self._backend = backend
        self._outputs = outputs
        self._counters = counters
        self._slot = Slot()
        # A daemon, so that a network that hangs cannot keep the process.
        self._thread = threading.Thread(target=self._run, name='worker', daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Take a frame over from the subscription; costs nothing but a swap."""
        self._counters.receive(frame.received_s)
        if self._slot.put(frame):
            self._counters.drop('superseded')

    def stop(self, timeout_s: float) -> bool:
        """Let the frame at work end and stop; returns whether that was within the time."""
        self._slot.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (frame := self._slot.take()) is not None:
            try:
                self._work(frame)
            except ImageError as error:
                self._counters.drop('malformed')
                self._node.get_logger().warning(
                    f'image refused: {error}', throttle_duration_sec=_WARN_EVERY_S
                )
            except Exception:  # the frame's boundary: whatever it was, the next may be well
                self._counters.drop('failed')
                self._node.get_logger().error(
                    f'frame failed:\n{traceback.format_exc()}', throttle_duration_sec=_WARN_EVERY_S
                )

    def _work(self, frame: Frame) -> None:
        wanted = self._outputs.wanted()
        if not self._node.get_parameter('lazy').value:
            wanted.add('label')
        if not wanted:
            self._counters.drop('unwanted')
            return
        image = picture(frame.message)
        ids = self._backend.infer(image[None])[0]
        alpha = self._node.get_parameter('overlay_alpha').value
        self._outputs.publish(ids, image, frame.message.header, wanted, alpha)
        self._counters.publish(time.monotonic() - frame.received_s)
