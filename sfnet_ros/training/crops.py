"""
Random windows of an image, and what becomes of image, labels and soft labels in them.

Scaling follows SFNet (ECCV 2020, section 4.1). What lies beyond an image is grey here, and the
image anywhere in it; the released trainer has black all around, and interpolates bicubically.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .. import taxonomies


class Window(NamedTuple):
    """A rectangle in the pixels of an image; it may reach beyond the edges."""

    top: int
    left: int
    height: int
    width: int


def random_window(
    shape: tuple[int, ...],
    size: tuple[int, int],
    scale: tuple[float, float],
    aspect: float,
    rng: np.random.Generator,
    around: Sequence[int] | None = None,
) -> Window:
    """
    Choose what will be brought to ``size`` (height, width).

    :param shape: height and width of the image.
    :param scale: lowest and highest magnification of the image's own pixels.
    :param aspect: the window is stretched by up to this factor in either direction.
    :param around: row and column of a pixel that the window has in it; None for any window.
    """
    factor = np.exp(rng.uniform(*np.log(scale)))
    stretch = np.exp(rng.uniform(-np.log(aspect), np.log(aspect)) / 2)
    height = max(1, round(size[0] / (factor * stretch)))
    width = max(1, round(size[1] / (factor / stretch)))
    row, column = around or (None, None)
    top = _offset(shape[0], height, row, rng)
    left = _offset(shape[1], width, column, rng)
    return Window(top, left, height, width)


def cut(
    image: np.ndarray, labels: np.ndarray, window: Window, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """
    Bring a window of image and labels to ``size``; what lies beyond the edges is unlabelled.

    :param image: H x W x 3 uint8 RGB. :param labels: H x W uint8.
    """
    top, left, height, width = window
    inside = (slice(max(top, 0), top + height), slice(max(left, 0), left + width))
    image, labels = image[inside], labels[inside]
    edges = (
        max(-top, 0), height - image.shape[0] - max(-top, 0),
        max(-left, 0), width - image.shape[1] - max(-left, 0),
    )  # fmt: skip
    image = cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=(124, 116, 104))
    labels = cv2.copyMakeBorder(
        labels, *edges, cv2.BORDER_CONSTANT, value=(taxonomies.UNLABELLED,)
    )
    area = height * width > size[0] * size[1]
    interpolation = cv2.INTER_AREA if area else cv2.INTER_LINEAR
    image = cv2.resize(image, size[::-1], interpolation=interpolation)
    # INTER_NEAREST would take them half a pixel further up and left than the image.
    return image, cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def view(
    window: Window, shape: tuple[int, ...], size: tuple[int, int], mirrored: bool
) -> np.ndarray:
    """
    Return where in its image a crop looks: 4 float32, factor and offset down, then across.

    With -1 at the middle of the first pixel and 1 at that of the last, in both of them, a place
    in the crop is at factor x place + offset in the image.

    :param shape: height and width of the image. :param size: of the crop.
    """
    numbers = []
    for start, length, crop, extent, sign in (
        (window.top, window.height, size[0], shape[0], 1),
        (window.left, window.width, size[1], shape[1], -1 if mirrored else 1),
    ):
        last = max(1, extent - 1)
        # cv2.resize lays the edges of the pixels upon each other, not their middles.
        factor = (crop - 1) * length / crop / last
        middle = 2 * (start + (length - 1) / 2) / last - 1
        numbers += [sign * factor, middle]
    return np.array(numbers, np.float32)


def _offset(extent: int, window: int, inside: int | None, rng: np.random.Generator) -> int:
    """Return where the window begins; negative when it is larger than the image."""
    low, high = sorted((0, extent - window))
    if inside is not None and window < extent:
        low, high = max(low, inside - window + 1), min(high, inside)
    return int(rng.integers(low, high + 1))
