"""The calibration beside the masks: what it says of pixels, and when it is published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sfnet_ros import inference
from sfnet_ros.inference.pixels import fit

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from sfnet_ros.ros.calibration import resized  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

pytestmark = pytest.mark.timeout(120)


def calibration() -> CameraInfo:
    """Return the right camera of a stereo pair, 641 x 359, of which a part is read out."""
    info = CameraInfo(width=641, height=359, distortion_model='plumb_bob')
    info.header.frame_id, info.header.stamp.sec = 'another frame', 3
    info.d.extend([-0.2, 0.1, 0.001, 0.002, 0.0])
    info.k = [500.0, 0.0, 321.5, 0.0, 510.0, 180.25, 0.0, 0.0, 1.0]
    info.p = [480.0, 0.0, 318.0, -57.6, 0.0, 490.0, 179.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.binning_x = info.binning_y = 1
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 100, 40, 400, 200
    info.roi.do_rectify = True
    return info


@pytest.mark.parametrize('new_size', [(359, 641), (64, 128), (718, 1282), (100, 100)])
@pytest.mark.parametrize('matrix', ['k', 'p'])
def test_points_fall_on_the_same_part_of_the_picture(
    new_size: tuple[int, int], matrix: str
) -> None:
    """Measured from the edge of the first pixel, a point keeps its share of width and height."""
    size = (359, 641)
    info = resized(calibration(), Header(frame_id='front'), size, new_size)
    assert (info.height, info.width) == new_size
    assert info.header == Header(frame_id='front')
    shares = []
    for found, (height, width) in ((calibration(), size), (info, new_size)):
        columns = 3 if matrix == 'k' else 4
        point = np.array([0.3, -0.2, 2.0, 1.0])[:columns]
        x, y, z = np.reshape(getattr(found, matrix), (3, columns)) @ point
        shares.append(((x / z + 0.5) / width, (y / z + 0.5) / height))
    assert np.allclose(*shares, rtol=0, atol=1e-12)


def test_nothing_else_changes() -> None:
    info = resized(calibration(), calibration().header, (359, 641), (359, 641))
    assert info == calibration()
    half = resized(calibration(), Header(), (359, 641), (359 * 2, 641 * 2))
    assert half.d == calibration().d
    assert np.array_equal(half.r, calibration().r)
    assert (half.binning_x, half.distortion_model) == (1, 'plumb_bob')
    roi = half.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (200, 80, 800, 400)
    assert roi.do_rectify is True


def test_an_uncalibrated_camera_stays_one() -> None:
    """Zeros in K say that there is no calibration."""
    info = resized(CameraInfo(width=10, height=10), Header(), (10, 10), (5, 5))
    assert not np.any(info.k)
    assert not np.any(info.p)
    assert (info.width, info.height, info.roi.width) == (5, 5, 0)


@pytest.mark.parametrize('output_size', ['source', 'network'])
def test_masks_and_calibration_belong_together(
    start_segmenter: Callable,
    graph: Any,
    model_folder: Path,
    picture: np.ndarray,
    output_size: str,
) -> None:
    process = start_segmenter(weights=model_folder, output_size=output_size)
    infos = graph.collect(CameraInfo, '/segmentation/camera_info')
    camera_infos = graph.node.create_publisher(CameraInfo, '/camera_info', 5)
    publisher = graph.node.create_publisher(Image, '/image', 5)
    process.wait_for('reading /')
    assert graph.spin_until(camera_infos.get_subscription_count)
    # Before a calibration is there nothing is made up; nor is a mask for the calibration alone.
    for number in range(3):
        publisher.publish(graph.image(picture, 90 + number))
        graph.spin(0.1)
    assert infos == []
    camera_infos.publish(calibration())
    info = graph.exchange(publisher, graph.image(picture, 1), infos)
    graph.forget()

    labels = graph.collect(Image, '/segmentation/label')
    confidences = graph.collect(Image, '/segmentation/confidence')
    overlays = graph.collect(Image, '/segmentation/overlay')
    label = graph.exchange(publisher, graph.image(picture, 2), labels)
    size = (64, 128) if output_size == 'network' else picture.shape[:2]
    assert (label.height, label.width) == size == (info.height, info.width)
    image = fit(picture[None], size)
    infer = inference.load(str(model_folder), backend='torch').infer
    assert np.array_equal(graph.pixels(label), infer(image)[0])
    for found in (confidences, overlays):
        message = graph.exchange(publisher, graph.image(picture, 3), found)
        assert (message.height, message.width) == size
    expected = resized(calibration(), graph.image(picture, 1).header, picture.shape[:2], size)
    assert info == expected
