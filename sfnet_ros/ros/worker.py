"""The thread that turns frames into results: it decodes, infers and publishes."""

import threading
import time
import traceback

from rclpy.node import Node

from .counters import Counters
from .messages import picture
from .outputs import Outputs
from .serving import Serving
from .slot import Frame, Slot
from ..errors import ImageError
from ..inference import Backend

_WARN_EVERY_S = 5.0


class Worker:
    """Works on the newest frame of a slot until it is stopped; reads live parameters each time."""

    def __init__(self, node: Node, serving: Serving, outputs: Outputs, counters: Counters) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._serving = serving
        self._at_work: Backend | None = None
        self._retired: list[Backend] = []
        self._announced = True
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

    def replace(self, serving: Serving) -> None:
        """
        Let the next frame be worked on by another model, and announce its classes before that.

        A frame at work ends with the old model, which is freed then: this returns at once.
        """
        with self._lock:
            old, self._serving = self._serving.backend, serving
            self._announced = self._at_work is None
            if self._announced:
                self._outputs.announce(serving)
            unused = old is not serving.backend
            if unused and old is self._at_work:
                self._retired.append(old)
                unused = False
        if unused:
            old.close()

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
            finally:
                self._end_frame()

    def _work(self, frame: Frame) -> None:
        wanted = self._outputs.wanted()
        if not self._node.get_parameter('lazy').value:
            wanted.add('label')
        if not wanted:
            self._counters.drop('unwanted')
            return
        serving = self._begin_frame()
        image = picture(frame.message)
        ids = serving.backend.infer(image[None])[0]
        alpha = self._node.get_parameter('overlay_alpha').value
        self._outputs.publish(serving, ids, image, frame.message.header, wanted, alpha)
        self._counters.publish(time.monotonic() - frame.received_s)

    def _begin_frame(self) -> Serving:
        with self._lock:
            self._at_work = self._serving.backend
            return self._serving

    def _end_frame(self) -> None:
        with self._lock:
            self._at_work = None
            retired, self._retired = self._retired, []
            if not self._announced:
                self._outputs.announce(self._serving)
                self._announced = True
        for backend in retired:
            backend.close()
