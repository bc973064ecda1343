"""The thread that turns frames into results: it decodes, infers and publishes."""

from collections.abc import Sequence
from itertools import pairwise
import threading
import time
import traceback
from typing import Any

from rclpy.node import Node

from .camera import Camera
from .gate import age_s
from .messages import picture
from .serving import Serving
from .slots import Frame, Slots
from ..errors import ImageError
from ..inference import Backend

_WARN_EVERY_S = 5.0


class Worker:
    """
    Works on the newest frames of all cameras in turn, until it is stopped.

    Live parameters are read for each frame.
    """

    def __init__(self, node: Node, serving: Serving, cameras: Sequence[Camera]) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._serving = serving
        self._at_work: Backend | None = None
        self._retired: list[Backend] = []
        self._announced = True
        self._cameras = {camera.name: camera for camera in cameras}
        self._slots = Slots()
        # A daemon, so that a network that hangs cannot keep the process.
        self._thread = threading.Thread(target=self._run, name='worker', daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Take a frame over from the subscription; costs nothing but a swap."""
        camera = self._cameras[frame.camera]
        camera.counters.receive(frame.received_s)
        if not camera.gate.passes(frame.received_s, self._parameter('max_rate_hz')):
            camera.counters.drop('rate')
        elif self._slots.put(frame):
            camera.counters.drop('superseded')

    def replace(self, serving: Serving) -> None:
        """
        Let the next frame be worked on by another model, and announce its classes before that.

        A frame at work ends with the old model, which is freed then: this returns at once.
        """
        with self._lock:
            old, self._serving = self._serving.backend, serving
            self._announced = self._at_work is None
            if self._announced:
                self._announce()
            unused = old is not serving.backend
            if unused and old is self._at_work:
                self._retired.append(old)
                unused = False
        if unused:
            old.close()

    def stop(self, timeout_s: float) -> bool:
        """Let the frame at work end and stop; returns whether that was within the time."""
        for frame in self._slots.close():
            self._cameras[frame.camera].counters.drop('no model')
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (frame := self._slots.take()) is not None:
            camera = self._cameras[frame.camera]
            whose = f'{camera.name}: ' if camera.name else ''
            try:
                self._work(frame, camera)
            except ImageError as error:
                camera.counters.drop('malformed')
                self._node.get_logger().warning(
                    f'{whose}image refused: {error}', throttle_duration_sec=_WARN_EVERY_S
                )
            except Exception:  # the frame's boundary: whatever it was, the next may be well
                camera.counters.drop('failed')
                self._node.get_logger().error(
                    f'{whose}frame failed:\n{traceback.format_exc()}',
                    throttle_duration_sec=_WARN_EVERY_S,
                )
            finally:
                self._end_frame()

    def _work(self, frame: Frame, camera: Camera) -> None:
        wanted = camera.outputs.wanted()
        if not self._parameter('lazy'):
            wanted.add('label')
        if not wanted:
            camera.counters.drop('unwanted')
            return
        times_s = [frame.received_s, time.monotonic()]
        age = age_s(self._node, frame.message, times_s[1] - times_s[0])
        camera.counters.begin(age)
        if 0 < self._parameter('max_age_s') < age:
            camera.counters.drop('too old')
            return
        serving = self._begin_frame()
        image = picture(frame.message)
        times_s.append(time.monotonic())
        ids = serving.backend.infer(image[None])[0]
        times_s.append(time.monotonic())
        alpha = self._parameter('overlay_alpha')
        camera.outputs.publish(serving, ids, image, frame.message.header, wanted, alpha)
        times_s.append(time.monotonic())
        camera.counters.publish(*(end - start for start, end in pairwise(times_s)))

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
                self._announce()
                self._announced = True
        for backend in retired:
            backend.close()

    def _announce(self) -> None:
        for camera in self._cameras.values():
            camera.outputs.announce(self._serving)
