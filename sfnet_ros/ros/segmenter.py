"""The node ``segmenter``: camera images in, class ids out."""

from collections.abc import Callable
import gc
import os
import sys
import traceback

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
from .live_model import LiveModel
from .serving import Serving
from .signals import Interruption, Stop
from .worker import Worker
from ..errors import SfnetError
from ..inference.cache import FOLDER_VARIABLE

# How long a frame at work is waited for; at the end of the process less, since with a spin of
# 0.25 s and a busy machine all of it shall fit into the 3 s that people wait.
_WORKER_TIMEOUT_S = 2.0
_LAST_WORKER_TIMEOUT_S = 1.0
_SPIN_S = 0.25


class Segmenter(LifecycleNode):
    """
    Configure loads the model, activate subscribes, deactivate stops, cleanup frees.

    Where parameters ask for another model, that one is loaded beside the one that serves.

    :param listen: called while a model is loaded, so that a signal can end that by raising.
    :raises ValueError: when a parameter has no valid value.
    """

    def __init__(self, listen: Callable[[], None] = lambda: None) -> None:
        super().__init__('segmenter')
        self._listen = listen
        self._worker: Worker | None = None
        self._abandoned = False
        self._failure = ''
        parameters.declare(self)
        self._cameras: list[Camera] = []
        self._choose_cameras()
        self._reporter = reports.Reporter(self)
        self._model = LiveModel(self, self._while_loading, self._use)
        self.add_on_set_parameters_callback(self._check_parameters)
        # Beside its use it wakes the executor, so that a signal is seen within a second; steady,
        # because simulated time may stand still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(reports.PERIOD_S, self._report, clock=steady)

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
        self._stop_images(_LAST_WORKER_TIMEOUT_S)
        self._abandoned |= not self._model.stop()
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
        self._failure = ''
        try:
            action()
            result = parent(state)
            if self._model.serving and name == 'activate':
                for camera in self._cameras:
                    camera.outputs.announce(self._model.serving)
            return result
        except SfnetError as error:
            self._failure = f'cannot {name}: {error}'
        except Exception:  # rclpy would swallow it without a word
            self._failure = f'cannot {name}:\n{traceback.format_exc()}'
        self.get_logger().error(self._failure)
        self._stop_images()
        if name == 'configure':
            self._free()
        return TransitionCallbackReturn.FAILURE

    def _load(self) -> None:
        self._choose_cameras()
        if folder := self.get_parameter('cache_dir').value:
            os.environ[FOLDER_VARIABLE] = folder
        self._model.load()
        for camera in self._cameras:
            camera.open()

    def _use(self, serving: Serving, old: Serving) -> None:
        """Let another model serve from the next frame on."""
        if self._worker is not None:
            self._worker.replace(serving)
        elif serving.backend is not old.backend:
            old.backend.close()

    def _start_images(self) -> None:
        if self._model.serving is None:
            raise SfnetError('found no loaded model; expected the node to be configured first')
        self._worker = Worker(self, self._model.serving, self._cameras)
        for camera in self._cameras:
            camera.subscribe(self._worker.offer)

    def _stop_images(self, timeout_s: float = _WORKER_TIMEOUT_S) -> None:
        for camera in self._cameras:
            camera.unsubscribe()
        if self._worker is not None:
            self._abandoned |= not self._worker.stop(timeout_s)
            self._worker = None

    def _free(self) -> None:
        for camera in self._cameras:
            camera.close()
        # What an abandoned frame still works with is not closed under its hands.
        self._model.free(close=not self._abandoned)

    def _choose_cameras(self) -> None:
        """Follow the parameter; the counts of cameras that stay go on."""
        kept = {camera.name: camera for camera in self._cameras}
        names = parameters.cameras(self)
        self._cameras = [kept.get(name) or Camera(self, name) for name in names]

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            reason = parameters.problem(change.name, change.value)
            if not reason and self._model.serving is not None and parameters.is_fixed(change.name):
                reason = f'{change.name} is fixed while a model is loaded; clean the node up first'
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        if any(change.name in parameters.SERVING_NAMES for change in changes):
            self._model.follow()
        return SetParametersResult(successful=True)

    def _report(self) -> None:
        serving = self._model.serving
        self._reporter.report(
            reports.NodeState(
                'active' if self.active else 'inactive' if serving else 'unconfigured',
                serving.backend if serving else None,
                self._model.swap,
                self._failure,
                self._worker.flow_note if self._worker else '',
            ),
            self._cameras,
        )

    def _while_loading(self) -> None:
        self._listen()
        if self._reporter.due:
            self._report()


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop; returns the exit code."""
    stop = Stop()
    notes = transport.prepare(os.environ)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = Segmenter(stop.check)
    except (ValueError, RuntimeError, NameValidationException) as error:
        # What the user set: parameters, names, ROS arguments.
        print(f'segmenter: {error}', file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    for note in notes:
        node.get_logger().info(note)
    for warning in transport.warnings(os.environ):
        node.get_logger().warning(warning)
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
        # Only with its last reference does the node give its shared memory back.
        del node
        gc.collect()
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
