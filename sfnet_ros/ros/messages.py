"""The adapter between image messages and arrays, both ways; copies only where it must."""

from functools import cache
import importlib
import inspect
import os
from typing import Any, Protocol

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from ..errors import ImageError
from ..inference import pixels

# What cv_bridge hands through as it is; its own conversions are not used: they crash where it was
# built for numpy 1 and numpy 2 is installed, and it is wrong for padded and big-endian images.
_BRIDGED = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4, 'mono8': 1}
# Distributions whose cv_bridge was built for numpy 1.
_NUMPY_1_DISTROS = ('humble', 'iron', 'jazzy', 'kilted')
_CHANNELS = {1: 'mono8', 3: 'rgb8'}


class CvBridge(Protocol):
    """What is used of cv_bridge."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str) -> np.ndarray:
        """Return the pixels of a message."""
        ...


def to_rgb(message: Image) -> np.ndarray:
    """
    Return the pixels of an image message as H x W x 3 uint8 RGB.

    A tight or padded rgb8 image is a view of the message's data, not a copy.

    :raises ImageError: when the message contradicts itself or is no camera picture.
    """
    data, size = message.data, message.step * message.height
    row_bytes = message.width * _BRIDGED.get(message.encoding, 0)
    bridge, _ = cv_bridge()
    if bridge and 0 < row_bytes == message.step and 0 < len(data) == size:
        data = bridge.imgmsg_to_cv2(message, 'passthrough').reshape(-1)
    return pixels.to_rgb(
        data,
        message.height,
        message.width,
        message.encoding,
        message.step,
        bool(message.is_bigendian),
    )


def decode(message: CompressedImage) -> np.ndarray:
    """
    Return the picture of a compressed image message as H x W x 3 uint8 RGB.

    :raises ImageError: when the data are no whole picture, or depth.
    """
    if 'compressedDepth' in message.format:
        raise ImageError(
            f'format is {message.format!r}, which is depth, not a camera picture; '
            'expected jpeg or png: connect the compressed topic of the colour image'
        )
    return pixels.decode(message.data, message.format)


def picture(message: Image | CompressedImage) -> np.ndarray:
    """Return either message as H x W x 3 uint8 RGB; raises ImageError."""
    return decode(message) if isinstance(message, CompressedImage) else to_rgb(message)


def from_array(array: np.ndarray, header: Header) -> Image:
    """
    Return H x W uint8 as a mono8 message, H x W x 3 uint8 RGB as rgb8; step == row length.

    :param header: of the source image; the message carries the same one.
    """
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in _CHANNELS:
        raise ValueError(
            f'array is {array.dtype} of shape {array.shape}; expected uint8, H x W or H x W x 3'
        )
    message = Image(header=header, encoding=_CHANNELS[channels])
    message.height, message.width = array.shape[:2]
    message.step = message.width * channels
    # Filling the array that the message has is ten times quicker than setting a new one: the
    # setter copies, and with its checks on it looks at every byte.
    message.data.frombytes(np.ascontiguousarray(array).data)
    return message


def to_png(ids: np.ndarray, header: Header) -> CompressedImage:
    """
    Return H x W uint8 as a compressed mono8 message; png, because ids must not change.

    :param header: of the source image; the message carries the same one.
    """
    # Large areas of one value shrink well at the quickest level already.
    _, data = cv2.imencode('.png', ids, (cv2.IMWRITE_PNG_COMPRESSION, 1))
    message = CompressedImage(header=header, format='mono8; png compressed mono8')
    message.data.frombytes(data.data)
    return message


@cache
def cv_bridge() -> tuple[CvBridge | None, str]:
    """
    Return ROS 2's cv_bridge where it is installed and safe, else None; and why.

    It brings no more than the adapter's own view does, a few microseconds a frame either way; it
    is used so that an image means here what it means to the other nodes of a ROS installation.
    """
    distro = os.environ.get('ROS_DISTRO', '')
    if distro in _NUMPY_1_DISTROS and int(np.__version__.split('.')[0]) > 1:
        return None, f'cv_bridge of {distro} is built for numpy 1, found numpy {np.__version__}'
    try:
        module: Any = importlib.import_module('cv_bridge')
        bridge = module.CvBridge()
        if 'header' not in inspect.signature(bridge.cv2_to_imgmsg).parameters:
            return None, 'the cv_bridge found is not that of ROS 2'
        trial = from_array(np.arange(18, dtype=np.uint8).reshape(2, 3, 3), Header())
        passed = np.asarray(bridge.imgmsg_to_cv2(trial, 'passthrough'))
    except ImportError:
        return None, 'cv_bridge is not installed'
    except Exception as error:  # whatever is wrong with it, we can do without
        return None, f'cv_bridge does not work here: {error}'
    if passed.dtype != np.uint8 or passed.tobytes() != bytes(trial.data):
        return None, 'cv_bridge does not return the pixels of a trial image'
    return bridge, 'cv_bridge hands the pixels through'
