"""
Camera pixels of any encoding to RGB: what a ROS image holds, without ROS.

Encodings are those of ``sensor_msgs/image_encodings.hpp``. Pixels that are RGB already are not
copied: the array is a view of the message's data.
"""

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..errors import ImageError

# Channels and conversion of interleaved pixels; no conversion: RGB already. Without colour names
# (8UC3) channels are in OpenCV's order, as cv_bridge has it.
_INTERLEAVED: dict[str, tuple[int, int | None]] = {
    'rgb8': (3, None),
    'bgr8': (3, cv2.COLOR_BGR2RGB),
    'rgba8': (4, cv2.COLOR_RGBA2RGB),
    'bgra8': (4, cv2.COLOR_BGRA2RGB),
    'mono8': (1, cv2.COLOR_GRAY2RGB),
    '8UC1': (1, cv2.COLOR_GRAY2RGB),
    '8UC3': (3, cv2.COLOR_BGR2RGB),
    '8UC4': (4, cv2.COLOR_BGRA2RGB),
    # ROS names the first two rows from the left, OpenCV the second row from its second pixel.
    'bayer_rggb8': (1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': (1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': (1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': (1, cv2.COLOR_BayerGB2RGB),
    'yuv422': (2, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': (2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': (2, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': (2, cv2.COLOR_YUV2RGB_YUY2),
}
# 16 bits a channel; of each the high byte is kept.
_WIDE = {
    name: name.replace('16', '8')
    for name in (
        'rgb16 bgr16 rgba16 bgra16 mono16 16UC1 16UC3 16UC4 '
        'bayer_rggb16 bayer_bggr16 bayer_gbrg16 bayer_grbg16'
    ).split()
}
# A plane of luminance, then one of interleaved colour with the same step.
_PLANAR = ('nv12', 'nv21', 'nv24')
ENCODINGS = (*_INTERLEAVED, *_WIDE, *_PLANAR)
# BT.601 with luminance in 16..235, as cameras send it; OpenCV knows no NV24. The last column
# takes the offsets of Y (16) and of U and V (128) off.
_YUV_TO_RGB = np.array(
    [[1.164, 0, 1.596, -222.9], [1.164, -0.392, -0.813, 135.6], [1.164, 2.017, 0, -276.8]]
)


def to_rgb(
    data: bytes | bytearray | memoryview | np.ndarray,
    height: int,
    width: int,
    encoding: str,
    step: int,
    is_bigendian: bool = False,
) -> np.ndarray:
    """
    Return raw camera pixels as H x W x 3 uint8 RGB; a view of the data where they are RGB.

    :param data: anything with a buffer of bytes; ``step`` bytes a row, padding included.
    :raises ImageError: when size, step, encoding and the length of the data do not agree.
    """
    if height < 1 or width < 1:
        raise ImageError(
            f'image is {width} x {height} pixels; expected at least 1 x 1: '
            'check the camera driver, which published an empty image'
        )
    content = np.frombuffer(data, np.uint8)
    if encoding in _PLANAR:
        return _planar_to_rgb(content, height, width, encoding, step)
    name = _WIDE.get(encoding, encoding)
    if name not in _INTERLEAVED:
        raise ImageError(_unknown(encoding))
    channels, conversion = _INTERLEAVED[name]
    size = 2 if encoding in _WIDE else 1
    pixels = _rows(content, height, width, channels * size, encoding, step)
    if size == 2:
        # The high byte is value >> 8, whatever the machine's own order of bytes is.
        pixels = np.ascontiguousarray(pixels[:, :, 0 if is_bigendian else 1 :: 2])
    if conversion is None:
        return pixels
    if channels == 2 and width % 2:
        raise ImageError(f'{encoding} image is {width} pixels wide; expected an even width')
    return _convert(pixels, conversion, encoding)


def decode(data: bytes | bytearray | memoryview | np.ndarray, label: str = '') -> np.ndarray:
    """
    Return a jpeg, png or other picture file as H x W x 3 uint8 RGB; 16 bits become 8.

    EXIF rotation is not applied: ids must lie on the pixels that the camera calibrated. OpenCV
    decodes JPEG by libjpeg-turbo; simplejpeg, by the same, gives the same pixels 0.7 ms sooner
    (measured at 640x480 and at 2048x1024), which is not worth a second library.

    :param label: the format that the sender named, for the error message.
    :raises ImageError: when the data are no whole picture.
    """
    content = np.frombuffer(data, np.uint8)
    remedy = f'expected a whole picture{f" in format {label!r}" if label else ""}'
    if content.size == 0:
        raise ImageError(f'compressed image holds 0 bytes; {remedy}')
    # Older OpenCV fills the rest of a cut JPEG with grey instead of refusing it.
    if content[:2].tobytes() == b'\xff\xd8' and b'\xff\xd9' not in content[2:].tobytes()[-64:]:
        raise ImageError(
            f'compressed image ends after {content.size} bytes without the end mark of a JPEG; '
            f'{remedy}: it was truncated on its way'
        )
    try:
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError(f'compressed image cannot be decoded ({error.err}); {remedy}') from error
    if picture is None:
        start = content[:8].tobytes().hex(' ')
        raise ImageError(
            f'compressed image of {content.size} bytes, starting with {start}, '
            f'cannot be decoded; {remedy}'
        )
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _rows(
    content: np.ndarray, height: int, width: int, pixel_bytes: int, encoding: str, step: int
) -> np.ndarray:
    """Return a view of rows of pixels without their padding: H x W x pixel_bytes uint8."""
    row_bytes = width * pixel_bytes
    if step < row_bytes:
        raise ImageError(
            f'step of the {encoding} image is {step} bytes; expected at least {row_bytes} for '
            f'{width} pixels: check the camera driver'
        )
    # Some drivers leave out the padding of the last row.
    needed = step * (height - 1) + row_bytes
    if content.size < needed:
        raise _truncated(content, encoding, height, step)
    return as_strided(content, (height, width, pixel_bytes), (step, pixel_bytes, 1))


def _planar_to_rgb(
    content: np.ndarray, height: int, width: int, encoding: str, step: int
) -> np.ndarray:
    """Return NV12, NV21 or NV24 (full colour) as H x W x 3 uint8 RGB."""
    if encoding == 'nv24':
        if content.size < 3 * step * height:
            raise _truncated(content, encoding, 3 * height, step)
        luminance = _rows(content, height, width, 1, encoding, step)
        colour = _rows(content[step * height :], height, width, 2, encoding, 2 * step)
        return cv2.transform(np.concatenate((luminance, colour), axis=2), _YUV_TO_RGB)
    if height % 2 or width % 2:
        raise ImageError(
            f'{encoding} image is {width} x {height} pixels; expected even numbers, '
            'as four pixels share a colour'
        )
    planes = _rows(content, height * 3 // 2, width, 1, encoding, step)
    conversion = cv2.COLOR_YUV2RGB_NV12 if encoding == 'nv12' else cv2.COLOR_YUV2RGB_NV21
    return _convert(planes, conversion, encoding)


def _convert(pixels: np.ndarray, conversion: int, encoding: str) -> np.ndarray:
    try:
        return cv2.cvtColor(pixels, conversion)
    except cv2.error as error:
        shape = f'{pixels.shape[1]} x {pixels.shape[0]}'
        raise ImageError(f'{encoding} image of {shape} pixels: {error.err}') from error


def _truncated(content: np.ndarray, encoding: str, rows: int, step: int) -> ImageError:
    return ImageError(
        f'data of the {encoding} image hold {content.size} bytes; expected {step * rows} for '
        f'{rows} rows of step {step}: the image was truncated on its way'
    )


def _unknown(encoding: str) -> str:
    reason = ''
    if encoding.startswith(('32F', '64F')):
        reason = ', which is a depth or measurement image, not a camera picture'
    return (
        f'encoding is {encoding!r}{reason}; expected one of {", ".join(ENCODINGS)}: '
        'set the camera driver to one of these'
    )


def checked_batch(images: np.ndarray) -> np.ndarray:
    """Return the images if they are N x H x W x 3 uint8, none of them empty; raises ImageError."""
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or 0 in images.shape:
        raise ImageError(
            f'images are {images.dtype} of shape {images.shape}; expected uint8 N x H x W x 3'
        )
    return images


def fit(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """
    Bring images to the size that the network sees; the aspect ratio is not kept.

    :param images: N x H x W x 3 uint8. :param size: height and width.
    :return: N x height x width x 3 uint8, contiguous.
    """
    if images.shape[1:3] == size:
        return np.ascontiguousarray(images)
    shrinks = images.shape[1] * images.shape[2] > size[0] * size[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.stack(
        [cv2.resize(image, size[::-1], interpolation=interpolation) for image in images]
    )
