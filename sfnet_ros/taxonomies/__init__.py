"""
Class names, colours and conversions of the data sets: the one place that knows them.

Ids are uint8; 255 is unlabelled in every taxonomy. Each taxonomy is a table beside this file, a
row a class: id, name, colour, and a column for each taxonomy that its ids turn into directly.
A taxonomy of one's own is such a table as well; its name is the path of the file, ending in .csv.
"""

from collections.abc import Sequence
import colorsys
import csv
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from ..errors import TaxonomyError

UNLABELLED = 255
NAMES = (
    'cityscapes',
    'cityscapes_ids',
    'uds',
    'bdd',
    'idd',
    'idd_lite',
    'mapillary',
    'camvid',
    'autoware',
)
TABLE_SUFFIX = '.csv'
# Labels too coarse to be turned into the 19 classes; they still say which groups are right.
COARSE = ('idd_lite',)

_HUB = 'cityscapes'
# UDS (SFNet-Lite, IJCV 2023, section 4.1) and BDD label the 19 classes of Cityscapes.
_SAME_AS_HUB = ('uds', 'bdd')


@dataclass(frozen=True)
class Taxonomy:
    """A numbered list of classes; ``colors`` holds one RGB triple a class."""

    name: str
    classes: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    @cached_property
    def palette(self) -> np.ndarray:
        """256 x 3 uint8 RGB; what is no class is black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self.colors)] = self.colors
        return palette

    def colorize(self, ids: np.ndarray) -> np.ndarray:
        """Paint ids (H x W uint8) in the class colours: H x W x 3 uint8 RGB."""
        return cv2.applyColorMap(ids, self.palette[:, None])

    def from_colors(self, rgb: np.ndarray) -> np.ndarray:
        """
        Return the ids of a mask in the class colours: H x W uint8.

        A colour that is no class's, by however little, becomes 255. Where several classes have one
        colour (Cityscapes labelIds, IDD and Autoware have such) the lowest id is returned.

        :param rgb: H x W x 3 uint8 RGB.
        """
        known, ids = np.unique(_packed(np.array(self.colors, np.uint8)), return_index=True)
        found = _packed(rgb)
        place = np.searchsorted(known, found).clip(max=len(known) - 1)
        return np.where(known[place] == found, ids[place], UNLABELLED).astype(np.uint8)

    def overlay(self, ids: np.ndarray, image: np.ndarray, alpha: float = 0.5) -> np.ndarray:
        """
        Blend the class colours over an image: H x W x 3 uint8 RGB.

        :param ids: H x W uint8. :param image: H x W x 3 uint8 RGB.
        :param alpha: weight of the colours, 0..1.
        """
        return cv2.addWeighted(self.colorize(ids), alpha, image, 1 - alpha, 0)


@cache
def get(name: str) -> Taxonomy:
    """
    Return the taxonomy of that name, or in the file of that path.

    :raises TaxonomyError: with the known names, or with what is wrong with the file.
    """
    rows = _rows(_table_name(name))
    return Taxonomy(
        Path(name).stem if name.endswith(TABLE_SUFFIX) else name,
        tuple(row['name'] for row in rows),
        tuple((int(row['red']), int(row['green']), int(row['blue'])) for row in rows),
    )


def conversion(source: str, target: str) -> np.ndarray:
    """
    Return the table that turns ids of one taxonomy into those of another: 256 uint8, table[ids].

    What the target has no class for becomes 255. Where no table leads from one to the other, the
    way is by Cityscapes.

    :raises TaxonomyError: when there is no way.
    """
    first, last = _table_name(source), _table_name(target)
    if first == last or get(first).classes == get(last).classes:
        return np.arange(256, dtype=np.uint8)
    if last in _columns(first):
        return _direct(first, last)
    if _HUB in _columns(first) and last in _columns(_HUB):
        return _direct(_HUB, last)[_direct(first, _HUB)]
    to_hub = [name for name in NAMES if _HUB in _columns(_table_name(name))]
    raise TaxonomyError(
        f'no conversion from {source!r} to {target!r}; tables lead from {", ".join(to_hub)} to '
        f'{_HUB}, and from {_HUB} to {", ".join(_columns(_HUB))}'
    )


def write_table(path: Path, classes: Sequence[str]) -> None:
    """
    Write the table of a taxonomy of one's own, with colours that are easy to tell apart.

    :param classes: names in the order of their ids; those of Cityscapes get its colours.
    """
    hub = get(_HUB)
    known = dict(zip(hub.classes, hub.colors, strict=True))
    with path.open('w', newline='', encoding='utf-8') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(('id', 'name', 'red', 'green', 'blue'))
        for id_, name in enumerate(classes):
            table.writerow((id_, name, *known.get(name, _color(id_))))


def _color(index: int) -> tuple[int, int, int]:
    """Return a colour of its own for every index: the golden angle goes around evenly."""
    hue, light = (0.618034 * index) % 1, (1.0, 0.65)[index % 2]
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.7, light))
    return red, green, blue


def _direct(source: str, target: str) -> np.ndarray:
    table = np.full(256, UNLABELLED, np.uint8)
    for row in _rows(source):
        if row[target]:
            table[int(row['id'])] = int(row[target])
    return table


def _columns(name: str) -> list[str]:
    """Return which taxonomies the ids of this one are directly turned into."""
    return [key for key in _rows(name)[0] if key in NAMES]


def _table_name(name: str) -> str:
    if name.endswith(TABLE_SUFFIX):
        return name
    if name not in NAMES:
        raise TaxonomyError(
            f'taxonomy is {name!r}; expected one of {", ".join(NAMES)}, or a {TABLE_SUFFIX} file'
        )
    return _HUB if name in _SAME_AS_HUB else name


@cache
def _rows(name: str) -> list[dict[str, str]]:
    if name.endswith(TABLE_SUFFIX):
        return _own_rows(Path(name))
    return _parsed(files(__name__).joinpath(f'{name}.csv').read_text(encoding='utf-8'))


def _parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith('#')))


def _own_rows(path: Path) -> list[dict[str, str]]:
    """Read a table that people wrote; raises TaxonomyError."""
    try:
        rows = _parsed(path.read_text(encoding='utf-8'))
        ids = [int(row['id']) for row in rows]
        colors = [int(row[key]) for row in rows for key in ('red', 'green', 'blue')]
        names = [row['name'] for row in rows]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise TaxonomyError(
            f'{path} cannot be read as classes ({error}); expected a first line '
            'id,name,red,green,blue and a line of these for every class'
        ) from error
    if not 2 <= len(ids) < UNLABELLED or ids != list(range(len(ids))):
        raise TaxonomyError(
            f'{path} has the ids {ids}; expected 0, 1, 2 and so on, of at least two classes'
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TaxonomyError(f'{path} has the class {twice!r} twice; expected a name for each')
    if not all(0 <= value <= 255 for value in colors) or not all(names):
        raise TaxonomyError(f'{path}: expected a name for every class, and colours of 0..255')
    return rows


def _packed(rgb: np.ndarray) -> np.ndarray:
    """Return one number a colour: ... uint32, from ... x 3 uint8."""
    return rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
