"""The node as a process over the real DDS: every pixel and header of what it publishes."""

from collections.abc import Callable, Iterator
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sfnet_ros import inference, taxonomies

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from sfnet_ros.ros.counters import CAUSES  # noqa: E402
from std_msgs.msg import String  # noqa: E402

pytestmark = pytest.mark.timeout(120)

LABEL, COLOR, OVERLAY = (f'/shared/segmentation/{name}' for name in ('label', 'color', 'overlay'))
QOS = {
    name: QoSProfile(depth=5, reliability=ReliabilityPolicy[name.upper()])
    for name in ('best_effort', 'reliable')
}
GREY = (slice(None), slice(None), slice(1))
# How a picture is laid out, and what the node should see of it.
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'rgb8': lambda rgb: rgb,
    'bgr8': lambda rgb: rgb[:, :, ::-1],
    'mono8': lambda rgb: rgb[GREY],
    'bgra8': lambda rgb: np.dstack((rgb[:, :, ::-1], np.full(rgb.shape[:2], 9, np.uint8))),
}


def stamp_header(header: Any, number: int) -> None:
    """Fill a header with values of which every bit matters."""
    header.stamp.sec, header.stamp.nanosec = 2**31 - 1 - number, 999_999_999 - number
    header.frame_id = f'front/camera optical {number}'


def raw_image(pixels: np.ndarray, encoding: str, number: int = 0, padding: int = 0) -> Image:
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xEE)
    message = Image(encoding=encoding, height=len(rows), width=pixels.shape[1])
    message.step = rows.shape[1]
    stamp_header(message.header, number)
    message.data.frombytes(rows.tobytes())
    return message


def pixels_of(message: Image) -> np.ndarray:
    """Return the pixels of a tight message of the node, and check that it is tight."""
    channels = {'mono8': 1, 'rgb8': 3}[message.encoding]
    assert message.step == message.width * channels
    assert len(message.data) == message.step * message.height
    array = np.frombuffer(message.data, np.uint8)
    return array.reshape((message.height, message.width, channels)[: 2 if channels == 1 else 3])


class Diagnostics:
    """What a node says of itself, as it comes; other nodes may be on the topic as well."""

    def __init__(self, graph: Any, node: str = 'segmenter') -> None:
        self._found = graph.collect(DiagnosticArray, '/diagnostics')
        self._name = f'{node}: segmentation'

    def __iter__(self) -> Iterator[DiagnosticStatus]:
        return (found.status[0] for found in self._found if found.status[0].name == self._name)

    def value(self, key: str) -> str:
        """Return the latest value of a key, '' before there is one."""
        found = [item.value for status in self for item in status.values if item.key == key]
        return found[-1] if found else ''

    def count(self, key: str) -> int:
        return int(self.value(key) or -1)


