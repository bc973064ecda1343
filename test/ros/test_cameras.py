"""Several cameras in one node: each with its own topics, headers and counters, served in turn."""

from collections.abc import Callable, Iterator
import json
from pathlib import Path
import threading
import time
from typing import Any

import numpy as np
import pytest
from sfnet_ros import inference
from sfnet_ros.inference.backends.torch import TorchBackend

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

import rclpy  # noqa: E402
from rclpy.lifecycle import LifecycleNode  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from sfnet_ros.ros import parameters  # noqa: E402
from sfnet_ros.ros.camera import Camera  # noqa: E402
from sfnet_ros.ros.serving import Serving  # noqa: E402
from sfnet_ros.ros.slots import Frame, Slots  # noqa: E402
from sfnet_ros.ros.worker import Worker  # noqa: E402
from std_msgs.msg import String  # noqa: E402

pytestmark = pytest.mark.timeout(120)
CAMERAS = ('front', 'rig/left', 'rear')
LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_the_slots_are_served_in_turn() -> None:
    """Three cameras, the first ten times as fast: all get the same share."""
    slots, served = Slots(), []
    superseded = 0
    for turn in range(30):
        for name in ['a'] * 10 + ['b', 'c']:
            superseded += slots.put(Frame(Image(), name, float(turn)))
        (frame,) = slots.take()
        served.append((frame.camera, frame.received_s))
    assert [name for name, _ in served] == ['a', 'b', 'c'] * 10
    assert [when for _, when in served] == list(range(30)), 'the newest of each'
    assert superseded + 30 + len(slots.close()) == 30 * 12
    assert slots.take() == []


def test_several_frames_are_taken_at_once_in_order_of_waiting() -> None:
    slots = Slots()
    for name in ('a', 'b', 'c', 'a'):
        slots.put(Frame(Image(), name, 0.0))
    assert [frame.camera for frame in slots.take(2)] == ['a', 'b']
    slots.put(Frame(Image(), 'a', 1.0))
    assert [frame.camera for frame in slots.take(9)] == ['c', 'a']


