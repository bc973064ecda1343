"""
One look at every file before training starts: what is broken, and where the classes are.

All that is wrong with the data is told at once, not one file a night.
"""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from .config import Recipe
from .damage import check_file, describe, find_shared, list_ids, Problem
from .sources import class_ids, COARSE_OFFSET, label_table, list_files, SourceFile
from .teachers import choose_teachers
from .. import taxonomies
from ..errors import DataError, TaxonomyError
from ..evaluation.layouts import LAYOUTS

# By class: file, row and column of the middle of its pixels in a tile of an image, P x 3 int64.
Places = dict[int, np.ndarray]


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
    around = recipe.class_uniform or recipe.copy_paste
    wanted = [
        class_ids(source.classes, recipe) if around or source.classes else [] for source in sources
    ]
    tile = (recipe.crop_height, recipe.crop_width)
    places: list[dict[int, list]] = [defaultdict(list) for _ in sources]
    broken: list[list[Problem]] = find_shared(files)
    classes = len(taxonomies.get(recipe.taxonomy).classes)

    shown = {number: False for number, _, file in files if file.labels}

    def look(
        entry: tuple[int, int, SourceFile],
    ) -> tuple[list[tuple[int, int, int]], list[Problem]]:
        number, _, file = entry
        labels, problems = check_file(file, classes)
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
        raise DataError(describe(broken, len(files)))
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
            for class_id in list_ids(part):
                moments = cv2.moments((part == class_id).view(np.uint8), binaryImage=True)
                row, column = (int(moments[key] / moments['m00']) for key in ('m01', 'm10'))
                found.append((class_id, top + row, left + column))
    return found


def _check_sources(recipe: Recipe) -> None:
    """Raise DataError for what needs no look at a file: who teaches, what is measured with."""
    if (count := len(taxonomies.get(recipe.taxonomy).classes)) > COARSE_OFFSET:
        raise DataError(
            f'{recipe.taxonomy} has {count} classes; expected {COARSE_OFFSET} at most: the ids '
            'from there on stand for coarse labels'
        )
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
