"""The frames that a report shows: the worst ones, small, encoded as text for a page."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..taxonomies import Taxonomy

_WIDTH = 720
# Right pixels stay clear; red, green, blue, opacity.
_WRONG = (230, 20, 60, 210)
_IGNORED = (0, 0, 0, 110)


@dataclass(frozen=True)
class Picture:
    """A frame in small: ``image`` H x W x 3 uint8 RGB, ``ids`` and ``truth`` H x W uint8."""

    number: int
    name: str
    badness: float
    score: str
    image: np.ndarray
    ids: np.ndarray
    truth: np.ndarray | None


class Gallery:
    """
    Keeps the frames of most badness.

    Of frames that lie closer together than ``apart`` one is kept: they look the same.
    """

    def __init__(self, most: int, taxonomy: Taxonomy, apart: int = 1) -> None:
        self._most, self._taxonomy, self._apart = most, taxonomy, apart
        self._pictures: list[Picture] = []
        self._offered = 0

    def offer(
        self,
        name: str,
        badness: float,
        score: str,
        image: np.ndarray,
        ids: np.ndarray,
        truth: np.ndarray | None,
    ) -> None:
        """
        Keep a frame if it is among the worst so far; of equally bad ones the first.

        :param badness: 0 and more. :param score: what a person reads of it.
        :param ids, truth: H x W uint8 ids of the gallery's taxonomy.
        """
        number, self._offered = self._offered, self._offered + 1
        near = [item for item in self._pictures if number - item.number < self._apart]
        rivals = near or self._pictures[self._most - 1 :]
        if not self._most or any(badness <= item.badness for item in rivals):
            return
        size = _size(image)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        ids = cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST)
        if truth is not None:
            truth = cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST)
        replaced = {item.number for item in rivals}
        self._pictures = [item for item in self._pictures if item.number not in replaced]
        self._pictures.append(Picture(number, name, badness, score, image, ids, truth))
        self._pictures.sort(key=lambda item: -item.badness)

    def encoded(self, source: str) -> list[dict[str, Any]]:
        """Return the pictures as a page and a JSON file can hold them, the worst first."""
        return [self._encoded(source, picture) for picture in self._pictures]

    def _encoded(self, source: str, picture: Picture) -> dict[str, Any]:
        colors, truth = self._taxonomy.colorize, picture.truth
        height, width = picture.ids.shape
        return {
            'source': source,
            'frame': picture.name,
            'badness': picture.badness,
            'score': picture.score,
            'width': width,
            'height': height,
            'image': _text(picture.image, '.jpg'),
            'prediction': _text(colors(picture.ids), '.png'),
            'truth': None if truth is None else _text(colors(truth), '.png'),
            'error': None if truth is None else _text(self._error(picture.ids, truth), '.png'),
        }

    def _error(self, ids: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Paint what is wrong and what is not counted: H x W x 4 uint8 RGBA."""
        error = np.zeros((*ids.shape, 4), np.uint8)
        error[ids != truth] = _WRONG
        error[truth >= len(self._taxonomy.classes)] = _IGNORED
        return error


def _size(image: np.ndarray) -> tuple[int, int]:
    height, width = image.shape[:2]
    return min(width, _WIDTH), max(1, round(height * min(1.0, _WIDTH / width)))


def _text(picture: np.ndarray, suffix: str) -> str:
    """Encode RGB or RGBA as a data URI."""
    alpha = picture.shape[2] == 4
    code = cv2.COLOR_RGBA2BGRA if alpha else cv2.COLOR_RGB2BGR
    options = [cv2.IMWRITE_JPEG_QUALITY, 85] if suffix == '.jpg' else []
    _, data = cv2.imencode(suffix, cv2.cvtColor(picture, code), options)
    kind = 'jpeg' if suffix == '.jpg' else 'png'
    return f'data:image/{kind};base64,{b64encode(data.tobytes()).decode()}'