@pytest.fixture(scope='module')
def infer(model_folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return the truth: the backend in this process, on one image."""
    backend = inference.load(str(model_folder), backend='torch')
    return lambda image: backend.infer(np.ascontiguousarray(image)[None])[0]


@pytest.mark.parametrize('reliability', QOS)
@pytest.mark.parametrize('padding', [0, 7])
@pytest.mark.parametrize('encoding', LAYOUTS)
def test_raw_images(
    segmenter: Callable,
    graph: Any,
    model_folder: Path,
    picture: np.ndarray,
    infer: Callable,
    encoding: str,
    padding: int,
    reliability: str,
) -> None:
    segmenter(weights=model_folder)
    labels = graph.collect(Image, LABEL, QOS[reliability])
    publisher = graph.node.create_publisher(Image, '/shared/image', QOS[reliability])
    message = raw_image(LAYOUTS[encoding](picture), encoding, padding, padding)
    label = graph.exchange(publisher, message, labels)
    seen = picture[GREY].repeat(3, 2) if encoding == 'mono8' else picture
    assert label.encoding == 'mono8'
    assert np.array_equal(pixels_of(label), infer(seen))
    assert len(np.unique(pixels_of(label))) > 2


@pytest.mark.parametrize('size', [(1, 1), (33, 2), (480, 640)])
def test_sizes(
    segmenter: Callable, graph: Any, model_folder: Path, infer: Callable, size: tuple[int, int]
) -> None:
    segmenter(weights=model_folder)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    labels = graph.collect(Image, LABEL)
    publisher = graph.node.create_publisher(Image, '/shared/image', 5)
    label = graph.exchange(publisher, raw_image(image, 'rgb8'), labels)
    assert np.array_equal(pixels_of(label), infer(image))


@pytest.mark.parametrize('suffix', ['jpeg', 'png'])
@pytest.mark.parametrize('reliability', QOS)
def test_compressed_images(
    segmenter: Callable,
    graph: Any,
    model_folder: Path,
    picture: np.ndarray,
    infer: Callable,
    suffix: str,
    reliability: str,
) -> None:
    segmenter(weights=model_folder, image_transport='compressed')
    _, data = cv2.imencode(f'.{suffix}', picture[:, :, ::-1])
    message = CompressedImage(format=suffix)
    stamp_header(message.header, 1)
    message.data.frombytes(data.tobytes())
    labels = graph.collect(Image, LABEL)
    publisher = graph.node.create_publisher(
        CompressedImage, '/shared/image/compressed', QOS[reliability]
    )
    label = graph.exchange(publisher, message, labels)
    seen = cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]
    assert np.array_equal(pixels_of(label), infer(seen))


def test_color_overlay_and_classes(
    segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray, infer: Callable
) -> None:
    segmenter(weights=model_folder)
    colors, overlays = graph.collect(Image, COLOR), graph.collect(Image, OVERLAY)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    texts = graph.collect(String, '/shared/segmentation/classes', latched)
    publisher = graph.node.create_publisher(Image, '/shared/image', 5)
    message = raw_image(picture, 'rgb8', 5)
    color = graph.exchange(publisher, message, colors)
    overlay = graph.exchange(publisher, message, overlays)
    expected = taxonomies.get('cityscapes').palette[infer(picture)]
    assert (color.encoding, overlay.encoding) == ('rgb8', 'rgb8')
    assert np.array_equal(pixels_of(color), expected)
    blend = (expected.astype(float) + picture) / 2
    assert np.abs(pixels_of(overlay) - blend).max() <= 0.5
    assert graph.spin_until(lambda: texts)
    content = json.loads(texts[0].data)
    assert content['classes'][13] == {'id': 13, 'name': 'car', 'color': [0, 0, 142]}
    assert len(content['classes']) == 19
    assert (content['taxonomy'], content['unlabelled']) == ('cityscapes', 255)
    assert content['model']['backbone'] == 'stdc1'
    assert (content['model']['input_height'], content['model']['input_width']) == (64, 128)


def broken(change: str) -> Image:
    message = raw_image(np.zeros((20, 30, 3), np.uint8), 'rgb8', 9)
    if change == 'truncated':
        del message.data[1000:]
    elif change == 'step':
        message.step = 89
    elif change == 'empty':
        message = Image(encoding='rgb8')
    elif change == 'encoding':
        message.encoding = 'rgb9'
    return message


BROKEN = {
    'truncated': 'data of the rgb8 image hold 1000 bytes; expected 1800',
    'step': 'step of the rgb8 image is 89 bytes; expected at least 90',
    'empty': 'image is 0 x 0 pixels; expected at least 1 x 1',
    'encoding': "encoding is 'rgb9'; expected one of rgb8",
}


@pytest.mark.parametrize('change', BROKEN)
def test_a_malformed_image_is_named_and_the_next_one_served(
    start_segmenter: Callable,
    graph: Any,
    model_folder: Path,
    picture: np.ndarray,
    infer: Callable,
    change: str,
) -> None:
    process = start_segmenter(weights=model_folder)
    labels = graph.collect(Image, '/segmentation/label')
    diagnostics = Diagnostics(graph)
    publisher = graph.node.create_publisher(Image, '/image', QOS['reliable'])
    process.wait_for('reading /')
    graph.exchange(publisher, raw_image(picture, 'rgb8', 1), labels)
    for _ in range(5):
        publisher.publish(broken(change))
        graph.spin(0.1)
    label = graph.exchange(publisher, raw_image(picture, 'rgb8', 2), labels)
    assert np.array_equal(pixels_of(label), infer(picture))
    process.wait_for(BROKEN[change])
    assert graph.spin_until(lambda: diagnostics.count('dropped malformed') == 5)
    assert DiagnosticStatus.WARN in [status.level for status in diagnostics]
    # Throttled: one line for all five.
    assert process.log.count('image refused') == 1


def test_the_newest_frame_wins(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    """A large input makes the network slower than the camera."""
    process = start_segmenter(weights=model_folder, input_height=512, input_width=1024)
    labels = graph.collect(Image, '/segmentation/label')
    diagnostics = Diagnostics(graph)
    publisher = graph.node.create_publisher(Image, '/image', QOS['reliable'])
    process.wait_for('reading /')
    graph.exchange(publisher, raw_image(picture, 'rgb8', 0), labels)
    for number in range(1, 31):
        publisher.publish(raw_image(picture, 'rgb8', number))
        graph.spin(0.01)
    last = raw_image(picture, 'rgb8', 30).header
    assert graph.spin_until(lambda: labels[-1].header == last)
    stamps = [label.header.stamp.sec for label in labels]
    assert stamps == sorted(stamps, reverse=True), 'the order is that of the camera'
    assert len(labels) < 30

    assert graph.spin_until(lambda: diagnostics.count('frames in') >= 31)
    graph.spin(1.5)
    drops = [diagnostics.count(f'dropped {cause}') for cause in CAUSES]
    assert diagnostics.count('dropped superseded') > 5
    assert diagnostics.count('frames in') == diagnostics.count('frames out') + sum(drops)
    assert diagnostics.count('frames out') == len(labels)
    p50, p95 = (float(diagnostics.value(f'latency {name} [ms]')) for name in ('p50', 'p95'))
    assert 0 < p50 <= p95


@pytest.mark.parametrize('lazy', [True, False])
def test_nothing_is_computed_that_nobody_wants(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray, lazy: bool
) -> None:
    process = start_segmenter(weights=model_folder, lazy=str(lazy).lower())
    diagnostics = Diagnostics(graph)
    publisher = graph.node.create_publisher(Image, '/image', QOS['reliable'])
    process.wait_for('reading /')
    assert graph.spin_until(publisher.get_subscription_count)
    key, other = ('dropped unwanted', 'frames out') if lazy else ('frames out', 'dropped unwanted')

    def counted() -> bool:
        publisher.publish(raw_image(picture, 'rgb8'))
        graph.spin(0.1)
        return diagnostics.count(key) >= 3

    assert graph.spin_until(counted)
    assert diagnostics.value(other) == '0'
    if not lazy:
        return
    overlays = graph.collect(Image, '/segmentation/overlay')
    graph.exchange(publisher, raw_image(picture, 'rgb8', 3), overlays)


def call(graph: Any, service_type: type, name: str, request: Any) -> Any:
    client = graph.node.create_client(service_type, name)
    assert graph.spin_until(client.service_is_ready)
    future = client.call_async(request)
    assert graph.spin_until(future.done)
    return future.result()


def set_parameter(graph: Any, name: str, value: object) -> Any:
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    (result,) = call(graph, SetParameters, '/segmenter/set_parameters', request).results
    return result


def change_state(graph: Any, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return call(graph, ChangeState, '/segmenter/change_state', request).success


def state(graph: Any) -> str:
    return call(graph, GetState, '/segmenter/get_state', GetState.Request()).current_state.label


def test_live_and_fixed_parameters(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    start_segmenter(weights=model_folder).wait_for('reading /')
    assert set_parameter(graph, 'overlay_alpha', 0.0).successful
    overlays = graph.collect(Image, '/segmentation/overlay')
    publisher = graph.node.create_publisher(Image, '/image', 5)
    overlay = graph.exchange(publisher, raw_image(picture, 'rgb8'), overlays)
    assert np.array_equal(pixels_of(overlay), picture)
    for name, value, reason in (
        ('overlay_alpha', 1.5, 'overlay_alpha'),
        ('backend', 'abacus', "backend is 'abacus'; expected one of auto"),
        ('image_transport', 'compressed', 'image_transport is fixed while a model is loaded'),
        ('weights', 3, 'Wrong parameter type'),
    ):
        result = set_parameter(graph, name, value)
        assert not result.successful
        assert reason in result.reason


def test_a_lifecycle_manager_may_lead(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    process = start_segmenter(weights='/missing', autostart='false')
    diagnostics = Diagnostics(graph)
    assert state(graph) == 'unconfigured'
    assert not change_state(graph, Transition.TRANSITION_CONFIGURE)
    process.wait_for("cannot configure: weights is '/missing': no such folder")
    assert state(graph) == 'unconfigured'
    assert graph.spin_until(
        lambda: any(
            status.level == DiagnosticStatus.ERROR
            and status.message.startswith("cannot configure: weights is '/missing'")
            for status in diagnostics
        )
    )
    assert set_parameter(graph, 'weights', str(model_folder)).successful
    labels = graph.collect(Image, '/segmentation/label')
    publisher = graph.node.create_publisher(Image, '/image', 5)
    # Twice: all that is freed is made anew.
    for round_trip in range(2):
        assert change_state(graph, Transition.TRANSITION_CONFIGURE)
        assert state(graph) == 'inactive'
        assert publisher.get_subscription_count() == 0
        assert change_state(graph, Transition.TRANSITION_ACTIVATE)
        assert state(graph) == 'active'
        graph.exchange(publisher, raw_image(picture, 'rgb8', round_trip), labels)
        assert change_state(graph, Transition.TRANSITION_DEACTIVATE)
        assert graph.spin_until(lambda: publisher.get_subscription_count() == 0)
        assert change_state(graph, Transition.TRANSITION_CLEANUP)
        assert graph.spin_until(lambda: graph.node.count_publishers('/segmentation/label') == 0)
    graph.spin(1.2)
    assert list(diagnostics)[-1].message == 'unconfigured: images are not read'
    assert change_state(graph, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert state(graph) == 'finalized'


def test_diagnostics(segmenter: Callable, graph: Any, model_folder: Path) -> None:
    segmenter(weights=model_folder)
    diagnostics = Diagnostics(graph, 'shared/segmenter')
    assert graph.spin_until(lambda: diagnostics.value('backend'))
    assert (diagnostics.value('backend'), diagnostics.value('precision')) == ('torch', 'fp32')
    assert diagnostics.value('network') == 'sfnet_lite'
    assert diagnostics.value('backbone') == 'stdc1'
    assert diagnostics.value('input size') == '128 x 64'
    assert diagnostics.value('reason')


def test_a_silence_is_explained(start_segmenter: Callable, graph: Any, model_folder: Path) -> None:
    """Nobody publishes what the node reads, but another topic has images."""
    camera = graph.node.create_publisher(Image, '/camera/image_raw', 5)
    process = start_segmenter(weights=model_folder)
    diagnostics = Diagnostics(graph)
    process.wait_for(
        f'no one publishes it. Topics with images are {camera.topic_name}: remap image to one'
    )
    assert graph.spin_until(
        lambda: any('no image on /image for' in status.message for status in diagnostics)
    )
    assert list(diagnostics)[-1].level == DiagnosticStatus.WARN


def test_publishers_that_do_not_match_are_explained(
    start: Callable, graph: Any, model_folder: Path
) -> None:
    """The user asked for reliable images, the camera is best effort."""
    camera = graph.node.create_publisher(Image, '/image', QOS['best_effort'])
    process = start(
        'sfnet_ros.ros.segmenter',
        '--ros-args',
        '-p',
        f'weights:={model_folder}',
        '-p',
        'qos_overrides./image.subscription.reliability:=reliable',
    )
    process.wait_for('offers a quality of service that this subscription does not accept')
    process.wait_for(
        'Offered: /tester (sensor_msgs/msg/Image, best_effort, volatile). '
        'Asked for: /segmenter (sensor_msgs/msg/Image, reliable, volatile)'
    )
    process.wait_for('1 publisher(s) seen: /tester (sensor_msgs/msg/Image, best_effort, volatile)')
    assert 'RELIABILITY' in process.log
    assert camera.get_subscription_count() == 0


def test_subscribers_that_do_not_match_are_explained(
    start_segmenter: Callable, graph: Any, model_folder: Path
) -> None:
    """A viewer asks for latched masks, which are not kept for who comes late."""
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    process = start_segmenter(weights=model_folder)
    process.wait_for('reading /')
    labels = graph.collect(Image, '/segmentation/label', latched)
    process.wait_for('asks for a quality of service that is not offered (DURABILITY')
    process.wait_for(
        'Offered: /segmenter (sensor_msgs/msg/Image, reliable, volatile). '
        'Asked for: /tester (sensor_msgs/msg/Image, reliable, transient_local)'
    )
    assert 'qos_overrides./segmentation/label.publisher.*' in process.log
    assert labels == []


def test_loading_is_told_while_it_lasts(
    start: Callable, graph: Any, make_model: Callable, tmp_path: Path
) -> None:
    """A large input takes long to convert and to warm up; the cache is where it was asked for."""
    diagnostics = graph.diagnostics()
    folder = tmp_path / 'mine'
    weights = make_model(input_height=256, input_width=512)
    parameters = {'weights': weights, 'backend': 'openvino', 'cache_dir': folder}
    arguments = [part for key, value in parameters.items() for part in ('-p', f'{key}:={value}')]
    process = start('sfnet_ros.ros.segmenter', '--ros-args', *arguments)
    assert graph.spin_until(lambda: diagnostics('swap').startswith('loading'), 60)
    said = diagnostics('message')
    assert f"loading weights '{weights}', backend 'openvino' for" in said
    assert said.endswith(' s: images are not read')
    assert diagnostics('state') == 'unconfigured'
    process.wait_for('reading /')
    assert graph.spin_until(lambda: diagnostics('state') == 'active')
    assert diagnostics('swap') == 'idle'
    assert 50 < int(diagnostics('memory [MB]')) < 10_000
    assert {'.onnx', '.npy'} <= {path.suffix for path in folder.iterdir()}
