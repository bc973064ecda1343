"""What the node publishes beside its plain label: png labels, and the ids of other taxonomies."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sfnet_ros import inference, taxonomies

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import String  # noqa: E402

pytestmark = pytest.mark.timeout(120)
LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def image(pixels: np.ndarray, number: int) -> Image:
    height, width = pixels.shape[:2]
    message = Image(encoding='rgb8', height=height, width=width, step=3 * width)
    message.header.stamp.sec, message.header.frame_id = number, f'camera {number}'
    message.data.frombytes(np.ascontiguousarray(pixels).tobytes())
    return message


def pixels_of(message: Image) -> np.ndarray:
    shape = (message.height, message.width, 3)[: 2 if message.encoding == 'mono8' else 3]
    return np.frombuffer(message.data, np.uint8).reshape(shape)


def truth(pixels: np.ndarray, weights: Path) -> np.ndarray:
    return inference.load(str(weights), backend='torch').infer(pixels[None])[0]


def test_a_png_label_is_the_label(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    """Also where it is the only output that someone wants."""
    process = start_segmenter(weights=model_folder)
    found = graph.collect(CompressedImage, '/segmentation/label/compressed')
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    message = graph.exchange(publisher, image(picture, 7), found)
    assert message.format == 'mono8; png compressed mono8'
    assert bytes(message.data[:8]) == b'\x89PNG\r\n\x1a\n'
    ids = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(ids, truth(picture, model_folder))
    assert len(message.data) < ids.size


@pytest.mark.parametrize(
    ('output_ids', 'taxonomy', 'car'),
    [('label_id', 'cityscapes_ids', 26), ('autoware', 'autoware', 7)],
)
def test_ids_of_another_taxonomy(
    start_segmenter: Callable,
    graph: Any,
    model_folder: Path,
    picture: np.ndarray,
    output_ids: str,
    taxonomy: str,
    car: int,
) -> None:
    """They change live and without loading; colours and class names follow."""
    process = start_segmenter(weights=model_folder)
    labels = graph.collect(Image, '/segmentation/label')
    colors = graph.collect(Image, '/segmentation/color')
    texts = graph.collect(String, '/segmentation/classes', LATCHED)
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    ids = truth(picture, model_folder)
    label = graph.exchange(publisher, image(picture, 1), labels)
    assert np.array_equal(pixels_of(label), ids)

    assert graph.set_at_once(output_ids=output_ids).successful
    # The change follows the reply; the classes come before the first mask of the new kind.
    assert graph.spin_until(lambda: len(texts) == 2)
    expected = taxonomies.conversion('cityscapes', taxonomy)[ids]
    assert not np.array_equal(expected, ids)
    label = graph.exchange(publisher, image(picture, 2), labels)
    assert np.array_equal(pixels_of(label), expected)
    color = graph.exchange(publisher, image(picture, 3), colors)
    assert np.array_equal(pixels_of(color), taxonomies.get(taxonomy).palette[expected])
    content = json.loads(texts[1].data)
    assert (content['taxonomy'], content['output_ids']) == (taxonomy, output_ids)
    names = {item['id']: item['name'] for item in content['classes']}
    assert names[car] in ('car', 'vehicle')
    assert process.log.count('loaded in') == 1


def test_ids_that_cannot_be_made_are_set_back(
    start_segmenter: Callable, graph: Any, make_model: Callable, picture: np.ndarray
) -> None:
    weights = make_model(taxonomy='idd_lite')
    process = start_segmenter(weights=weights)
    labels = graph.collect(Image, '/segmentation/label')
    diagnostics = graph.diagnostics()
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    assert not graph.set_at_once(output_ids='rgb').successful
    assert graph.set_at_once(output_ids='autoware').successful
    assert graph.spin_until(lambda: diagnostics('swap').startswith('failed'))
    assert "no conversion from 'idd_lite' to 'autoware'" in diagnostics('swap')
    assert graph.parameters('output_ids') == ['train_id']
    label = graph.exchange(publisher, image(picture, 1), labels)
    assert np.array_equal(pixels_of(label), truth(picture, weights))


def test_ids_that_cannot_be_made_are_refused_at_start(
    start_segmenter: Callable, make_model: Callable
) -> None:
    process = start_segmenter(weights=make_model(taxonomy='idd_lite'), output_ids='label_id')
    assert process.wait() == 1
    assert "cannot configure: no conversion from 'idd_lite' to 'cityscapes_ids'" in process.log
    assert 'Traceback' not in process.log
