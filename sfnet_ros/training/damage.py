"""What is broken of the files to train on, found without stopping at the first one."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
import itertools
from pathlib import Path

import cv2
import numpy as np

from .soft_labels import read_logits
from .sources import SourceFile
from .. import taxonomies
from ..errors import ColorError, DataError
from ..evaluation.datasets import read_labels
from ..evaluation.labels import taxonomy_colors

# Unlabelled beside 255, in the files as they are published.
_VOID = {'camvid': 11, 'mapillary': 65}
_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_LISTED = 5
# Kind and particulars.
Problem = tuple[str, str]


class _Broken(Exception):
    """A file that cannot be trained on: kind and particulars."""


def find_shared(files: list[tuple[int, int, SourceFile]]) -> list[list[Problem]]:
    """Find label files that belong to several images of a source, such as a.jpg and a.png."""
    images: dict[tuple[int, Path], list[Path]] = defaultdict(list)
    for number, _, file in files:
        if file.labels is not None:
            images[number, file.labels].append(file.image)
    return [
        [('label files of several images', f'{labels} of {", ".join(map(str, paths))}')]
        for (_, labels), paths in images.items()
        if len(paths) > 1
    ]


def check_file(file: SourceFile, classes: int) -> tuple[np.ndarray | None, list[Problem]]:
    """
    Read all that belongs to an image.

    :param classes: of the recipe.
    :return: the labels as they are in the file, H x W uint8, or None; and all that is broken.
    """
    image = labels = None
    problems: list[Problem] = []
    with _noted(problems):
        image = _decoded(file.image)
    with _noted(problems):
        labels = _labels(file)
    if image is not None and labels is not None and labels.shape != image.shape[:2]:
        problems.append((
            'label files of another size than their image',
            f'{file.labels} is {labels.shape}, its image {image.shape[:2]}',
        ))  # fmt: skip
    for path in file.soft:
        with _noted(problems):
            _check_soft(path, classes)
    return labels, problems


@contextmanager
def _noted(problems: list[Problem]) -> Iterator[None]:
    try:
        yield
    except _Broken as error:
        kind, text = error.args
        problems.append((kind, text))


def _labels(file: SourceFile) -> np.ndarray | None:
    if file.labels is None:
        return None
    if not file.labels.is_file():
        raise _Broken('label files missing', str(file.labels))
    try:
        labels = read_labels(file.labels, taxonomy_colors(file.taxonomy))
    except ColorError as error:
        raise _Broken(
            'label files in colours of something else (name the taxonomy of these colours: '
            '--labels-taxonomy, in a recipe taxonomy of the source; ids belong into one channel)',
            error.args[0],
        ) from error
    except DataError as error:
        raise _Broken('label files unreadable', str(error)) from error
    count = len(taxonomies.get(file.taxonomy).classes)
    known = {*range(count), taxonomies.UNLABELLED, _VOID.get(file.taxonomy)}
    if strange := [value for value in list_ids(labels) if value not in known]:
        raise _Broken(
            f'label files with ids out of range (expected of {file.taxonomy}: 0..{count - 1} and '
            f'{taxonomies.UNLABELLED})',
            f'{file.labels} has {", ".join(map(str, strange[:_LISTED]))}',
        )
    return labels


def _check_soft(path: Path, classes: int) -> None:
    if not path.is_file():
        raise _Broken('files of soft labels missing', str(path))
    try:
        read_logits(path, classes)
    except DataError as error:
        raise _Broken('files of soft labels that cannot be used', str(error)) from error


def _decoded(path: Path) -> np.ndarray:
    """Decode an image; what OpenCV makes of a JPEG that was cut short is not accepted."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise _Broken('images unreadable', f'{path} ({error.strerror})') from error
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # as it will be read
    image = cv2.imdecode(data, flags) if data.size else None
    content = data.tobytes()
    if image is None or (content.startswith(_JPEG_START) and _JPEG_END not in content):
        raise _Broken('images unreadable', str(path))
    return image


def describe(broken: list[list[Problem]], total: int) -> str:
    """
    Say what is broken, kind by kind, some of each by name.

    :param broken: the problems of every file that has any. :param total: the number of images.
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    for kind, text in itertools.chain(*broken):
        kinds[kind].append(text)
    lines = [f'{len(broken)} of {total} files cannot be trained on:']
    for kind, texts in sorted(kinds.items()):
        more = f', and {len(texts) - _LISTED} more' if len(texts) > _LISTED else ''
        lines.append(f'  {len(texts)} {kind}: {"; ".join(sorted(texts)[:_LISTED])}{more}')
    return '\n'.join((*lines, 'mend these files, or take them out of the folder'))


def list_ids(labels: np.ndarray) -> list[int]:
    """List the values that occur in H x W uint8 labels."""
    return np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist()
