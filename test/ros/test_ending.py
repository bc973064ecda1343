"""How the process of the node ends: well and in time, by either signal, whatever it does."""

from collections.abc import Callable
from pathlib import Path
import signal
import time
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from sensor_msgs.msg import Image  # noqa: E402

pytestmark = pytest.mark.timeout(120)
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LIMIT_S = 3.0


@pytest.fixture
def start_two(start_segmenter: Callable[..., Any]) -> Callable[..., dict[int, Any]]:
    """Return a function that starts a node for each signal, and waits for a text of both."""

    def start(text: str, **parameters: object) -> dict[int, Any]:
        processes = {number: start_segmenter(**parameters) for number in SIGNALS}
        for process in processes.values():
            process.wait_for(text)
        return processes

    return start


def end(process: Any, number: int) -> None:
    """Send a signal; the process must end well and in time."""
    sent_s = time.monotonic()
    process.signal(number)
    assert process.wait() == 0, process.log
    assert time.monotonic() - sent_s < LIMIT_S
    assert 'Traceback' not in process.log
    assert 'rror' not in process.log, process.log


@pytest.mark.parametrize(('autostart', 'text'), [('true', 'reading /'), ('false', 'malloc: ')])
def test_an_idle_node_ends(
    start_two: Callable, model_folder: Path, quick: str, autostart: str, text: str
) -> None:
    processes = start_two(text, weights=model_folder, backend=quick, autostart=autostart)
    time.sleep(0.5)
    for number, process in processes.items():
        end(process, number)


@pytest.mark.parametrize('delay_s', [0.0, 0.4])
@pytest.mark.parametrize('number', SIGNALS)
def test_a_node_ends_while_it_loads(
    start_segmenter: Callable, model_folder: Path, number: int, delay_s: float
) -> None:
    process = start_segmenter(weights=model_folder)
    process.wait_for('malloc: ')
    time.sleep(delay_s)
    assert 'reading /' not in process.log
    end(process, number)


@pytest.mark.parametrize('size', [256, 1536])
def test_a_node_ends_while_it_works(
    start_two: Callable, graph: Any, model_folder: Path, size: int
) -> None:
    """Also when the frame at work takes about as long as one waits."""
    graph.collect(Image, '/segmentation/label')
    publisher = graph.node.create_publisher(Image, '/image', 5)
    processes = start_two('reading /', weights=model_folder, input_height=size, input_width=size)
    assert graph.spin_until(lambda: publisher.get_subscription_count() == len(processes))
    message = Image(encoding='mono8', height=64, width=64, step=64)
    message.data.frombytes(bytes(4096))
    for _ in range(20):
        publisher.publish(message)
        graph.spin(0.05)
    for number, process in processes.items():
        end(process, number)


def test_a_second_signal_does_not_hurt(
    start_segmenter: Callable, model_folder: Path, quick: str
) -> None:
    delays_s = (0, 0.01, 0.1, 0.3)
    processes = [start_segmenter(weights=model_folder, backend=quick) for _ in delays_s]
    for process in processes:
        process.wait_for('reading /')
    for process, delay_s in zip(processes, delays_s, strict=True):
        process.signal(signal.SIGINT)
        time.sleep(delay_s)
        end(process, signal.SIGINT)


@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_ends_a_node_that_loads_beside(
    start_segmenter: Callable, graph: Any, model_folder: Path, number: int
) -> None:
    process = start_segmenter(weights=model_folder)
    process.wait_for('reading /')
    # With the warm-up this takes the small network a second or more.
    assert graph.set_at_once(input_height=1024, input_width=1536).successful
    process.wait_for('loading input_height 1024')
    assert 'input 1536 x 1024' not in process.log
    end(process, number)
