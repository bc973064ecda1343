"""The contracts of those who read the masks, from their side, and the files made for them."""

from collections.abc import Callable
import json
from pathlib import Path
import re
from typing import Any

import numpy as np
import pytest
from sfnet_ros import inference, taxonomies
import yaml

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from sfnet_ros.ros import classes  # noqa: E402
from sfnet_ros.ros.outputs import PICTURES  # noqa: E402
from std_msgs.msg import String  # noqa: E402

pytestmark = pytest.mark.timeout(120)
CONFIG = Path(__file__).resolve().parents[2] / 'config'
SENSOR_DATA = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LAYER = yaml.safe_load((CONFIG / 'nav2.yaml').read_text())['local_costmap']['local_costmap'][
    'ros__parameters'
]['semantic_layer']['camera']


def start_with(start: Callable, file: str, *arguments: str) -> Any:
    """Start the node as the launch file does, with a file of config/."""
    path = str(CONFIG / file)
    return start('sfnet_ros.ros.segmenter', '--ros-args', '--params-file', path, *arguments)


def test_nav2_puts_every_pixel_at_its_point(
    start: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    """As its layer does: subscribe early, join by equal stamps, look pixels up by index."""
    arrived: list[Any] = []
    for message_type, topic, qos in (
        (String, '/segmentation/classes', LATCHED),
        (Image, LAYER['segmentation_topic'], SENSOR_DATA),
        (Image, LAYER['confidence_topic'], SENSOR_DATA),
    ):
        graph.node.create_subscription(
            message_type, topic, lambda message, topic=topic: arrived.append((topic, message)), qos
        )
    process = start_with(
        start, 'nav2.yaml', '-p', f'weights:={model_folder}', '-p', 'backend:=torch'
    )
    process.wait_for('reading /')
    publisher = graph.node.create_publisher(Image, '/image', SENSOR_DATA)
    # What the layer keeps until the three are there; the cloud has the stamp of the image.
    joined: dict[int, dict[str, Image]] = {}

    def is_joined() -> bool:
        publisher.publish(graph.image(picture, 0))
        graph.spin(0.1)
        for topic, message in arrived:
            if topic != '/segmentation/classes':
                stamp = message.header.stamp
                joined.setdefault(stamp.sec * 10**9 + stamp.nanosec, {})[topic] = message
        return any(len(pair) == 2 for pair in joined.values())

    assert graph.spin_until(is_joined)
    assert arrived[0][0] == '/segmentation/classes', 'the names come before the first mask'
    mask, confidence = (
        next(pair for pair in joined.values() if len(pair) == 2)[LAYER[key]]
        for key in ('segmentation_topic', 'confidence_topic')
    )
    assert mask.header == confidence.header == graph.image(picture, 0).header
    assert (mask.encoding, confidence.encoding) == ('mono8', 'mono8')
    assert (mask.height, mask.width) == (confidence.height, confidence.width)
    height, width = picture.shape[:2]
    backend = inference.load(str(model_folder), backend='torch')
    ids, sure = (found[0] for found in backend.predict(picture[None], confidence=True)[:2])
    for row, column in ((0, 0), (height - 1, width - 1), (17, 600), (358, 0)):
        index = row * mask.width + column
        expected = ids[row, column] if sure[row, column] >= 127.5 else 255
        assert mask.data[index] == expected
        assert confidence.data[index] == sure[row, column]
    assert len(mask.data) == len(confidence.data) == height * width
    assert 0 < np.mean(graph.pixels(mask) == 255) < 1, 'the threshold of the file holds'


def test_nav2_knows_every_class() -> None:
    """The layer reports an error for each class that its parameters do not name."""
    named = [name for kind in LAYER['class_types'] for name in LAYER[kind]['classes']]
    assert sorted(named) == sorted(taxonomies.get('cityscapes').classes)


@pytest.mark.skipif(
    classes.LabelInfo is None, reason='vision_msgs is not installed; it has no pip package'
)
def test_label_info_names_the_classes_before_the_first_mask(
    start: Callable, graph: Any, model_folder: Path
) -> None:
    process = start_with(start, 'nav2.yaml', '-p', f'weights:={model_folder}')
    process.wait_for('reading /')
    found = graph.collect(classes.LabelInfo, LAYER['labels_topic'], LATCHED)
    assert graph.spin_until(lambda: found)
    names = {item.class_id: item.class_name for item in found[0].class_map}
    assert names == dict(enumerate(taxonomies.get('cityscapes').classes))
    assert found[0].threshold == pytest.approx(0.5)
    assert found[0].header.stamp.sec > 0


@pytest.mark.parametrize('name', sorted(PICTURES))
def test_viewers_know_every_encoding(
    segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray, name: str
) -> None:
    """RViz and Foxglove show mono8 and rgb8, and png; what they are shown is never empty."""
    segmenter(weights=model_folder)
    found = graph.collect(PICTURES[name], f'/shared/segmentation/{name}', SENSOR_DATA)
    publisher = graph.node.create_publisher(Image, '/shared/image', 5)
    message = graph.exchange(publisher, graph.image(picture[:90, :160], 1), found)
    if name.endswith('compressed'):
        # As compressed_image_transport writes and reads it.
        assert re.fullmatch(r'mono8; png compressed mono8', message.format)
        return
    assert message.encoding in ('mono8', 'rgb8')
    assert message.is_bigendian == 0
    assert graph.pixels(message).shape[:2] == (90, 160)


def test_autoware_gets_its_own_classes(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray, quick: str
) -> None:
    """Every id is one of its table, or 255; the names that go with them are announced."""
    process = start_segmenter(weights=model_folder, backend=quick, output_ids='autoware')
    process.wait_for('reading /')
    texts = graph.collect(String, '/segmentation/classes', LATCHED)
    labels = graph.collect(Image, '/segmentation/label')
    publisher = graph.node.create_publisher(Image, '/image', 5)
    label = graph.exchange(publisher, graph.image(picture, 1), labels)
    assert graph.spin_until(lambda: texts)
    names = {item['id']: item['name'] for item in json.loads(texts[0].data)['classes']}
    assert names == dict(enumerate(taxonomies.get('autoware').classes))
    assert set(np.unique(graph.pixels(label))) <= {*names, 255}


@pytest.mark.parametrize(
    ('file', 'topic'),
    [('segment.yaml', '/image'), ('cameras.yaml', '/right/image'), ('nav2.yaml', '/image')],
)
def test_every_params_file_starts_a_node(
    start: Callable, model_folder: Path, file: str, topic: str
) -> None:
    process = start_with(start, file, '-p', f'weights:={model_folder}')
    process.wait_for(f'reading {topic} ')
    assert 'is unknown' not in process.log


@pytest.mark.parametrize('file', ['segment.rviz', 'foxglove.json'])
def test_the_views_show_what_is_published(file: str) -> None:
    text = (CONFIG / file).read_text()
    content = yaml.safe_load(text) if file.endswith('rviz') else json.loads(text)
    assert content
    topics = set(re.findall(r'/segmentation/([\w/]+)', text))
    assert topics <= {*PICTURES, 'camera_info', 'classes'}
    assert {'overlay', 'color', 'confidence'} <= topics


def test_the_foxglove_layout_places_every_panel() -> None:
    content = json.loads((CONFIG / 'foxglove.json').read_text())

    def panels(part: Any) -> list[str]:
        if isinstance(part, str):
            return [part]
        return panels(part['first']) + panels(part['second'])

    assert sorted(panels(content['layout'])) == sorted(content['configById'])
