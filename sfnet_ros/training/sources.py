"""The files that a source of a recipe comprises, and the labels that they hold."""

from collections.abc import Sequence
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .config import Recipe, Source
from .soft_labels import SUFFIX
from .. import taxonomies
from ..errors import DataError
from ..evaluation.datasets import list_pairs, read_labels
from ..evaluation.frames import PICTURE_SUFFIXES
from ..evaluation.labels import taxonomy_colors

# Labels of a coarser taxonomy are kept as ids from here on; see losses.py.
COARSE_OFFSET = 128


class SourceFile(NamedTuple):
    """An image, its labels, which are None where only teachers know them, and what these say."""

    image: Path
    labels: Path | None
    taxonomy: str
    soft: tuple[Path, ...] = ()


def list_files(source: Source, data: Path) -> list[SourceFile]:
    """
    List the images of a source, sorted by name, and where their labels should be.

    :param data: the folder that the roots of the recipe are relative to.
    :raises DataError: when there are none.
    """
    root = data / source.root
    if source.layout == 'images':
        found = [path for path in root.rglob('*') if path.suffix.lower() in PICTURE_SUFFIXES]
        files = [SourceFile(path, None, '') for path in sorted(found)]
    else:
        files = [
            SourceFile(pair.image, pair.labels, source.taxonomy or pair.taxonomy)
            for pair in list_pairs(source.layout, root, source.split)
        ]
    first, last = (round(share * len(files)) for share in source.part)
    if not files[first:last]:
        raise DataError(
            f'{len(files)} images were found under {root}, and none in the part {source.part} of '
            'them; expected at least one'
        )
    return _with_soft(files[first:last], [data / folder for folder in source.soft])


def _with_soft(files: list[SourceFile], folders: list[Path]) -> list[SourceFile]:
    """Add where the soft labels should be; raises DataError when images share a name."""
    if not folders:
        return files
    first: dict[str, Path] = {}
    for file in files:
        if (other := first.setdefault(file.image.stem, file.image)) != file.image:
            raise DataError(
                f'{other} and {file.image} would share a file of soft labels; expected images of '
                'different names: make a source of each folder'
            )
    return [
        file._replace(soft=tuple(folder / f'{file.image.stem}{SUFFIX}' for folder in folders))
        for file in files
    ]


def inventory(recipe: Recipe, data: Path) -> dict[str, str]:
    """
    Say what a run learns from, in texts that differ where the data or the classes do.

    Of files the names and sizes count; it does not matter where the data folder lies.
    """
    found = {'the classes': ', '.join(taxonomies.get(recipe.taxonomy).classes)}
    for number, source in enumerate(recipe.sources, 1):
        if source.layout == 'scenes':
            continue
        files = list_files(source, data)
        digest = hashlib.sha256()
        for path in (path for file in files for path in (file.image, file.labels, *file.soft)):
            if path is not None:
                digest.update(f'{os.path.relpath(path, data)} {path.stat().st_size}\n'.encode())
        title = ' '.join(filter(None, (source.layout, source.root, source.split)))
        found[f'source {number}, {title}'] = f'{len(files)} images ({digest.hexdigest()[:12]})'
    return found


def read_ids(file: SourceFile, taxonomy: str) -> np.ndarray | None:
    """Return the labels in the ids of a taxonomy, H x W uint8 (``label_table``); None if none."""
    if file.labels is None:
        return None
    labels = read_labels(file.labels, taxonomy_colors(file.taxonomy))
    return label_table(file.taxonomy, taxonomy)[labels]


def label_table(source: str, target: str) -> np.ndarray:
    """Return 256 uint8: ids of ``target``, or of the coarser ``source`` from COARSE_OFFSET on."""
    if source in taxonomies.COARSE:
        taxonomies.conversion(target, source)  # its classes must be parts of the coarse ones
        table = np.full(256, taxonomies.UNLABELLED, np.uint8)
        count = len(taxonomies.get(source).classes)
        table[:count] = COARSE_OFFSET + np.arange(count)
        return table
    return taxonomies.conversion(source, target)


def class_ids(names: Sequence[str], recipe: Recipe) -> list[int]:
    """Return the ids of classes that the recipe or a source names; all if it names none."""
    known = taxonomies.get(recipe.taxonomy).classes
    if unknown := [name for name in names if name not in known]:
        raise DataError(
            f'{recipe.name} names the classes {", ".join(unknown)}; expected of '
            f'{recipe.taxonomy}: {", ".join(known)}'
        )
    return [known.index(name) for name in names] or list(range(len(known)))
