"""The adapter between messages and arrays, with and without a cv_bridge."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from sfnet_ros.errors import ImageError  # noqa: E402
from sfnet_ros.ros import messages  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
# Written by us; says what ROS 2's cv_bridge says, and leaves a trace of each call.
STAND_IN = """
import numpy as np

class CvBridge:
    calls = []

    def imgmsg_to_cv2(self, img_msg, desired_encoding):
        self.calls.append((img_msg.encoding, desired_encoding))
        shape = (img_msg.height, img_msg.width, -1)
        return np.frombuffer(img_msg.data, np.uint8).reshape(shape){wrong}

    def cv2_to_imgmsg(self, cvim, encoding{header}):
        raise NotImplementedError
"""


@pytest.fixture(autouse=True)
def fresh_choice() -> Iterator[None]:
    messages.cv_bridge.cache_clear()
    yield
    messages.cv_bridge.cache_clear()


def header() -> Header:
    message = Header(frame_id='front/optical')
    message.stamp.sec, message.stamp.nanosec = 2**31 - 1, 999_999_999
    return message


def image(array: np.ndarray, encoding: str, padding: int = 0) -> Image:
    rows = np.pad(array.reshape(len(array), -1), ((0, 0), (0, padding)))
    height, width = array.shape[:2]
    message = Image(encoding=encoding, height=height, width=width, step=rows.shape[1])
    message.data.frombytes(rows.tobytes())
    return message


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize(('encoding', 'order'), [('rgb8', 1), ('bgr8', -1)])
def test_raw(encoding: str, order: int, padding: int) -> None:
    message = image(np.ascontiguousarray(RGB[:, :, ::order]), encoding, padding)
    assert np.array_equal(messages.picture(message), RGB)


def test_rgb_is_a_view_of_the_message() -> None:
    message = image(RGB, 'rgb8')
    found = messages.to_rgb(message)
    message.data[0] ^= 255
    assert found[0, 0, 0] == RGB[0, 0, 0] ^ 255


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'data': bytes(100)}, 'data of the rgb8 image hold 100 bytes; expected 105'),
        ({'step': 20}, 'step of the rgb8 image is 20 bytes; expected at least 21'),
        ({'height': 0}, 'image is 7 x 0 pixels; expected at least 1 x 1'),
        ({'encoding': 'rgb9'}, "encoding is 'rgb9'; expected one of rgb8"),
    ],
)
def test_a_malformed_image_is_refused(changes: dict[str, object], message: str) -> None:
    broken = image(RGB, 'rgb8')
    for name, value in changes.items():
        setattr(broken, name, value)
    with pytest.raises(ImageError, match=message):
        messages.picture(broken)


def test_endianness_is_read_from_the_message() -> None:
    message = Image(encoding='mono16', height=1, width=2, step=4, is_bigendian=1)
    message.data.frombytes(b'\x12\x34\x56\x78')
    assert messages.to_rgb(message)[0, :, 0].tolist() == [0x12, 0x56]
    message.is_bigendian = 0
    assert messages.to_rgb(message)[0, :, 0].tolist() == [0x34, 0x78]


@pytest.mark.parametrize('name', ['jpeg', 'bgr8; jpeg compressed bgr8', 'png', ''])
def test_compressed(name: str) -> None:
    suffix = '.jpg' if 'jpeg' in name else '.png'
    _, data = cv2.imencode(suffix, RGB[:, :, ::-1])
    message = CompressedImage(format=name)
    message.data.frombytes(data.tobytes())
    expected = cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]
    assert np.array_equal(messages.picture(message), expected)


def test_compressed_depth_is_refused() -> None:
    message = CompressedImage(format='16UC1; compressedDepth png')
    with pytest.raises(ImageError, match='which is depth, not a camera picture'):
        messages.decode(message)


@pytest.mark.parametrize(('array', 'encoding'), [(RGB, 'rgb8'), (RGB[:, :, 0], 'mono8')])
def test_from_array(array: np.ndarray, encoding: str) -> None:
    message = messages.from_array(array, header())
    assert message.header == header()
    assert (message.height, message.width, message.encoding) == (5, 7, encoding)
    assert message.step * 5 == len(message.data) == array.size
    assert message.is_bigendian == 0
    assert bytes(message.data) == array.tobytes()


@pytest.mark.parametrize(
    'array', [RGB.astype(np.float32), RGB[:, :, :2], RGB[0, 0], np.zeros((2, 2, 2, 2), np.uint8)]
)
def test_from_array_refuses_what_no_encoding_fits(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match='expected uint8, H x W or H x W x 3'):
        messages.from_array(array, header())


def put_cv_bridge(
    folder: Path, monkeypatch: pytest.MonkeyPatch, with_header: bool = True, wrong: str = ''
) -> None:
    text = STAND_IN.format(header=', header=None' if with_header else '', wrong=wrong)
    (folder / 'cv_bridge.py').write_text(text)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(__import__('sys').modules, 'cv_bridge', raising=False)


def test_cv_bridge_hands_tight_images_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('ROS_DISTRO', raising=False)
    put_cv_bridge(tmp_path, monkeypatch)
    bridge, reason = messages.cv_bridge()
    assert reason == 'cv_bridge hands the pixels through'
    bridge.calls.clear()
    bgr = np.ascontiguousarray(RGB[:, :, ::-1])
    assert np.array_equal(messages.to_rgb(image(bgr, 'bgr8')), RGB)
    assert np.array_equal(messages.to_rgb(image(bgr, 'bgr8', padding=3)), RGB)
    with pytest.raises(ImageError, match='expected at least 1 x 1'):
        messages.to_rgb(Image(encoding='rgb8'))
    assert bridge.calls == [('bgr8', 'passthrough')]


@pytest.mark.parametrize(
    ('arguments', 'distro', 'reason'),
    [
        ({'with_header': False}, '', 'not that of ROS 2'),
        ({'wrong': ' + 1'}, '', 'does not return the pixels'),
        ({'wrong': '.missing'}, '', 'does not work here'),
        ({}, 'jazzy', 'cv_bridge of jazzy is built for numpy 1'),
    ],
)
def test_an_unsafe_cv_bridge_is_left_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict,
    distro: str,
    reason: str,
) -> None:
    monkeypatch.setenv('ROS_DISTRO', distro)
    monkeypatch.setattr(np, '__version__', '2.1.0')
    put_cv_bridge(tmp_path, monkeypatch, **arguments)
    bridge, found = messages.cv_bridge()
    assert bridge is None
    assert reason in found
    assert np.array_equal(messages.to_rgb(image(RGB, 'rgb8')), RGB)
