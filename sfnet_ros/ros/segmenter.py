"""The node ``segmenter``: camera images in, class ids out."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
import os
import sys
import time
import traceback
from typing import Any

from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.exceptions import NameValidationException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import HistoryPolicy, qos_policy_name_from_kind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from . import parameters, reports, transport
from .counters import Counters
from .messages import cv_bridge
from .outputs import Outputs
from .signals import Interruption, Stop
from .slot import Frame
from .worker import Worker
from .. import inference, taxonomies
from ..errors import SfnetError

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

# Together with a spin of 0.25 s this keeps the end within the 3 s that people wait.
_WORKER_TIMEOUT_S = 2.0
_SPIN_S = 0.25
_TOPICS = {'raw': (Image, 'image'), 'compressed': (CompressedImage, 'image/compressed')}


class Segmenter(LifecycleNode):
    """
    Configure loads the model, activate subscribes, deactivate stops, cleanup frees.

    :param loading: entered around the loading of a model, so that a signal can end it.
    :raises ValueError: when a parameter has no valid value.
    """

    def __init__(self, loading: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        super().__init__('segmenter')
        self._loading = loading
        self._counters = Counters()
        self._backend: inference.Backend | None = None
        self._outputs: Outputs | None = None
        self._worker: Worker | None = None
        self._images: Subscription | None = None
        self._abandoned = False
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self._reporter = reports.Reporter(self, self._counters)
        # Beside its use it wakes the executor, so that a signal is seen within a second.
        self.create_timer(1.0, self._report)

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
        """Free everything; returns whether no frame hangs in the worker."""
        self._stop_images()
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
            if self._outputs and self._backend and name == 'activate':
                self._outputs.announce(self._backend)
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
        started_s = time.monotonic()
        asked = {name: self.get_parameter(name).value for name in parameters.MODEL_NAMES}
        with self._loading():
            self._backend = backend = inference.load(**asked)
        self._outputs = Outputs(self, taxonomies.get(backend.facts.taxonomy))
        facts, (height, width) = backend.facts, backend.input_size
        self.get_logger().info(
            f'model {facts.name} ({facts.network}, {facts.backbone}, {facts.taxonomy}) on '
            f'{backend.name}, {backend.device}, {backend.precision} ({backend.reason}), input '
            f'{width} x {height}, loaded in {time.monotonic() - started_s:.1f} s'
        )

    def _start_images(self) -> None:
        if self._backend is None or self._outputs is None:
            raise SfnetError('found no loaded model; expected the node to be configured first')
        message_type, topic = _TOPICS[self._transport]
        self._counters.wait_anew()
        self._worker = worker = Worker(self, self._backend, self._outputs, self._counters)
        self._images = self.create_subscription(
            message_type,
            topic,
            lambda message: worker.offer(Frame(message, time.monotonic())),
            # Best effort and volatile match every publisher.
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.BEST_EFFORT
            ),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._explain_qos),
        )
        self.get_logger().info(
            f'reading {self._topic} ({self._transport}; {cv_bridge()[1]}), '
            f'publishing {", ".join(self._outputs.topics)}'
        )

    def _explain_qos(self, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self.get_logger().warning(reports.explain_incompatible_qos(self._topic, policy))

    def _stop_images(self) -> None:
        if self._images is not None:
            self.destroy_subscription(self._images)
            self._images = None
        if self._worker is not None:
            self._abandoned |= not self._worker.stop(_WORKER_TIMEOUT_S)
            self._worker = None

    def _free(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        if self._backend is not None:
            # What an abandoned frame still works with is not closed under its hands.
            if not self._abandoned:
                self._backend.close()
            self._backend = None

    @property
    def _transport(self) -> str:
        return self.get_parameter('image_transport').value

    @property
    def _topic(self) -> str:
        return self.resolve_topic_name(_TOPICS[self._transport][1])

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            reason = parameters.problem(change.name, change.value)
            if not reason and self._backend is not None and parameters.is_fixed(change.name):
                reason = f'{change.name} is fixed while a model is loaded; clean the node up first'
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _report(self) -> None:
        state = 'active' if self.active else 'inactive' if self._backend else 'unconfigured'
        self._reporter.report(state, self._topic, self._transport, self._backend)


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