def test_each_camera_has_its_own_topics_headers_and_counters(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    process = start_segmenter(weights=model_folder, cameras=f'[{",".join(CAMERAS)}]')
    process.wait_for('reading /rear/image')
    infer = inference.load(str(model_folder), backend='torch').infer
    # Of different sizes, so that no mask may be taken for that of another camera.
    pictures = {name: picture[: 80 + 20 * n, : 200 - 30 * n] for n, name in enumerate(CAMERAS)}
    labels = {name: graph.collect(Image, f'/{name}/segmentation/label') for name in CAMERAS}
    texts = {
        name: graph.collect(String, f'/{name}/segmentation/classes', LATCHED) for name in CAMERAS
    }
    statuses = {name: graph.diagnostics(f'segmenter: segmentation of {name}') for name in CAMERAS}
    publishers = {
        name: graph.node.create_publisher(Image, f'/{name}/image', 5) for name in CAMERAS
    }
    for number, name in enumerate(CAMERAS, start=1):
        for count in range(number):
            message = graph.image(pictures[name], count, f'{name} optical')
            label = graph.exchange(publishers[name], message, labels[name])
            expected = infer(np.ascontiguousarray(pictures[name])[None])[0]
            assert (label.height, label.width) == expected.shape
            found = np.frombuffer(label.data, np.uint8).reshape(expected.shape)
            assert np.array_equal(found, expected)
    for number, name in enumerate(CAMERAS, start=1):
        assert {label.header.frame_id for label in labels[name]} == {f'{name} optical'}
        assert len(labels[name]) >= number
        assert graph.spin_until(
            lambda name=name: statuses[name]('frames out') == str(len(labels[name]))
        )
        assert statuses[name]('backend') == 'torch'
    assert graph.node.count_publishers('/segmentation/label') == 0

    # One model for all: a change of it is announced on each.
    assert graph.set_at_once(input_height=96).successful
    assert graph.spin_until(lambda: all(len(found) == 2 for found in texts.values()))
    heights = [json.loads(texts[name][1].data)['model']['input_height'] for name in CAMERAS]
    assert heights == [96] * 3


def test_a_fast_camera_does_not_keep_out_a_slow_one(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    """The network is slower than the fast camera alone; each frame of the slow one is served."""
    process = start_segmenter(
        weights=model_folder, cameras='[fast, slow]', input_height=256, input_width=512
    )
    process.wait_for('reading /slow/image')
    small = picture[:48, :64]
    masks = {
        name: graph.collect(Image, f'/{name}/segmentation/label') for name in ('fast', 'slow')
    }
    fast, slow = (graph.diagnostics(f'segmenter: segmentation of {name}') for name in masks)
    publishers = {name: graph.node.create_publisher(Image, f'/{name}/image', 5) for name in masks}
    graph.exchange(publishers['slow'], graph.image(small, 0, 'slow'), masks['slow'])
    camera = graph.node.create_timer(
        0.01, lambda: publishers['fast'].publish(graph.image(small, 1, 'fast'))
    )
    for number in range(1, 4):
        graph.exchange(publishers['slow'], graph.image(small, number, 'slow'), masks['slow'])
    graph.node.destroy_timer(camera)
    assert graph.spin_until(lambda: int(fast('dropped superseded') or 0) > 0)
    assert graph.spin_until(lambda: int(fast('frames out') or 0) > 0)
    assert len(masks['slow']) >= 4
    assert graph.spin_until(lambda: slow('dropped failed') == '0')


@pytest.mark.parametrize(
    ('cameras', 'message'),
    [
        ('[front, front]', "cameras is ['front', 'front']; expected different names"),
        ('[front camera]', "cameras is ['front camera']; expected different names"),
        ('[3rd]', "cameras is ['3rd']; expected different names"),
        ('front', 'expecting type'),
    ],
)
def test_names_that_cannot_be_are_refused(
    start_segmenter: Callable, model_folder: Path, cameras: str, message: str
) -> None:
    process = start_segmenter(weights=model_folder, cameras=cameras)
    assert process.wait() == 1
    assert message in process.log
    assert 'Traceback' not in process.log


@pytest.mark.parametrize('cameras', ['[]', "['']"])
def test_no_names_are_one_camera(
    start_segmenter: Callable, model_folder: Path, quick: str, cameras: str
) -> None:
    process = start_segmenter(weights=model_folder, backend=quick, cameras=cameras)
    process.wait_for('reading /image')


def test_cameras_change_while_the_node_is_not_configured(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray, quick: str
) -> None:
    process = start_segmenter(weights=model_folder, backend=quick)
    process.wait_for('reading /image')
    result = graph.set_at_once(cameras=['front'])
    assert 'cameras is fixed while a model is loaded' in result.reason
    assert graph.change_state('deactivate')
    assert graph.change_state('cleanup')
    assert graph.set_at_once(cameras=['front']).successful
    assert graph.change_state('configure')
    assert graph.change_state('activate')
    labels = graph.collect(Image, '/front/segmentation/label')
    publisher = graph.node.create_publisher(Image, '/front/image', 5)
    graph.exchange(publisher, graph.image(picture[:48, :64], 1), labels)


class Recorded(TorchBackend):
    """The real backend, which remembers what it was given and can be held back."""

    def __init__(self, folder: Path) -> None:
        super().__init__(inference.choose_model(str(folder)), 'fp32', 'a test', device='cpu')
        self.shapes: list[tuple[int, ...]] = []
        self.entered, self.go_on = threading.Event(), threading.Event()

    def predict(self, images: np.ndarray, **asked: bool) -> inference.Prediction:
        self.shapes.append(images.shape)
        self.entered.set()
        assert self.go_on.wait(30)
        return super().predict(images, **asked)


@pytest.fixture
def lifecycle_node(environment: dict[str, str]) -> Iterator[Callable[..., LifecycleNode]]:
    """Return a function that makes a node with the segmenter's parameters, in this process."""
    context = rclpy.Context()
    context.init(domain_id=int(environment['ROS_DOMAIN_ID']))
    made = []

    def make(**values: object) -> LifecycleNode:
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        node = LifecycleNode('batches', context=context, parameter_overrides=overrides)
        parameters.declare(node)
        made.append(node)
        return node

    yield make
    for node in made:
        node.destroy_node()
    context.shutdown()


@pytest.mark.parametrize(
    ('max_batch', 'batches', 'sizes'),
    [(0, False, [1, 1, 1, 1]), (0, True, [3, 1]), (2, False, [2, 1, 1]), (8, False, [3, 1])],
)
def test_what_waits_is_inferred_at_once(
    lifecycle_node: Callable,
    model_folder: Path,
    max_batch: int,
    batches: bool,
    sizes: list[int],
) -> None:
    """Frames of equal size are one batch; a malformed one among them hurts no other."""
    names = ['a', 'b', 'other', 'c', 'broken']
    node = lifecycle_node(lazy=False, max_batch=max_batch, cameras=names)
    assert parameters.most_at_once(node) == (2 if max_batch == 2 else len(names))
    cameras = {name: Camera(node, name) for name in names}
    for camera in cameras.values():
        camera.open()
    backend = Recorded(model_folder)
    assert backend.batches is False, 'a CPU needs for a batch what it needs for its images'
    backend.batches = batches
    asked = parameters.asked(node)
    worker = Worker(node, Serving(backend, asked), list(cameras.values()))

    def offer(name: str, width: int) -> None:
        message = Image(encoding='mono8', height=40, width=width, step=width)
        message.data.frombytes(bytes(40 * width - (name == 'broken')))
        worker.offer(Frame(message, name, time.monotonic()))

    offer('a', 60)
    assert backend.entered.wait(30)
    for name in names:
        offer(name, 80 if name == 'other' else 60)
    backend.go_on.set()
    deadline_s = time.monotonic() + 30
    while sum(camera.counters.snapshot().published for camera in cameras.values()) < 5:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert worker.stop(10)
    assert [shape[0] for shape in backend.shapes] == [1, *sizes]
    counts = {name: camera.counters.snapshot() for name, camera in cameras.items()}
    assert [counts[name].published for name in names] == [2, 1, 1, 1, 0]
    assert counts['broken'].drops['malformed'] == 1
    assert sum(sum(found.drops.values()) for found in counts.values()) == 1


def test_masks_of_a_batch_go_to_their_cameras(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    """Three cameras of one size, faster than the network, which sees all that wait at once."""
    names = ('a', 'b', 'c')
    process = start_segmenter(
        weights=model_folder, cameras=f'[{",".join(names)}]', max_batch=3, input_height=256
    )
    process.wait_for('reading /c/image')
    infer = inference.load(str(model_folder), backend='torch', input_height=256).infer
    pictures = {name: picture[40 * n :][:120, :160] for n, name in enumerate(names)}
    labels = {name: graph.collect(Image, f'/{name}/segmentation/label') for name in names}
    publishers = {name: graph.node.create_publisher(Image, f'/{name}/image', 5) for name in names}
    for name in names:
        graph.exchange(publishers[name], graph.image(pictures[name], 0, name), labels[name])
    number = 0

    def are_served() -> bool:
        nonlocal number
        number += 1
        for name in names:
            publishers[name].publish(graph.image(pictures[name], number, name))
        graph.spin(0.05)
        return min(map(len, labels.values())) > 4

    assert graph.spin_until(are_served)
    for name in names:
        expected = infer(np.ascontiguousarray(pictures[name])[None])[0]
        assert {label.header.frame_id for label in labels[name]} == {name}
        assert all(np.array_equal(graph.pixels(label), expected) for label in labels[name])
