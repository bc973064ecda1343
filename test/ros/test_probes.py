"""The camera that measures the node sends what it says."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from sfnet_ros.ros.messages import picture as read  # noqa: E402
from sfnet_ros.ros.probes import camera_message, ENCODINGS  # noqa: E402


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_the_camera_sends_the_picture(picture: np.ndarray, encoding: str) -> None:
    received = read(camera_message(picture, encoding)).astype(int)
    if encoding in ('rgb8', 'bgr8'):
        assert np.array_equal(received, picture)
    elif encoding == 'mono8':
        assert np.abs(received[..., 1] - picture @ (0.299, 0.587, 0.114)).max() < 1
    else:
        # The noise in the picture is what JPEG leaves out; the order of channels it is not.
        assert (
            np.abs(received - picture).mean() < 15 < np.abs(received[..., ::-1] - picture).mean()
        )
