"""Several cameras in one node: each with its own topics, headers and counters, served in turn."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sfnet_ros import inference

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from sfnet_ros.ros.slots import Frame, Slots  # noqa: E402
from std_msgs.msg import String  # noqa: E402

pytestmark = pytest.mark.timeout(120)
CAMERAS = ('front', 'rig/left', 'rear')
LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def image(pixels: np.ndarray, frame_id: str, number: int) -> Image:
    height, width = pixels.shape[:2]
    message = Image(encoding='rgb8', height=height, width=width, step=3 * width)
    message.header.stamp.sec, message.header.frame_id = number, frame_id
    message.data.frombytes(np.ascontiguousarray(pixels).tobytes())
    return message


def test_the_slots_are_served_in_turn() -> None:
    """Three cameras, the first ten times as fast: all get the same share."""
    slots, served = Slots(), []
    superseded = 0
    for turn in range(30):
        for name in ['a'] * 10 + ['b', 'c']:
            superseded += slots.put(Frame(Image(), name, float(turn)))
        frame = slots.take()
        assert frame
        served.append((frame.camera, frame.received_s))
    assert [name for name, _ in served] == ['a', 'b', 'c'] * 10
    assert [when for _, when in served] == list(range(30)), 'the newest of each'
    assert superseded + 30 + len(slots.close()) == 30 * 12
    assert slots.take() is None


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
            message = image(pictures[name], f'{name} optical', count)
            label = graph.exchange(publishers[name], message, labels[name])
            expected = infer(np.ascontiguousarray(pictures[name])[None])[0]
            assert (label.height, label.width) == expected.shape
            found = np.frombuffer(label.data, np.uint8).reshape(expected.shape)
            assert np.array_equal(found, expected)
    graph.spin(1.2)
    for number, name in enumerate(CAMERAS, start=1):
        assert {label.header.frame_id for label in labels[name]} == {f'{name} optical'}
        assert int(statuses[name]('frames out')) == len(labels[name]) >= number
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
    graph.exchange(publishers['slow'], image(small, 'slow', 0), masks['slow'])
    camera = graph.node.create_timer(
        0.01, lambda: publishers['fast'].publish(image(small, 'fast', 1))
    )
    for number in range(1, 4):
        graph.exchange(publishers['slow'], image(small, 'slow', number), masks['slow'])
    graph.node.destroy_timer(camera)
    assert graph.spin_until(lambda: int(fast('dropped superseded')) > 0)
    assert int(fast('frames out')) > 0
    assert len(masks['slow']) >= 4
    assert slow('dropped failed') == '0'


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
    start_segmenter: Callable, model_folder: Path, cameras: str
) -> None:
    start_segmenter(weights=model_folder, cameras=cameras).wait_for('reading /image')


def test_cameras_change_while_the_node_is_not_configured(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    process = start_segmenter(weights=model_folder)
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
    graph.exchange(publisher, image(picture[:48, :64], 'front', 1), labels)
