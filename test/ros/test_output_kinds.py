"""What the node publishes beside its plain label: png, other taxonomies, confidence, flow."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sfnet_ros import inference, taxonomies
from sfnet_ros.inference.flow import flow_picture

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import String  # noqa: E402

pytestmark = pytest.mark.timeout(120)
LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_a_png_label_is_the_label(
    segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray, truth: Callable
) -> None:
    """Also where it is the only output that someone wants."""
    segmenter(weights=model_folder)
    found = graph.collect(CompressedImage, '/shared/segmentation/label/compressed')
    publisher = graph.node.create_publisher(Image, '/shared/image', 5)
    message = graph.exchange(publisher, graph.image(picture, 7), found)
    assert message.format == 'mono8; png compressed mono8'
    assert bytes(message.data[:8]) == b'\x89PNG\r\n\x1a\n'
    ids = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(ids, truth(picture, weights=str(model_folder)))
    assert len(message.data) < ids.size


@pytest.mark.parametrize(
    ('output_ids', 'taxonomy', 'car'),
    [('label_id', 'cityscapes_ids', 26), ('autoware', 'autoware', 7)],
)
def test_ids_of_another_taxonomy(
    start_rig: Callable,
    graph: Any,
    model_folder: Path,
    picture: np.ndarray,
    truth: Callable,
    output_ids: str,
    taxonomy: str,
    car: int,
) -> None:
    """They change live and without loading; colours and class names follow."""
    rig = start_rig(weights=model_folder)
    colors = graph.collect(Image, '/segmentation/color')
    texts = graph.collect(String, '/segmentation/classes', LATCHED)
    ids = truth(picture, weights=str(model_folder))
    label = rig.label(graph.image(picture, 1))
    assert np.array_equal(graph.pixels(label), ids)

    assert graph.set_at_once(output_ids=output_ids).successful
    # The change follows the reply; the classes come before the first mask of the new kind.
    assert graph.spin_until(lambda: len(texts) == 2)
    expected = taxonomies.conversion('cityscapes', taxonomy)[ids]
    assert not np.array_equal(expected, ids)
    label = rig.label(graph.image(picture, 2))
    assert np.array_equal(graph.pixels(label), expected)
    color = graph.exchange(rig.camera, graph.image(picture, 3), colors)
    assert np.array_equal(graph.pixels(color), taxonomies.get(taxonomy).palette[expected])
    content = json.loads(texts[1].data)
    assert (content['taxonomy'], content['output_ids']) == (taxonomy, output_ids)
    names = {item['id']: item['name'] for item in content['classes']}
    assert names[car] in ('car', 'vehicle')
    assert rig.process.log.count('loaded in') == 1


def test_ids_that_cannot_be_made_are_set_back(
    start_rig: Callable, graph: Any, make_model: Callable, picture: np.ndarray, truth: Callable
) -> None:
    weights = make_model(taxonomy='idd_lite')
    rig = start_rig(weights=weights)
    assert not graph.set_at_once(output_ids='rgb').successful
    assert graph.set_at_once(output_ids='autoware').successful
    assert graph.spin_until(lambda: rig.said('swap').startswith('failed'))
    assert "no conversion from 'idd_lite' to 'autoware'" in rig.said('swap')
    assert graph.parameters('output_ids') == ['train_id']
    label = rig.label(graph.image(picture, 1))
    assert np.array_equal(graph.pixels(label), truth(picture, weights=str(weights)))


def test_ids_that_cannot_be_made_are_refused_at_start(
    start_segmenter: Callable, make_model: Callable
) -> None:
    process = start_segmenter(weights=make_model(taxonomy='idd_lite'), output_ids='label_id')
    assert process.wait() == 1
    assert "cannot configure: no conversion from 'idd_lite' to 'cityscapes_ids'" in process.log
    assert 'Traceback' not in process.log


def test_confidence_and_its_threshold(
    start_rig: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    """The threshold changes live; colours, png and what is announced follow it."""
    rig = start_rig(weights=model_folder)
    confidences = graph.collect(Image, '/segmentation/confidence')
    texts = graph.collect(String, '/segmentation/classes', LATCHED)
    backend = inference.load(str(model_folder), backend='torch')
    ids, sure = (found[0] for found in backend.predict(picture[None], confidence=True)[:2])
    message = graph.exchange(rig.camera, graph.image(picture, 1), confidences)
    assert (message.encoding, message.step) == ('mono8', picture.shape[1])
    assert np.array_equal(graph.pixels(message), sure)
    assert np.array_equal(graph.pixels(rig.labels[-1]), ids)
    assert rig.labels[-1].header == message.header

    # The median, and a value between two steps of 1/255: equal passes, below does not.
    middle = int(np.median(sure))
    for number, threshold in enumerate((middle / 255, (middle + 0.5) / 255), start=2):
        assert graph.set_at_once(confidence_threshold=threshold).successful
        assert graph.spin_until(lambda count=number: len(texts) == count)
        assert json.loads(texts[-1].data)['confidence_threshold'] == threshold
        label = rig.label(graph.image(picture, number))
        expected = np.where(sure / 255 < threshold, 255, ids)
        assert 0 < np.mean(expected == 255) < 1
        assert np.array_equal(graph.pixels(label), expected)
    # Also where confidence is not published itself.
    graph.forget()
    colors = graph.collect(Image, '/segmentation/color')
    color = graph.exchange(rig.camera, graph.image(picture, 5), colors)
    assert np.array_equal(graph.pixels(color), taxonomies.get('cityscapes').palette[expected])
    assert rig.process.log.count('loaded in') == 1
    refused = graph.set_at_once(confidence_threshold=1.5)
    assert not refused.successful


def test_flow(segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray) -> None:
    segmenter(weights=model_folder)
    flows = graph.collect(Image, '/shared/segmentation/flow')
    publisher = graph.node.create_publisher(Image, '/shared/image', 5)
    message = graph.exchange(publisher, graph.image(picture, 4), flows)
    flow = (
        inference.load(str(model_folder), backend='torch').predict(picture[None], flow=True).flow
    )
    assert flow is not None
    colours = flow_picture(flow[0])
    assert message.encoding == 'rgb8'
    found = graph.pixels(message)
    assert found.shape == picture.shape
    assert np.array_equal(found[0, 0], colours[0, 0])
    # No colour is made up between two shifts.
    assert set(map(tuple, found.reshape(-1, 3))) <= set(map(tuple, colours.reshape(-1, 3)))
    assert len(np.unique(found.reshape(-1, 3), axis=0)) > 10


def test_where_there_is_no_flow_it_is_said_once(
    start_segmenter: Callable, graph: Any, make_model: Callable, picture: np.ndarray
) -> None:
    """FPN aligns nothing; its masks are published all the same."""
    process = start_segmenter(weights=make_model(network='fpn'))
    flows = graph.collect(Image, '/segmentation/flow')
    diagnostics = graph.diagnostics()
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    assert graph.spin_until(publisher.get_subscription_count)
    assert graph.spin_until(lambda: diagnostics('no flow') == '' and diagnostics('state'))

    def is_idle() -> bool:
        publisher.publish(graph.image(picture, 1))
        graph.spin(0.1)
        return int(diagnostics('dropped unwanted') or 0) > 3

    # Once it is known, the network does not run for a flow that never comes.
    assert graph.spin_until(is_idle)
    assert 'torch gives none for fpn' in diagnostics('no flow')
    labels = graph.collect(Image, '/segmentation/label')
    graph.exchange(publisher, graph.image(picture, 2), labels)
    assert flows == []
    assert process.log.count('no segmentation/flow') == 1
