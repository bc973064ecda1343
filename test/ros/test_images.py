"""What the node makes of an image, over the real DDS: every pixel and header it publishes."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sfnet_ros import taxonomies

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import String  # noqa: E402

pytestmark = pytest.mark.timeout(120)

LABEL, COLOR, OVERLAY = (f'/shared/segmentation/{name}' for name in ('label', 'color', 'overlay'))
QOS = {
    name: QoSProfile(depth=5, reliability=ReliabilityPolicy[name.upper()])
    for name in ('best_effort', 'reliable')
}
GREY = (slice(None), slice(None), slice(1))
# How a picture is laid out, and how many bytes fill up its rows.
LAYOUTS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    'rgb8': (lambda rgb: rgb, 0),
    'bgr8': (lambda rgb: rgb[:, :, ::-1], 7),
    'mono8': (lambda rgb: rgb[GREY], 7),
    'bgra8': (lambda rgb: np.dstack((rgb[:, :, ::-1], np.full(rgb.shape[:2], 9, np.uint8))), 0),
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


@pytest.mark.parametrize('reliability', QOS)
@pytest.mark.parametrize('encoding', LAYOUTS)
def test_raw_images(
    segmenter: Callable,
    graph: Any,
    model_folder: Path,
    picture: np.ndarray,
    truth: Callable,
    encoding: str,
    reliability: str,
) -> None:
    segmenter(weights=model_folder)
    labels = graph.collect(Image, LABEL, QOS[reliability])
    publisher = graph.node.create_publisher(Image, '/shared/image', QOS[reliability])
    layout, padding = LAYOUTS[encoding]
    label = graph.exchange(publisher, raw_image(layout(picture), encoding, 1, padding), labels)
    seen = picture[GREY].repeat(3, 2) if encoding == 'mono8' else picture
    assert label.encoding == 'mono8'
    assert np.array_equal(graph.pixels(label), truth(seen, weights=str(model_folder)))
    assert len(np.unique(graph.pixels(label))) > 2


@pytest.mark.parametrize('size', [(1, 1), (33, 2), (480, 640)])
def test_sizes(
    segmenter: Callable, graph: Any, model_folder: Path, truth: Callable, size: tuple[int, int]
) -> None:
    segmenter(weights=model_folder)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    labels = graph.collect(Image, LABEL)
    publisher = graph.node.create_publisher(Image, '/shared/image', 5)
    label = graph.exchange(publisher, raw_image(image, 'rgb8'), labels)
    assert np.array_equal(graph.pixels(label), truth(image, weights=str(model_folder)))


@pytest.mark.parametrize('suffix', ['jpeg', 'png'])
@pytest.mark.parametrize('reliability', QOS)
def test_compressed_images(
    segmenter: Callable,
    graph: Any,
    model_folder: Path,
    picture: np.ndarray,
    truth: Callable,
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
    seen = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert np.array_equal(graph.pixels(label), truth(seen, weights=str(model_folder)))


def test_color_overlay_and_classes(
    segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray, truth: Callable
) -> None:
    segmenter(weights=model_folder)
    colors, overlays = graph.collect(Image, COLOR), graph.collect(Image, OVERLAY)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    texts = graph.collect(String, '/shared/segmentation/classes', latched)
    publisher = graph.node.create_publisher(Image, '/shared/image', 5)
    message = raw_image(picture, 'rgb8', 5)
    color = graph.exchange(publisher, message, colors)
    overlay = graph.exchange(publisher, message, overlays)
    ids = truth(picture, weights=str(model_folder))
    expected = taxonomies.get('cityscapes').palette[ids]
    assert (color.encoding, overlay.encoding) == ('rgb8', 'rgb8')
    assert np.array_equal(graph.pixels(color), expected)
    blend = (expected.astype(float) + picture) / 2
    assert np.abs(graph.pixels(overlay) - blend).max() <= 0.5
    assert graph.spin_until(lambda: texts)
    content = json.loads(texts[0].data)
    assert content['classes'][13] == {'id': 13, 'name': 'car', 'color': [0, 0, 142]}
    assert len(content['classes']) == 19
    assert (content['taxonomy'], content['unlabelled']) == ('cityscapes', 255)
    assert content['model']['backbone'] == 'stdc1'
    assert (content['model']['input_height'], content['model']['input_width']) == (64, 128)


def test_a_malformed_image_is_named_and_the_next_one_served(
    start_rig: Callable, graph: Any, model_folder: Path, picture: np.ndarray, truth: Callable
) -> None:
    rig = start_rig(weights=model_folder)
    rig.label(raw_image(picture, 'rgb8', 1))
    broken = raw_image(np.zeros((20, 30, 3), np.uint8), 'rgb8', 9)
    del broken.data[1000:]
    for _ in range(5):
        rig.camera.publish(broken)
        graph.spin(0.1)
    assert graph.spin_until(lambda: rig.said('level') == 'warn')
    assert 'malformed' in rig.said('message')
    label = rig.label(raw_image(picture, 'rgb8', 2))
    assert np.array_equal(graph.pixels(label), truth(picture, weights=str(model_folder)))
    rig.process.wait_for('image refused: data of the rgb8 image hold 1000 bytes; expected 1800')
    assert graph.spin_until(lambda: rig.said('dropped malformed') == '5')
    # Throttled: one line for all five.
    assert rig.process.log.count('image refused') == 1
