"""The real graph for tests: nodes as processes, over the real DDS, in a domain of their own."""

from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
import os
from pathlib import Path
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from sfnet_ros import inference

SEGMENTER = 'sfnet_ros.ros.segmenter'
ROOT = Path(__file__).resolve().parents[2]
# Linux has ports for the domains up to 101; another run beside this one has another process id.
DOMAIN = str(2 + os.getpid() % 99)
ENVIRONMENT = {
    'ROS_DOMAIN_ID': DOMAIN,
    'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT?sockets_size=4MB',
    # One thread, as the tests have it: another order of summation may break a tie otherwise.
    'OMP_NUM_THREADS': '1',
    'PYTHONUNBUFFERED': '1',
    'PYTHONPATH': os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH')))),
}


class Process:
    """A module of ours that runs as a process; its log is kept line by line."""

    def __init__(self, module: str, *arguments: str, **environment: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, '-m', module, *arguments],
            env=_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return ''.join(self.lines)

    def wait_for(self, text: str, timeout_s: float = 60) -> None:
        """Wait for a text in the log."""
        deadline_s = time.monotonic() + timeout_s
        while text not in self.log:
            running = self._process.poll() is None
            assert running and time.monotonic() < deadline_s, f'no {text!r} in:\n{self.log}'
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 60) -> int:
        """Wait for the end; returns the exit code."""
        code = self._process.wait(timeout_s)
        self._reader.join(5)
        return code

    def stop(self) -> None:
        self._process.terminate()
        try:
            self.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read(self) -> None:
        assert self._process.stdout
        self.lines.extend(iter(self._process.stdout.readline, ''))


class Graph:
    """A node of the test's own: it publishes images and collects what comes back."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self._context = rclpy.Context()
        self._context.init(domain_id=int(DOMAIN))
        self.node = rclpy.create_node('tester', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._subscriptions: list[Any] = []
        self._met: list[Any] = []
        # Kept, since an answer may be lost that comes before the node knows of a new client.
        self._clients: dict[str, Any] = {}

    @staticmethod
    def image(pixels: np.ndarray, number: int, frame_id: str = '') -> Any:
        """Return H x W x 3 uint8 RGB as a message with a header of its own."""
        from sensor_msgs.msg import Image

        height, width = pixels.shape[:2]
        message = Image(encoding='rgb8', height=height, width=width, step=3 * width)
        message.header.stamp.sec = number
        message.header.frame_id = frame_id or f'camera {number}'
        message.data.frombytes(np.ascontiguousarray(pixels).tobytes())
        return message

    @staticmethod
    def pixels(message: Any) -> np.ndarray:
        """Return the pixels of a tight mono8 or rgb8 message: H x W or H x W x 3 uint8."""
        shape = (message.height, message.width, 3)[: {'mono8': 2, 'rgb8': 3}[message.encoding]]
        assert message.step == int(np.prod(shape[1:]))
        return np.frombuffer(message.data, np.uint8).reshape(shape)

    def collect(self, message_type: type, topic: str, qos: Any = 10) -> list[Any]:
        """Subscribe; returns the list that messages are put into."""
        found: list[Any] = []
        self._subscriptions.append(
            self.node.create_subscription(message_type, topic, found.append, qos)
        )
        return found

    def forget(self) -> None:
        """Drop all subscriptions."""
        for subscription in self._subscriptions:
            self.node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def spin_until(self, condition: Callable[[], Any], timeout_s: float = 30) -> bool:
        """Handle what comes until the condition holds; returns whether it does."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True

    def spin(self, seconds: float) -> None:
        """Handle what comes for a while."""
        self.spin_until(lambda: False, seconds)

    def exchange(self, publisher: Any, message: Any, answers: list[Any]) -> Any:
        """
        Publish a message until its answer is there, which carries its header; returns the answer.

        More than once, as a message may be lost before both ends know each other.
        """
        if publisher not in self._met:
            # Where our side knows of the other, that one needs a moment more to know of us.
            self.spin_until(publisher.get_subscription_count, 1.0)
            self.spin(0.1)
            self._met.append(publisher)
        for _ in range(20):
            publisher.publish(message)
            if self.spin_until(
                lambda: any(answer.header == message.header for answer in answers), 1.0
            ):
                return next(answer for answer in answers if answer.header == message.header)
        readers, writers = publisher.get_subscription_count(), []
        for subscription in self._subscriptions:
            writers += self.node.get_publishers_info_by_topic(subscription.topic_name)
        raise AssertionError(f'no answer: {readers} readers of the image, writers: {writers}')

    def call(self, service_type: type, name: str, request: Any) -> Any:
        """Call a service of the node under test and return what it answers."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(service_type, name)
        client = self._clients[name]
        assert self.spin_until(client.service_is_ready), f'no service {name}'
        future = client.call_async(request)
        # To configure is to load a model, which a busy machine takes its time for.
        assert self.spin_until(future.done, 60), f'no answer from {name}'
        return future.result()

    def set_at_once(self, **values: object) -> Any:
        """Set several parameters of the segmenter in one step; returns the result."""
        from rcl_interfaces.srv import SetParametersAtomically
        from rclpy.parameter import Parameter

        request = SetParametersAtomically.Request(
            parameters=[Parameter(name, value=v).to_parameter_msg() for name, v in values.items()]
        )
        name = '/segmenter/set_parameters_atomically'
        return self.call(SetParametersAtomically, name, request).result

    def parameters(self, *names: str) -> list[Any]:
        """Return the values that parameters of the segmenter have."""
        from rcl_interfaces.srv import GetParameters
        from rclpy.parameter import parameter_value_to_python

        request = GetParameters.Request(names=list(names))
        found = self.call(GetParameters, '/segmenter/get_parameters', request)
        return [parameter_value_to_python(value) for value in found.values]

    def state(self) -> str:
        """Return the lifecycle state of the segmenter."""
        from lifecycle_msgs.srv import GetState

        return self.call(GetState, '/segmenter/get_state', GetState.Request()).current_state.label

    def change_state(self, transition: str) -> bool:
        """Lead the segmenter through a transition such as configure; returns its success."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        number = getattr(Transition, f'TRANSITION_{transition.upper()}')
        request = ChangeState.Request(transition=Transition(id=number))
        return self.call(ChangeState, '/segmenter/change_state', request).success

    def diagnostics(self, of: str = 'segmenter: segmentation') -> 'Diagnostics':
        """Listen to one status."""
        return Diagnostics(self, of)

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.shutdown()


