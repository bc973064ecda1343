"""
Class names, colours and conversions of the data sets: the one place that knows them.

Ids are uint8; 255 is unlabelled in every taxonomy. Cityscapes names and colours are those of Cordts
et al., CVPR 2016; CamVid's of Brostow et al., ECCV 2008.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from .errors import TaxonomyError

UNLABELLED = 255


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

    def overlay(self, ids: np.ndarray, image: np.ndarray, alpha: float = 0.5) -> np.ndarray:
        """
        Blend the class colours over an image: H x W x 3 uint8 RGB.

        :param ids: H x W uint8. :param image: H x W x 3 uint8 RGB.
        :param alpha: weight of the colours, 0..1.
        """
        return cv2.addWeighted(self.colorize(ids), alpha, image, 1 - alpha, 0)


# name, colour, id in Cityscapes labelIds
_CITYSCAPES = (
    ('road', (128, 64, 128), 7),
    ('sidewalk', (244, 35, 232), 8),
    ('building', (70, 70, 70), 11),
    ('wall', (102, 102, 156), 12),
    ('fence', (190, 153, 153), 13),
    ('pole', (153, 153, 153), 17),
    ('traffic light', (250, 170, 30), 19),
    ('traffic sign', (220, 220, 0), 20),
    ('vegetation', (107, 142, 35), 21),
    ('terrain', (152, 251, 152), 22),
    ('sky', (70, 130, 180), 23),
    ('person', (220, 20, 60), 24),
    ('rider', (255, 0, 0), 25),
    ('car', (0, 0, 142), 26),
    ('truck', (0, 0, 70), 27),
    ('bus', (0, 60, 100), 28),
    ('train', (0, 80, 100), 31),
    ('motorcycle', (0, 0, 230), 32),
    ('bicycle', (119, 11, 32), 33),
)
_CAMVID = (
    ('sky', (128, 128, 128)),
    ('building', (128, 0, 0)),
    ('column pole', (192, 192, 128)),
    ('road', (128, 64, 128)),
    ('sidewalk', (0, 0, 192)),
    ('tree', (128, 128, 0)),
    ('sign symbol', (192, 128, 128)),
    ('fence', (64, 64, 128)),
    ('car', (64, 0, 128)),
    ('pedestrian', (64, 64, 0)),
    ('bicyclist', (0, 128, 192)),
)
_IDD_LITE = (
    ('drivable', (128, 64, 128)),
    ('non-drivable', (244, 35, 232)),
    ('living thing', (220, 20, 60)),
    ('vehicle', (0, 0, 142)),
    ('roadside object', (220, 220, 0)),
    ('far object', (70, 70, 70)),
    ('sky', (70, 130, 180)),
)


def _taxonomy(name: str, rows: tuple) -> Taxonomy:
    return Taxonomy(name, tuple(row[0] for row in rows), tuple(row[1] for row in rows))


# UDS (SFNet-Lite, IJCV 2023, section 4.1) and BDD label the 19 classes of Cityscapes.
_TAXONOMIES = {
    'cityscapes': _taxonomy('cityscapes', _CITYSCAPES),
    'uds': _taxonomy('uds', _CITYSCAPES),
    'bdd': _taxonomy('bdd', _CITYSCAPES),
    'camvid': _taxonomy('camvid', _CAMVID),
    'idd_lite': _taxonomy('idd_lite', _IDD_LITE),
}
NAMES = tuple(_TAXONOMIES)
# Labels too coarse to be turned into the 19 classes; they still say which groups are right.
COARSE = ('idd_lite',)

# From ids to the 19 Cityscapes classes; what is not listed becomes 255.
_TO_CITYSCAPES = {
    'cityscapes_ids': {row[2]: train_id for train_id, row in enumerate(_CITYSCAPES)},
    'camvid': {0: 10, 1: 2, 2: 5, 3: 0, 4: 1, 5: 8, 6: 7, 7: 4, 8: 13, 9: 11, 10: 12},
}
# From the 19 Cityscapes classes to coarser ones.
_FROM_CITYSCAPES = {
    'camvid': (3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10),
    'idd_lite': (0, 1, 5, 4, 4, 4, 4, 4, 5, 1, 6, 2, 2, 3, 3, 3, 3, 3, 3),
}


def get(name: str) -> Taxonomy:
    """Return the taxonomy of that name; raises TaxonomyError with the known names."""
    if name not in _TAXONOMIES:
        raise TaxonomyError(f'taxonomy is {name!r}; expected one of {", ".join(NAMES)}')
    return _TAXONOMIES[name]


def conversion(source: str, target: str) -> np.ndarray:
    """
    Return the table that turns ids of one taxonomy into those of another: 256 uint8, ids[table].

    :param source: a taxonomy name, or ``cityscapes_ids`` for the 34 labelIds.
    :raises TaxonomyError: when no table leads from one to the other.
    """
    same = ('cityscapes', 'uds', 'bdd')
    if source == target or (source in same and target in same):
        return np.arange(256, dtype=np.uint8)
    table = np.full(256, UNLABELLED, np.uint8)
    if source in _TO_CITYSCAPES and target in same:
        for found, train_id in _TO_CITYSCAPES[source].items():
            table[found] = train_id
    elif source in same and target in _FROM_CITYSCAPES:
        table[: len(_CITYSCAPES)] = _FROM_CITYSCAPES[target]
    else:
        raise TaxonomyError(
            f'no conversion from {source!r} to {target!r}; tables lead from '
            f'{", ".join(_TO_CITYSCAPES)} to cityscapes, and from cityscapes to '
            f'{", ".join(_FROM_CITYSCAPES)}'
        )
    return table
