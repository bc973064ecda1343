"""The thread that turns frames into results: it decodes, infers and publishes."""

from itertools import pairwise
import threading
import time
import traceback
from typing import Any

from rclpy.node import Node

from .counters import Counters
from .gate import age_s, RateGate
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
        self._gate = RateGate()
        # A daemon, so that a network that hangs cannot keep the process.
        self._thread = threading.Thread(target=self._run, name='worker', daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Take a frame over from the subscription; costs nothing but a swap."""
        self._counters.receive(frame.received_s)
        if not self._gate.passes(frame.received_s, self._parameter('max_rate_hz')):
            self._counters.drop('rate')
        elif self._slot.put(frame):
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
        if self._slot.close():
            self._counters.drop('no model')
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
        if not self._parameter('lazy'):
            wanted.add('label')
        if not wanted:
            self._counters.drop('unwanted')
            return
        times_s = [frame.received_s, time.monotonic()]
        if self._is_too_old(frame, times_s[1]):
            self._counters.drop('too old')
            return
        serving = self._begin_frame()
        image = picture(frame.message)
        times_s.append(time.monotonic())
        ids = serving.backend.infer(image[None])[0]
        times_s.append(time.monotonic())
        alpha = self._parameter('overlay_alpha')
        self._outputs.publish(serving, ids, image, frame.message.header, wanted, alpha)
        times_s.append(time.monotonic())
        self._counters.publish(*(end - start for start, end in pairwise(times_s)))

    def _is_too_old(self, frame: Frame, now_s: float) -> bool:
        age, limit_s = (
            age_s(self._node, frame.message, now_s - frame.received_s),
            self._parameter('max_age_s'),
        )
        self._counters.begin(age)
        return 0 < limit_s < age

    def _parameter(self, name: str) -> Any:
        return self._node.get_parameter(name).value

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
