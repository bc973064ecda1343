"""Data sets on disk: their pairs of image and label file, and reading these."""

from pathlib import Path

import cv2
import numpy as np

from .contents import contents
from .labels import ColorTable, decode_labels
from .layouts import expected_places, LabelledFile, LAYOUTS
from ..errors import DataError

# The split that a person most likely means comes first.
_SPLITS = ('val', 'validation', '', 'training', 'train')


def list_pairs(layout: str, root: Path, split: str) -> list[LabelledFile]:
    """
    List the images of a data set, sorted, with the files where their labels should be.

    :param layout: a key of ``LAYOUTS``.
    :raises DataError: when nothing is found.
    """
    if layout not in LAYOUTS:
        raise DataError(f'layout is {layout!r}; expected one of {", ".join(LAYOUTS)}')
    if not root.is_dir():
        raise DataError(f'{root} is no folder; expected one with a data set')
    pairs = LAYOUTS[layout](root, split)
    if not pairs:
        raise DataError(
            f'no images found under {root}'
            + f' for split {split!r}' * bool(split)
            + f', which holds {contents(root)}; '
            f'expected the layout {layout}{expected_places(layout, split)}'
        )
    return sorted(pairs, key=lambda pair: pair.image)


def detect_layout(root: Path, split: str = '') -> tuple[str, str] | None:
    """Return layout and split of the data set in a folder, or None when there is none."""
    for name in LAYOUTS:
        for candidate in (split,) if split else _SPLITS:
            if any(pair.labels.is_file() for pair in LAYOUTS[name](root, candidate)):
                return name, candidate
    return None


def read_image(path: Path) -> np.ndarray:
    """Read an image file as H x W x 3 uint8 RGB; raises DataError."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise DataError(f'{path} is no image that OpenCV can read')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_labels(path: Path, colors: ColorTable | None = None) -> np.ndarray:
    """
    Read a label file as H x W uint8 ids.

    :param colors: what the colours of a mask mean; without it masks are refused.
    :raises DataError: when it cannot be read, or is neither.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f'{path} is no image that OpenCV can read ({error.strerror})') from error
    return decode_labels(data, colors, str(path))
