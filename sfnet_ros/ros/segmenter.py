"""The node ``segmenter``: camera images in, class ids out."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
import os
import sys
import traceback
from typing import Any

from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from . import parameters, reports, transport
from .camera import Camera
from .loader import Loader, Outcome
from .serving import Serving
from .signals import Interruption, Stop
from .worker import Worker
from ..errors import ModelError, SfnetError

# Together with a spin of 0.25 s this keeps the end within the 3 s that people wait.
_WORKER_TIMEOUT_S = 2.0
_SPIN_S = 0.25


class Segmenter(LifecycleNode):
    """
    Configure loads the model, activate subscribes, deactivate stops, cleanup frees.

    Where parameters ask for another model, that one is loaded beside the one that serves.

    :param loading: entered around the loading of a model, so that a signal can end it.
    :raises ValueError: when a parameter has no valid value.
    """

    def __init__(self, loading: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        super().__init__('segmenter')
        self._loading = loading
        self._serving: Serving | None = None
        self._swap = reports.IDLE
        self._worker: Worker | None = None
        self._abandoned = False
        parameters.declare(self)
        self._cameras: list[Camera] = []
        self._choose_cameras()
        self.add_on_set_parameters_callback(self._check_parameters)
        # All that concerns the model happens on the executor's thread, after the parameters are
        # set: those of one call make one change.
        self._model_change = self.create_guard_condition(self._follow_parameters)
        self._loader = Loader(self._model_change.trigger)
        self._reporter = reports.Reporter(self)
        # Beside its use it wakes the executor, so that a signal is seen within a second; steady,
        # because simulated time may stand still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._report, clock=steady)

    @property
    def active(self) -> bool:
        """Whether images are read."""
        return self._worker is not None

    def start(self) -> bool:
        """Configure and activate where autostart says so; returns whether that went well."""
        for name in parameters.unknown(self):
            self.get_logger().warning(f'parameter {name} is unknown and has no effect')
        if not self.get_parameter('autostart').value:
            return True
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def close(self) -> bool:
        """Free everything; returns whether no thread is at work any more."""
        self._stop_images()
        self._abandoned |= not self._loader.close()
        self._free()
        self.destroy_node()
        return not self._abandoned

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and offer the outputs."""
        return self._transition('configure', self._load, state, super().on_configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the images."""
        return self._transition('activate', self._start_images, state, super().on_activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop reading images; the model stays loaded."""
        self._stop_images()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and take the outputs off the graph."""
        self._free()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free, from any state."""
        self._stop_images()
        self._free()
        return super().on_shutdown(state)

    def _transition(
        self,
        name: str,
        action: Callable[[], None],
        state: LifecycleState,
        parent: Callable[[LifecycleState], TransitionCallbackReturn],
    ) -> TransitionCallbackReturn:
        try:
            action()
            result = parent(state)
            if self._serving and name == 'activate':
                for camera in self._cameras:
                    camera.outputs.announce(self._serving)
            return result
        except SfnetError as error:
            self.get_logger().error(f'cannot {name}: {error}')
        except Exception:  # rclpy would swallow it without a word
            self.get_logger().error(f'cannot {name}:\n{traceback.format_exc()}')
        self._stop_images()
        if name == 'configure':
            self._free()
        return TransitionCallbackReturn.FAILURE

    def _load(self) -> None:
        asked = parameters.asked(self)
        with self._loading():
            outcome = self._loader.load(parameters.of_model(asked))
        self._serving = self._opened(outcome, asked)
        self._choose_cameras()
        for camera in self._cameras:
            camera.open()

    def _opened(self, outcome: Outcome, asked: dict[str, Any]) -> Serving:
        """Return the model that was loaded; raises SfnetError where it cannot serve."""
        if outcome.backend is None:
            raise ModelError(outcome.error)
        try:
            serving = Serving(outcome.backend, asked)
        except SfnetError:
            outcome.close()
            raise
        self.get_logger().info(f'model {serving.describe()}, loaded in {outcome.seconds:.1f} s')
        return serving

    def _follow_parameters(self) -> None:
        """Bring the model in line with the parameters, or the other way round where it fails."""
        outcome, old = self._loader.take(), self._serving
        if old is None:
            if outcome:
                outcome.close()
            return
        asked = parameters.asked(self)
        wanted = parameters.of_model(asked)
        if outcome and outcome.asked == wanted:
            self._replace(old, partial(self._opened, outcome, asked))
            return
        if outcome:
            outcome.close()
        if asked == old.asked:
            if not self._swap.startswith(reports.FAILED):
                self._swap = reports.IDLE
            return
        if wanted == parameters.of_model(old.asked):
            self._replace(old, partial(Serving, old.backend, asked))
            return
        # What is being loaded already cannot be stopped: its end leads here again.
        if not self._loader.busy:
            self._loader.begin(wanted)
        self._swap = reports.loading(asked, old.asked)
        self.get_logger().info(f'{self._swap}; until then the model before it serves')

    def _replace(self, old: Serving, make: Callable[[], Serving]) -> None:
        try:
            self._serving = make()
        except SfnetError as error:
            self._swap = f'{reports.FAILED}: {error}'
            self.get_logger().error(f'model not changed, parameters set back: {error}')
            self.set_parameters_atomically(
                [Parameter(name, value=value) for name, value in old.asked.items()]
            )
            return
        self._swap = reports.IDLE
        if self._worker is not None:
            self._worker.replace(self._serving)
        elif self._serving.backend is not old.backend:
            old.backend.close()

    def _start_images(self) -> None:
        if self._serving is None:
            raise SfnetError('found no loaded model; expected the node to be configured first')
        self._worker = Worker(self, self._serving, self._cameras)
        for camera in self._cameras:
            camera.subscribe(self._worker.offer)

    def _stop_images(self) -> None:
        for camera in self._cameras:
            camera.unsubscribe()
        if self._worker is not None:
            self._abandoned |= not self._worker.stop(_WORKER_TIMEOUT_S)
            self._worker = None

    def _free(self) -> None:
        for camera in self._cameras:
            camera.close()
        if self._serving is not None:
            # What an abandoned frame still works with is not closed under its hands.
            if not self._abandoned:
                self._serving.backend.close()
            self._serving = None
        self._swap = reports.IDLE

    def _choose_cameras(self) -> None:
        """Follow the parameter; the counts of cameras that stay go on."""
        kept = {camera.name: camera for camera in self._cameras}
        names = parameters.cameras(self)
        self._cameras = [kept.get(name) or Camera(self, name) for name in names]

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            reason = parameters.problem(change.name, change.value)
            if not reason and self._serving is not None and parameters.is_fixed(change.name):
                reason = f'{change.name} is fixed while a model is loaded; clean the node up first'
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        if any(change.name in parameters.SERVING_NAMES for change in changes):
            self._model_change.trigger()
        return SetParametersResult(successful=True)

    def _report(self) -> None:
        state = 'active' if self.active else 'inactive' if self._serving else 'unconfigured'
        backend = self._serving.backend if self._serving else None
        self._reporter.report(state, self._cameras, backend, self._swap)


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop; returns the exit code."""
    stop = Stop()
    notes = transport.prepare(os.environ)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = Segmenter(stop.interrupting)
    except (ValueError, RuntimeError, NameValidationException) as error:
        # What the user set: parameters, names, ROS arguments.
        print(f'segmenter: {error}', file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    for note in notes:
        node.get_logger().info(note)
    failed = False
    try:
        failed = not node.start()
        if not failed:
            _spin(node, stop)
    except Interruption:
        pass
    finally:
        stop.ignore()
        finished = node.close()
        rclpy.try_shutdown()
    code = int(failed and not stop.requested)
    if not finished:
        # The end of the interpreter would abort the process under a thread inside a network.
        os._exit(code)
    return code


def _spin(node: Segmenter, stop: Stop) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while rclpy.ok() and not stop.requested:
        executor.spin_once(timeout_sec=_SPIN_S)
    executor.shutdown(timeout_sec=1)


if __name__ == '__main__':
    sys.exit(main())
