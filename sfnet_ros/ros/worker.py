"""The thread that turns frames into results: it decodes, infers and publishes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
import threading
import time
import traceback
from typing import Any

import numpy as np
from rclpy.node import Node

from .camera import Camera
from .gate import age_s
from .messages import picture
from .outputs import PICTURES, Result
from .serving import Serving
from .slots import Frame, Slots
from ..errors import ImageError
from ..inference import Backend
from ..inference.pixels import fit

_WARN_EVERY_S = 5.0


@dataclass(frozen=True)
class _Task:
    """A frame that is worth the network: H x W x 3 uint8 RGB at the size of the outputs."""

    frame: Frame
    camera: Camera
    wanted: set[str]
    image: np.ndarray
    times_s: list[float]


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
        self._flowless: Backend | None = None
        self._announced = True
        self._cameras = {camera.name: camera for camera in cameras}
        self._slots = Slots()
        # A daemon, so that a network that hangs cannot keep the process.
        self._thread = threading.Thread(target=self._run, name='worker', daemon=True)
        self._thread.start()

    @property
    def flow_note(self) -> str:
        """Why there is no flow where someone asked for it, '' otherwise."""
        backend = self._serving.backend
        if backend is not self._flowless:
            return ''
        return (
            f'{backend.name} gives none for {backend.facts.network}; expected a network of the '
            'SFNet family on a backend that knows its flow, such as torch'
        )

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

        Frames at work end with the old model, which is freed then: this returns at once.
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
        """Let the frames at work end and stop; returns whether that was within the time."""
        for frame in self._slots.close():
            self._cameras[frame.camera].counters.drop('no model')
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while frames := self._slots.take(self._most()):
            serving = self._begin_frames()
            try:
                self._work(serving, frames)
            finally:
                self._end_frames()

    def _most(self) -> int:
        """Return how many frames to take at once: more delay the first, and may gain nothing."""
        with self._lock:
            batches = self._serving.backend.batches
        return self._parameter('max_batch') or (len(self._cameras) if batches else 1)

    def _work(self, serving: Serving, frames: Sequence[Frame]) -> None:
        batches: dict[tuple[int, ...], list[_Task]] = {}
        for frame in frames:
            camera = self._cameras[frame.camera]
            with self._counting_failures(camera):
                if task := self._prepare(serving, frame, camera):
                    batches.setdefault(task.image.shape, []).append(task)
        for tasks in batches.values():
            results: list[Result] = []
            with self._counting_failures(*(task.camera for task in tasks)):
                results = self._infer(serving, tasks)
            for task, result in zip(tasks, results, strict=False):
                with self._counting_failures(task.camera):
                    self._publish(serving, task, result)

    def _prepare(self, serving: Serving, frame: Frame, camera: Camera) -> _Task | None:
        """Return what the network is to work on; None, counted, where that is nothing."""
        wanted = self._wanted(serving, camera)
        if not wanted:
            camera.counters.drop('unwanted')
            return None
        times_s = [frame.received_s, time.monotonic()]
        age = age_s(self._node, frame.message, times_s[1] - times_s[0])
        camera.counters.begin(age)
        if 0 < self._parameter('max_age_s') < age:
            camera.counters.drop('too old')
            return None
        image = source = picture(frame.message)
        if self._parameter('output_size') == 'network':
            image = fit(source[None], serving.backend.input_size)[0]
        if camera.calibration and 'camera_info' in wanted:
            sizes = source.shape[:2], image.shape[:2]
            camera.outputs.publish_calibration(camera.calibration, frame.message.header, *sizes)
        if wanted.isdisjoint(PICTURES):
            camera.counters.drop('unwanted')
            return None
        times_s.append(time.monotonic())
        return _Task(frame, camera, wanted, image, times_s)

    def _wanted(self, serving: Serving, camera: Camera) -> set[str]:
        wanted = camera.outputs.wanted()
        if not self._parameter('lazy'):
            wanted.add('label')
        if serving.backend is self._flowless:
            wanted.discard('flow')
        return wanted

    def _infer(self, serving: Serving, tasks: Sequence[_Task]) -> list[Result]:
        """Run the network once for frames of equal size."""
        wanted = set().union(*(task.wanted for task in tasks))
        images = [task.image for task in tasks]
        prediction = serving.backend.predict(
            images[0][None] if len(images) == 1 else np.stack(images),
            confidence='confidence' in wanted or serving.least_confidence > 0,
            flow='flow' in wanted,
        )
        if 'flow' in wanted and prediction.flow is None:
            self._flowless = serving.backend
            self._node.get_logger().warning(f'no segmentation/flow: {self.flow_note}')
        for task in tasks:
            task.times_s.append(time.monotonic())
        return [
            Result(
                task.frame.message.header,
                task.image,
                prediction.ids[index],
                None if prediction.confidence is None else prediction.confidence[index],
                None if prediction.flow is None else prediction.flow[index],
            )
            for index, task in enumerate(tasks)
        ]

    def _publish(self, serving: Serving, task: _Task, result: Result) -> None:
        alpha = self._parameter('overlay_alpha')
        task.camera.outputs.publish(serving, result, task.wanted, alpha)
        task.times_s.append(time.monotonic())
        task.camera.counters.publish(*(end - start for start, end in pairwise(task.times_s)))

    @contextmanager
    def _counting_failures(self, *cameras: Camera) -> Iterator[None]:
        """Count what fails as a drop of these cameras: the next frames may be well."""
        whose = ', '.join(camera.name for camera in cameras if camera.name)
        whose += ': ' if whose else ''
        try:
            yield
        except ImageError as error:
            cause = 'malformed'
            self._node.get_logger().warning(
                f'{whose}image refused: {error}', throttle_duration_sec=_WARN_EVERY_S
            )
        except Exception:  # a runtime may fail in any way, and the node outlives a frame
            cause = 'failed'
            self._node.get_logger().error(
                f'{whose}frame failed:\n{traceback.format_exc()}',
                throttle_duration_sec=_WARN_EVERY_S,
            )
        else:
            return
        for camera in cameras:
            camera.counters.drop(cause)

    def _parameter(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def _begin_frames(self) -> Serving:
        with self._lock:
            self._at_work = self._serving.backend
            return self._serving

    def _end_frames(self) -> None:
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
