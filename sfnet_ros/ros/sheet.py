"""A contact sheet: pictures in rows over a legend of the classes."""

from pathlib import Path

import cv2
import numpy as np

from ..errors import DataError

_COLUMNS = 3
_MOST = 12
_LEGEND_ROW = 30
_LEGEND_COLUMNS = 7


def contact_sheet(pictures: list[np.ndarray], classes: list[dict], path: Path) -> None:
    """
    Write up to twelve pictures, evenly chosen, as one image file.

    :param pictures: H x W x 3 uint8 RGB each, of one size.
    :param classes: ``name`` and ``color`` (RGB) of each, as in segmentation/classes.
    """
    chosen = np.linspace(0, len(pictures) - 1, min(_MOST, len(pictures))).round().astype(int)
    tiles = [pictures[index] for index in chosen]
    blank = np.full_like(tiles[0], 255)
    columns = min(_COLUMNS, len(tiles))
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    sheet = np.vstack([*rows, _legend(classes, rows[0].shape[1])])
    if not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise DataError(f'{path} cannot be written; expected a writable folder')


def _legend(classes: list[dict], width: int) -> np.ndarray:
    count = -(-len(classes) // _LEGEND_COLUMNS)
    legend = np.full((count * _LEGEND_ROW + 8, width, 3), 255, np.uint8)
    for index, item in enumerate(classes):
        row, column = divmod(index, _LEGEND_COLUMNS)
        x, y = 8 + column * (width // _LEGEND_COLUMNS), 8 + row * _LEGEND_ROW
        cv2.rectangle(legend, (x, y), (x + 28, y + 20), tuple(item['color']), -1)
        cv2.putText(
            legend, item['name'], (x + 36, y + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.55,
            (40, 40, 40), 1, cv2.LINE_AA,
        )  # fmt: skip
    return legend
