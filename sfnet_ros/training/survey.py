"""
One look at every file before training starts: what is broken, and where the classes are.

All that is wrong with the data is told at once, not one file a night.
"""

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
import itertools
import os
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from .config import Recipe
from .soft_labels import read_logits
from .sources import class_ids, label_table, list_files, SourceFile
from .teachers import choose_teachers
from .. import taxonomies
from ..errors import ColorError, DataError, TaxonomyError
from ..evaluation.datasets import read_labels
from ..evaluation.labels import taxonomy_colors
from ..evaluation.layouts import LAYOUTS

# By class: file, row and column of the middle of its pixels in a tile of an image, P x 3 int64.
Places = dict[int, np.ndarray]
# Unlabelled beside 255, in the files as they are published.
_VOID = {'camvid': 11, 'mapillary': 65}
_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_LISTED = 5
# Kind and particulars.
Problem = tuple[str, str]


class _Broken(Exception):
    """A file that cannot be trained on: kind and particulars."""


def survey(recipe: Recipe, data: Path) -> list[Places]:
    """
    Read every file of a recipe; returns where the classes are, an entry a source.

    Entries are empty for sources whose crops are drawn anywhere, and for rendered streets.

    :param data: the folder that the roots of the recipe are relative to.
    :raises DataError: naming all that is broken.
    """
    _check_sources(recipe)
    sources = (*recipe.sources, *recipe.validation)
    files = [
        (number, index, file)
        for number, source in enumerate(sources)
        if source.layout != 'scenes'
        for index, file in enumerate(list_files(source, data))
    ]
    rendered = [number for number, source in enumerate(sources) if source.layout == 'scenes']
    _check_conversions(
        recipe,
        {(number, file.taxonomy) for number, _, file in files}
        | {(number, 'cityscapes') for number in rendered},
    )
    wanted = [
        class_ids(source, recipe) if recipe.class_uniform or source.classes else []
        for source in sources
    ]
    tile = (recipe.crop_height, recipe.crop_width)
    places: list[dict[int, list]] = [defaultdict(list) for _ in sources]
    broken: list[list[Problem]] = _sharing(files)
    classes = len(taxonomies.get(recipe.taxonomy).classes)

    shown = {number: False for number, _, file in files if file.labels}

    def look(
        entry: tuple[int, int, SourceFile],
    ) -> tuple[list[tuple[int, int, int]], list[Problem]]:
        number, _, file = entry
        labels, problems = _checked(file, classes)
        if labels is None or problems:
            return [], problems
        ids = label_table(file.taxonomy, recipe.taxonomy)[labels]
        if not shown[number]:
            shown[number] = bool((ids != taxonomies.UNLABELLED).any())
        return class_centres(ids, tile) if wanted[number] else [], []

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        looks = tqdm(threads.map(look, files), 'looking at the data', len(files), unit='file')
        for (number, index, _), (centres, problems) in zip(files, looks, strict=True):
            if problems:
                broken.append(problems)
            for class_id, row, column in centres:
                if class_id in wanted[number]:
                    places[number][class_id].append((index, row, column))
    if broken:
        raise DataError(_told(broken, len(files)))
    _check_shown(recipe, {number for number in shown if not shown[number]})
    return [
        {class_id: np.array(rows) for class_id, rows in sorted(table.items())}
        for table in places[: len(recipe.sources)]
    ]


def class_centres(labels: np.ndarray, tile: tuple[int, int]) -> list[tuple[int, int, int]]:
    """
    Find where the classes are: id, row and column of the middle of its pixels in every tile.

    :param labels: H x W uint8. :param tile: height and width; those at the edges are smaller.
    """
    found = []
    for top in range(0, labels.shape[0], tile[0]):
        for left in range(0, labels.shape[1], tile[1]):
            part = labels[top : top + tile[0], left : left + tile[1]]
            for class_id in _present(part):
                moments = cv2.moments((part == class_id).view(np.uint8), binaryImage=True)
                row, column = (int(moments[key] / moments['m00']) for key in ('m01', 'm10'))
                found.append((class_id, top + row, left + column))
    return found


def _present(labels: np.ndarray) -> list[int]:
    return np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist()


def _check_sources(recipe: Recipe) -> None:
    """Raise DataError for what needs no look at a file: who teaches, what is measured with."""
    choose_teachers(recipe)
    for source in recipe.validation:
        if source.layout in ('images', 'scenes'):
            raise DataError(
                f'validation has a source of layout {source.layout}, which has no label files to '
                f'measure with; expected one of {", ".join(LAYOUTS)}: take it out, or name another'
            )
    for source in recipe.sources:
        if source.layout == 'images' and not (source.soft or recipe.teachers):
            raise DataError(
                f'the images of {source.root or recipe.name} have no labels and nobody teaches '
                'what they show; expected teachers in the recipe, or soft labels of the source'
            )


def _check_conversions(recipe: Recipe, found: set[tuple[int, str]]) -> None:
    """
    Raise DataError where labels cannot be turned into the classes to learn, or to measure in.

    :param found: number of a source, those of validation last, and a taxonomy of its labels.
    """
    sources = (*recipe.sources, *recipe.validation)
    for number, taxonomy in sorted(found):
        if not taxonomy:  # no labels
            continue
        try:
            if number < len(recipe.sources):
                label_table(taxonomy, recipe.taxonomy)
            else:
                taxonomies.conversion(recipe.taxonomy, taxonomy)
        except TaxonomyError as error:
            source = sources[number]
            raise DataError(
                f'{recipe.name} learns the classes of {recipe.taxonomy}, and the labels of '
                f'{source.layout} {source.root} are those of {taxonomy}: {error}; name another '
                'taxonomy of the source (--labels-taxonomy), or of the recipe'
            ) from error


def _check_shown(recipe: Recipe, blank: set[int]) -> None:
    """
    Raise DataError where no label of a source shows anything, as black masks do not.

    :param blank: the numbers of such sources, those of validation last.
    """
    for number, source in enumerate((*recipe.sources, *recipe.validation)):
        taught = number < len(recipe.sources) and (recipe.teachers or source.soft)
        if number in blank and not taught:
            raise DataError(
                f'no pixel of the label files of {source.layout} {source.root} is of a class of '
                f'{recipe.taxonomy}; expected ids or colours of its classes: name the taxonomy of '
                'the source if they mean something else (--labels-taxonomy)'
            )


def _sharing(files: list[tuple[int, int, SourceFile]]) -> list[list[Problem]]:
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


def _checked(file: SourceFile, classes: int) -> tuple[np.ndarray | None, list[Problem]]:
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
    if strange := [value for value in _present(labels) if value not in known]:
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


def _told(broken: list[list[Problem]], total: int) -> str:
    kinds: dict[str, list[str]] = defaultdict(list)
    for kind, text in itertools.chain(*broken):
        kinds[kind].append(text)
    lines = [f'{len(broken)} of {total} files cannot be trained on:']
    for kind, texts in sorted(kinds.items()):
        more = f', and {len(texts) - _LISTED} more' if len(texts) > _LISTED else ''
        lines.append(f'  {len(texts)} {kind}: {"; ".join(sorted(texts)[:_LISTED])}{more}')
    return '\n'.join((*lines, 'mend these files, or take them out of the folder'))
