"""Layouts of labelled data sets on disk: pairs of image and label file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .labels import ColorTable, decode_labels
from ..errors import DataError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


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
        base = root / 'gtFine' / split / image.parent.name
        # The download holds labelIds; trainIds are made of them by the official scripts.
        labels = base / f'{stem}_gtFine_labelTrainIds.png'
        ids = base / f'{stem}_gtFine_labelIds.png'
        if ids.is_file() and not labels.is_file():
            pairs.append(LabelledFile(image, ids, 'cityscapes_ids'))
        else:
            pairs.append(LabelledFile(image, labels, 'cityscapes'))
    return pairs


def _idd(root: Path, split: str) -> list[LabelledFile]:
    """IDD with the 40 ids that its own script ``createLabels.py --id-type id`` writes."""
    pairs = []
    for image in _images(root / 'leftImg8bit' / split, '*/*_leftImg8bit.*'):
        name = f'{image.stem.removesuffix("_leftImg8bit")}_gtFine_labelids.png'
        labels = root / 'gtFine' / split / image.parent.name / name
        pairs.append(LabelledFile(image, labels, 'idd'))
    return pairs


def _idd_lite(root: Path, split: str) -> list[LabelledFile]:
    pairs = []
    for image in _images(root / 'leftImg8bit' / split, '*/*_image.*'):
        name = f'{image.stem.removesuffix("_image")}_label.png'
        labels = root / 'gtFine' / split / image.parent.name / name
        pairs.append(LabelledFile(image, labels, 'idd_lite'))
    return pairs


def _bdd(root: Path, split: str) -> list[LabelledFile]:
    """BDD's 10k images: the layout of the current download, then that of the first one."""
    current = _beside(root / 'images/10k' / split, root / 'labels/sem_seg/masks' / split, 'bdd')
    first = _beside(root / 'images' / split, root / 'labels' / split, 'bdd', '_train_id')
    return current or first


def _mapillary(root: Path, split: str) -> list[LabelledFile]:
    """Mapillary Vistas 1.2, also as it lies inside the folders of 2.0."""
    if not split:
        return []
    base = root / {'train': 'training', 'val': 'validation'}.get(split, split)
    labels = base / 'v1.2' / 'labels' if (base / 'v1.2').is_dir() else base / 'labels'
    return _beside(base / 'images', labels, 'mapillary')


def _kitti(root: Path, split: str) -> list[LabelledFile]:
    return _beside(root / split / 'image_2', root / split / 'semantic', 'cityscapes_ids')


def _camvid(root: Path, split: str) -> list[LabelledFile]:
    return _beside(root / split, root / f'{split}annot', 'camvid')


def _camvid19(root: Path, split: str) -> list[LabelledFile]:
    """CamVid with labels in the 19 classes of Cityscapes, in folders ending in ``annot19``."""
    return _beside(root / split, root / f'{split}annot19', 'cityscapes')


def _camvid_full(root: Path, split: str) -> list[LabelledFile]:
    """CamVid in 960 x 720 with colour masks: in folders by split; with no split as downloaded."""
    if split:
        return _beside(root / split, root / f'{split}_labels', 'camvid', '_L')
    return _beside(root / '701_StillsRaw_full', root / 'LabeledApproved_full', 'camvid', '_L')


def _uds(root: Path, split: str) -> list[LabelledFile]:
    """UDS, the merge of four data sets, each in the folder of its name."""
    return [
        pair
        for name in ('cityscapes', 'mapillary', 'idd', 'bdd')
        for pair in LAYOUTS[name](root / name, split)
    ]


def _sequences(root: Path, split: str) -> list[LabelledFile]:
    """Frames in ``<name>/`` with machine labels in ``<name>_pseudo_trainIds/``; no splits."""
    return [
        pair
        for folder in sorted(root.glob('*_pseudo_trainIds'))
        for pair in _beside(
            root / folder.name.removesuffix('_pseudo_trainIds'), folder, 'cityscapes'
        )
    ]


def _folder(root: Path, split: str) -> list[LabelledFile]:
    """Pair a user's own data: ``images/``, and ``labels/`` or ``masks/`` (trainIds) beside it."""
    base = root / split if split else root
    masks = base / 'masks'
    return _beside(base / 'images', masks if masks.is_dir() else base / 'labels', 'cityscapes')


LAYOUTS: dict[str, Callable[[Path, str], list[LabelledFile]]] = {
    'bdd': _bdd,
    'camvid': _camvid,
    'camvid19': _camvid19,
    'camvid_full': _camvid_full,
    'cityscapes': _cityscapes,
    'idd': _idd,
    'idd_lite': _idd_lite,
    'kitti': _kitti,
    'mapillary': _mapillary,
    'sequences': _sequences,
    'uds': _uds,
    # Last, because its folders have the names that others use as well.
    'folder': _folder,
}
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
    pairs = LAYOUTS[layout](root, split)
    if not pairs:
        raise DataError(
            f'no images found under {root} for split {split!r}; expected the layout {layout}'
        )
    return sorted(pairs, key=lambda pair: pair.image)


def find_pairs(layout: str, root: Path, split: str) -> list[LabelledFile]:
    """
    List the labelled images of a data set, sorted by image.

    :param layout: a key of ``LAYOUTS``.
    :raises DataError: when nothing is found, or label files are missing (all are named at once).
    """
    pairs = list_pairs(layout, root, split)
    missing = [str(pair.labels) for pair in pairs if not pair.labels.is_file()]
    if missing:
        raise DataError(
            f'{len(missing)} of {len(pairs)} label files are missing: {", ".join(missing[:5])}'
        )
    return pairs


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


def _beside(images: Path, labels: Path, taxonomy: str, suffix: str = '') -> list[LabelledFile]:
    """Pair a folder of images with one of labels that have the same stem and a suffix."""
    return [
        LabelledFile(image, labels / f'{image.stem}{suffix}.png', taxonomy)
        for image in _images(images, '*')
    ]


def _images(folder: Path, pattern: str) -> list[Path]:
    return [path for path in folder.glob(pattern) if path.suffix.lower() in IMAGE_SUFFIXES]
