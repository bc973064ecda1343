"""The launch file through the real `ros2 launch`, wherever that is installed."""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import pytest
from sfnet_ros.ros import launching

pytest.importorskip('ros2launch', reason='ros2 launch comes with ROS 2 from apt, not from pip')
rclpy = pytest.importorskip('rclpy')
packages = pytest.importorskip('ament_index_python.packages')
try:
    packages.get_package_prefix('sfnet_ros')
except packages.PackageNotFoundError:
    pytest.skip('sfnet_ros is not installed here: colcon build it first', allow_module_level=True)

ROS2 = [sys.executable, '-c', 'import sys; from ros2cli.cli import main; sys.exit(main())']
LAUNCH = [*ROS2, 'launch', 'sfnet_ros', 'segment.launch.py']
# Another for each process of the tests, which may run beside each other.
DOMAIN_ID = 2 + os.getpid() % 99
TIMEOUT_S = 60.0


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        'ROS_DOMAIN_ID': str(DOMAIN_ID),
        'ROS_LOG_DIR': str(tmp_path),
        'PYTHONUNBUFFERED': '1',
    }


@pytest.fixture
def watcher() -> Iterator['rclpy.node.Node']:
    """Yield a node on the same graph."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN_ID)
    node = rclpy.create_node('watcher', context=context)
    yield node
    node.destroy_node()
    context.shutdown()


class Launch:
    """A running `ros2 launch`, as a user has it in a terminal."""

    def __init__(self, environ: dict[str, str], log: Path, *arguments: str) -> None:
        """Start it."""
        self.log = log
        with log.open('w') as file:
            self.process = subprocess.Popen(
                [*LAUNCH, *arguments],
                env=environ,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def node_pid(self) -> int:
        """The process id of the node."""
        match = re.search(r'process started with pid \[(\d+)\]', self.log.read_text())
        assert match, self.log.read_text()
        return int(match[1])

    def interrupt(self) -> int:
        """Do what Ctrl-C in a terminal does, and return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(20)


@pytest.fixture
def launch(environ: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Launch]]:
    """Yield a function that starts a launch; whatever still runs is ended after the test."""
    running: list[Launch] = []

    def start(*arguments: str) -> Launch:
        running.append(Launch(environ, tmp_path / f'launch{len(running)}.txt', *arguments))
        return running[-1]

    yield start
    for started in running:
        if started.process.poll() is None:
            os.killpg(started.process.pid, signal.SIGKILL)
            started.process.wait()


def wait_for(
    node: 'rclpy.node.Node', condition: Callable[[], object], what: str, launch: Launch
) -> None:
    """Spin until a condition holds; fail with the output of the launch when it never does."""
    executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f'no {what}:\n{launch.log.read_text()}'
        executor.spin_once(timeout_sec=0.1)
    executor.remove_node(node)


def gone(pid: int) -> bool:
    """Return whether no such process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_show_args_lists_every_argument(environ: dict[str, str]) -> None:
    done = subprocess.run(
        [*LAUNCH, '--show-args'], env=environ, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr
    for argument in launching.arguments(Path('unused')):
        assert f"'{argument.name}':\n        {argument.description}" in done.stdout


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ('network:=nope', 'Argument "network" provided value "nope" is not valid'),
        ('input_height:=12x', "input_height is '12x'; expected a whole number of pixels"),
    ],
)
def test_a_bad_value_ends_the_launch(environ: dict[str, str], argument: str, message: str) -> None:
    done = subprocess.run(
        [*LAUNCH, argument], env=environ, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 1
    assert message in done.stdout + done.stderr


def test_an_image_on_the_chosen_topic_comes_back_as_a_label(
    launch: Callable[..., Launch], watcher: 'rclpy.node.Node', model_folder: Path
) -> None:
    from sensor_msgs.msg import Image

    started = launch('image:=/camera/image_raw', 'namespace:=/front', f'weights:={model_folder}')
    labels: list[Image] = []
    watcher.create_subscription(Image, '/front/segmentation/label', labels.append, 1)
    camera = watcher.create_publisher(Image, '/camera/image_raw', 1)
    wait_for(watcher, camera.get_subscription_count, 'subscription to the image', started)

    image = Image(height=48, width=65, encoding='rgb8', step=195, data=bytes(48 * 195))
    image.header.frame_id = 'lens'
    image.header.stamp.nanosec = 7
    timer = watcher.create_timer(0.5, lambda: camera.publish(image))
    wait_for(watcher, lambda: labels, 'label', started)
    watcher.destroy_timer(timer)
    label = labels[0]
    assert (label.height, label.width, label.encoding) == (48, 65, 'mono8')
    assert label.header == image.header

    pid = started.node_pid
    assert started.interrupt() == 0, started.log.read_text()
    assert gone(pid)
    assert 'has died' not in started.log.read_text()


def test_interrupting_the_launch_alone_ends_its_node(
    launch: Callable[..., Launch], watcher: 'rclpy.node.Node'
) -> None:
    started = launch('autostart:=false', 'name:=eye')
    wait_for(
        watcher, lambda: ('eye', '/') in watcher.get_node_names_and_namespaces(), 'eye', started
    )
    pid = started.node_pid
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(20) == 0, started.log.read_text()
    assert gone(pid)


def test_a_node_that_cannot_start_ends_the_launch(launch: Callable[..., Launch]) -> None:
    started = launch('weights:=/nowhere/weights.pth')
    started.process.wait(TIMEOUT_S)
    assert gone(started.node_pid)
    log = started.log.read_text()
    assert '/nowhere/weights.pth' in log
    assert 'exit code 1,' in log
    assert 'shutting down launched system' in log
    assert 'Traceback' not in log