class Diagnostics:
    """
    One status of a node: called with a key it returns the latest value, or ''.

    Beside those of the node, ``level`` is ok, warn or error, and ``message`` says why.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        from diagnostic_msgs.msg import DiagnosticArray

        self._graph, self._name = graph, name
        self._found = graph.collect(DiagnosticArray, '/diagnostics')

    def __call__(self, key: str) -> str:
        _, status = self._latest()
        if status is None:
            return ''
        level = ('ok', 'warn', 'error')[status.level[0]]
        values = {item.key: item.value for item in status.values}
        return {**values, 'level': level, 'message': status.message}.get(key, '')

    def refresh(self) -> None:
        """Wait for values that were told after this call: they know of all that came before."""
        from rclpy.time import Time

        now = self._graph.node.get_clock().now()

        def is_new() -> bool:
            header, _ = self._latest()
            return header is not None and Time.from_msg(header.stamp) > now

        assert self._graph.spin_until(is_new), f'nothing is told of {self._name}'

    def _latest(self) -> tuple[Any, Any]:
        """Return the header and the status that came last, or None for both."""
        for array in reversed(self._found):
            for status in array.status:
                if status.name == self._name:
                    return array.header, status
        return None, None


class Rig:
    """A node that reads a camera, and who reads its labels and what it says of itself."""

    def __init__(self, graph: Graph, process: Process) -> None:
        from sensor_msgs.msg import Image

        self.process = process
        self.labels = graph.collect(Image, '/segmentation/label')
        self.said = graph.diagnostics()
        self.camera = graph.node.create_publisher(Image, '/image', 5)
        self._graph = graph
        process.wait_for('reading /')

    def label(self, image: Any) -> Any:
        """Return the label of an image, which the camera sends."""
        return self._graph.exchange(self.camera, image, self.labels)


@pytest.fixture
def environment() -> dict[str, str]:
    """Return the environment of the processes of a test."""
    return _environment()


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    """Return a node of the test's own on the graph."""
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', ENVIRONMENT['FASTDDS_BUILTIN_TRANSPORTS'])
    # Fast DDS ignores the transports for the range LOCALHOST.
    monkeypatch.delenv('ROS_AUTOMATIC_DISCOVERY_RANGE', raising=False)
    made = Graph()
    yield made
    made.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Return a function that starts a module of ours, with arguments and what is set for it."""
    processes: list[Process] = []

    def begin(module: str, *arguments: str, **environment: str) -> Process:
        processes.append(Process(module, *arguments, **environment))
        return processes[-1]

    yield begin
    for process in processes:
        process.stop()


@pytest.fixture
def start_segmenter(start: Callable[..., Process]) -> Callable[..., Process]:
    """Return a function that starts the node with the parameters it is given."""
    return lambda **parameters: start(SEGMENTER, '--ros-args', *_arguments(parameters))


@pytest.fixture
def start_rig(graph: Graph, start_segmenter: Callable[..., Process]) -> Callable[..., Rig]:
    """Return a function that starts the node with the parameters it is given, on a rig."""
    return lambda **parameters: Rig(graph, start_segmenter(**parameters))


@pytest.fixture(scope='session')
def quick(model_folder: Path) -> str:
    """Return the backend that starts the small model first, for where its ids do not matter."""
    if not find_spec('openvino'):
        return 'torch'
    # Converted once for all nodes, which find it in the cache.
    inference.load(str(model_folder), backend='openvino').close()
    return 'openvino'


@pytest.fixture(scope='session')
def truth() -> Callable[..., np.ndarray]:
    """Return a function from a picture, and what ``load`` is to know, to ids by PyTorch."""
    load = cache(inference.load)
    return lambda pixels, **asked: load(backend='torch', **asked).infer(pixels[None])[0]


@pytest.fixture(scope='module')
def segmenter() -> Iterator[Callable[..., Process]]:
    """Return a function that finds the node with these parameters, started once a module."""
    running: dict[str, Process] = {}

    def find(**parameters: object) -> Process:
        arguments = _arguments(parameters)
        key = ' '.join(arguments)
        if key not in running:
            running[key] = Process(SEGMENTER, '--ros-args', '-r', '__ns:=/shared', *arguments)
            running[key].wait_for('reading /')
        return running[key]

    yield find
    for process in running.values():
        process.stop()
        print(process.log)


def _environment() -> dict[str, str]:
    # Fast DDS ignores the transports for the range LOCALHOST.
    kept = {key: os.environ[key] for key in os.environ if key != 'ROS_AUTOMATIC_DISCOVERY_RANGE'}
    return kept | ENVIRONMENT


def _arguments(parameters: dict[str, object]) -> list[str]:
    # The truth, which the tests compute too; what auto chooses depends on the machine.
    values = {'backend': 'torch'} | parameters
    return [part for name, value in values.items() for part in ('-p', f'{name}:={value}')]
