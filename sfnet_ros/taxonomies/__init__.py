"""
Class names, colours and conversions of the data sets: the one place that knows them.

Ids are uint8; 255 is unlabelled in every taxonomy. Each taxonomy is a table beside this file, a
row a class: id, name, colour, and a column for each taxonomy that its ids turn into directly.
"""

import csv
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

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
    """Return the taxonomy of that name; raises TaxonomyError with the known names."""
    rows = _rows(_table_name(name))
    return Taxonomy(
        name,
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
    if first == last:
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
    if name not in NAMES:
        raise TaxonomyError(f'taxonomy is {name!r}; expected one of {", ".join(NAMES)}')
    return _HUB if name in _SAME_AS_HUB else name


@cache
def _rows(name: str) -> list[dict[str, str]]:
    text = files(__name__).joinpath(f'{name}.csv').read_text(encoding='utf-8')
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith('#')))


def _packed(rgb: np.ndarray) -> np.ndarray:
    """Return one number a colour: ... uint32, from ... x 3 uint8."""
    return rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
