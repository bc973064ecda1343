"""Layouts of labelled data sets on disk: pairs of image and label file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import DataError

_IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


@dataclass(frozen=True)
class LabelledFile:
    """An image file and its label file, whose ids are those of ``taxonomy``."""

    image: Path
    labels: Path
    taxonomy: str


def _cityscapes(root: Path, split: str) -> list[LabelledFile]:
    pairs = []
    for image in _images(root / 'leftImg8bit' / split, '*/*_leftImg8bit.*'):
        stem = image.stem.removesuffix('_leftImg8bit')
        labels = root / 'gtFine' / split / image.parent.name / f'{stem}_gtFine_labelTrainIds.png'
        pairs.append(LabelledFile(image, labels, 'cityscapes'))
    return pairs


def _camvid(root: Path, split: str) -> list[LabelledFile]:
    labels = root / f'{split}annot'
    return [
        LabelledFile(image, labels / f'{image.stem}.png', 'camvid')
        for image in _images(root / split, '*')
    ]


def _camvid19(root: Path, split: str) -> list[LabelledFile]:
    """CamVid with labels in the 19 classes of Cityscapes, in folders ending in ``annot19``."""
    labels = root / f'{split}annot19'
    return [
        LabelledFile(image, labels / f'{image.stem}.png', 'cityscapes')
        for image in _images(root / split, '*')
    ]


def _idd_lite(root: Path, split: str) -> list[LabelledFile]:
    pairs = []
    for image in _images(root / 'leftImg8bit' / split, '*/*_image.*'):
        name = f'{image.stem.removesuffix("_image")}_label.png'
        labels = root / 'gtFine' / split / image.parent.name / name
        pairs.append(LabelledFile(image, labels, 'idd_lite'))
    return pairs


def _sequences(root: Path, split: str) -> list[LabelledFile]:
    """Frames in ``<name>/`` with machine labels in ``<name>_pseudo_trainIds/``; no splits."""
    return [
        LabelledFile(image, folder / f'{image.stem}.png', 'cityscapes')
        for folder in sorted(root.glob('*_pseudo_trainIds'))
        for image in _images(root / folder.name.removesuffix('_pseudo_trainIds'), '*')
    ]


def _folder(root: Path, split: str) -> list[LabelledFile]:
    """A user's own data: ``images/`` and ``labels/`` (Cityscapes trainIds) of equal stems."""
    base = root / split if split else root
    return [
        LabelledFile(image, base / 'labels' / f'{image.stem}.png', 'cityscapes')
        for image in _images(base / 'images', '*')
    ]


LAYOUTS: dict[str, Callable[[Path, str], list[LabelledFile]]] = {
    'camvid': _camvid,
    'camvid19': _camvid19,
    'cityscapes': _cityscapes,
    'folder': _folder,
    'idd_lite': _idd_lite,
    'sequences': _sequences,
}


def find_pairs(layout: str, root: Path, split: str) -> list[LabelledFile]:
    """
    List the labelled images of a data set, sorted by image.

    :param layout: a key of ``LAYOUTS``.
    :raises DataError: when nothing is found, or label files are missing (all are named at once).
    """
    if layout not in LAYOUTS:
        raise DataError(f'layout is {layout!r}; expected one of {", ".join(LAYOUTS)}')
    pairs = LAYOUTS[layout](root, split)
    if not pairs:
        raise DataError(
            f'no images found under {root} for split {split!r}; expected the layout {layout}'
        )
    missing = [str(pair.labels) for pair in pairs if not pair.labels.is_file()]
    if missing:
        raise DataError(
            f'{len(missing)} of {len(pairs)} label files are missing: {", ".join(missing[:5])}'
        )
    return sorted(pairs, key=lambda pair: pair.image)


def read_image(path: Path) -> np.ndarray:
    """Read an image file as H x W x 3 uint8 RGB; raises DataError."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise DataError(f'{path} is no image that OpenCV can read')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_labels(path: Path) -> np.ndarray:
    """Read a label file as H x W uint8 ids; raises DataError for a colour or 16-bit image."""
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise DataError(f'{path} is no image that OpenCV can read')
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(
            f'{path} is {labels.dtype} of shape {labels.shape}; expected one 8-bit channel of ids'
        )
    return labels


def _images(folder: Path, pattern: str) -> list[Path]:
    return [path for path in folder.glob(pattern) if path.suffix.lower() in _IMAGE_SUFFIXES]
