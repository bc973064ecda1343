"""``sfnet convert``: label files or the label topics of a bag in another taxonomy."""

import argparse
from pathlib import Path
import shutil

import cv2
import numpy as np
from tqdm import tqdm

from .convert_bag import convert_bag
from .. import taxonomies
from ..errors import DataError
from ..evaluation.labels import decode_labels, taxonomy_colors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet convert``."""
    parser.add_argument('source', type=Path, help='folder of label PNGs, or a rosbag2')
    parser.add_argument('output', type=Path, help='folder to write; it must not exist')
    for flag, name, text in (
        ('--from', 'from_taxonomy', 'taxonomy of the labels'),
        ('--to', 'to_taxonomy', 'taxonomy to write'),
    ):
        parser.add_argument(flag, dest=name, required=True, choices=taxonomies.NAMES, help=text)
    parser.add_argument(
        '--pattern', default='*.png', help="label files of a folder, such as '*_labelIds.png'"
    )
    parser.add_argument(
        '--colors', action='store_true', help='the files of the folder are masks in class colours'
    )
    parser.add_argument('--topic', nargs='+', default=[], help='label topics of a bag (mono8)')


def run(options: argparse.Namespace) -> int:
    """Write the labels as 8-bit ids; nothing is left behind when it fails."""
    relabel = Relabel(options.from_taxonomy, options.to_taxonomy)
    source, output = options.source, options.output
    if not source.exists():
        raise DataError(f'{source} does not exist; expected a folder of label PNGs, or a bag')
    if output.exists():
        raise DataError(f'{output} exists; nothing is overwritten: give a new name, or remove it')
    try:
        if source.suffix in ('.mcap', '.db3') or (source / 'metadata.yaml').is_file():
            if options.colors:
                raise DataError('--colors is for folders; of a bag mono8 topics are converted')
            count = convert_bag(source, output, options.topic, relabel)
        else:
            count = convert_folder(source, output, options.pattern, options.colors, relabel)
    except BaseException:
        shutil.rmtree(output, ignore_errors=True)
        raise
    print(f'{count} label images in {output}; {relabel.report()}')
    return 0


class Relabel:
    """Turns ids of one taxonomy into those of another, and counts what it saw."""

    def __init__(self, source: str, target: str) -> None:
        self.source, self.target = taxonomies.get(source), taxonomies.get(target)
        self._table = taxonomies.conversion(source, target)
        self._seen = np.zeros(256, np.int64)

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Return the ids of the target: H x W uint8, like those given."""
        self._seen += np.bincount(ids.reshape(-1), minlength=256)
        return self._table[ids]

    def report(self) -> str:
        """Return a line for the user, with which a wrong taxonomy is noticed."""
        share = self._seen[self._table == taxonomies.UNLABELLED].sum() / max(self._seen.sum(), 1)
        strange = np.flatnonzero(self._seen[:-1])
        strange = strange[strange >= len(self.source.classes)]
        line = f'{share:.1%} of the pixels are unlabelled (255)'
        if len(strange):
            line += f'; no class of {self.source.name}: ids {", ".join(map(str, strange))}'
        return line


def convert_folder(
    source: Path, output: Path, pattern: str, colors: bool, relabel: Relabel
) -> int:
    """
    Convert the files below a folder that match a pattern, keeping their relative names.

    :param colors: they are masks in the colours of the taxonomy, not ids.
    :return: how many there were.
    :raises DataError: when there are none, or one cannot be read or written.
    """
    paths = [path for path in sorted(source.rglob(pattern)) if path.is_file()]
    if not paths:
        raise DataError(
            f'{source} holds no file named {pattern}; expected a folder of labels: see --pattern'
        )
    table = taxonomy_colors(relabel.source.name) if colors else None
    for path in tqdm(paths, unit='file'):
        try:
            ids = decode_labels(np.fromfile(path, np.uint8), table, str(path))
        except DataError as error:
            remedy = '' if colors else ': colour masks need --colors, other files a --pattern'
            raise DataError(f'{error}{remedy}') from error
        target = output / path.relative_to(source).with_suffix('.png')
        target.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(target), relabel(ids)):
            raise DataError(f'{target} cannot be written; expected a writable folder')
    return len(paths)
