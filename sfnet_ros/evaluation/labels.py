"""Label pictures to class ids: grey and indexed PNG files, colour masks, messages of a bag."""

from collections.abc import Mapping
import csv
from pathlib import Path
import struct
import zlib

import cv2
import numpy as np

from .frames import SourceFrame
from .. import taxonomies
from ..errors import ColorError, DataError, SfnetError

Color = tuple[int, int, int]

# The 960 x 720 masks of CamVid paint 32 classes; grouped into the 11 as is usual (SegNet's).
_CAMVID_MASKS: dict[int, tuple[Color, ...]] = {
    0: ((128, 128, 128),),
    1: ((128, 0, 0), (192, 0, 128), (0, 128, 64), (64, 0, 64), (64, 192, 0)),
    2: ((192, 192, 128), (0, 0, 64)),
    3: ((128, 64, 128), (128, 0, 192), (192, 0, 64)),
    4: ((0, 0, 192), (64, 192, 128), (128, 128, 192)),
    5: ((128, 128, 0), (192, 192, 0)),
    6: ((192, 128, 128), (128, 128, 64), (0, 64, 64)),
    7: ((64, 64, 128),),
    8: ((64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)),
    9: ((64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)),
    10: ((0, 128, 192), (192, 0, 192)),
}
# More than this share of the painted pixels in colours nobody knows: these are other labels.
_STRANGE_SHARE = 0.1
_PNG = b'\x89PNG\r\n\x1a\n'


class ColorTable:
    """The colours of a mask, and the ids that they stand for; other colours are unlabelled."""

    def __init__(self, ids: Mapping[Color, int], name: str) -> None:
        self.name = name
        self._colors = taxonomies.Taxonomy(name, (), tuple(ids))
        self._ids = np.full(256, taxonomies.UNLABELLED, np.uint8)
        self._ids[: len(ids)] = list(ids.values())

    def ids(self, rgb: np.ndarray) -> np.ndarray:
        """
        Return the ids of H x W x 3 uint8 RGB colours: H x W uint8, 255 = unlabelled.

        :raises ColorError: when many pixels that are not black have colours of no class.
        """
        places = self._colors.from_colors(rgb)
        painted = rgb.any(axis=2)
        strange = painted & (places == taxonomies.UNLABELLED)
        if strange.sum() > _STRANGE_SHARE * painted.sum():
            color = rgb[strange][0]
            raise ColorError(
                f'{strange.sum() / painted.sum():.0%} of the painted pixels have colours that '
                f'{self.name} does not know, such as {", ".join(map(str, color))}',
                'name the taxonomy whose colours these are (--labels-taxonomy), or give a table '
                'of them (--label-palette)'
                + ('; ids belong into one channel' if (color == color[0]).all() else ''),
            )
        return self._ids[places]


def taxonomy_colors(name: str) -> ColorTable:
    """Return the colours of a taxonomy; of camvid all 32 that its full masks hold."""
    if name == 'camvid':
        table = {color: id_ for id_, colors in _CAMVID_MASKS.items() for color in colors}
        return ColorTable(table, name)
    # Where classes share a colour the first one is meant, as in Taxonomy.from_colors.
    rows = reversed(list(enumerate(taxonomies.get(name).colors)))
    return ColorTable({color: id_ for id_, color in rows}, name)


def read_color_table(path: Path, taxonomy: str) -> ColorTable:
    """
    Read the palette of a simulator: CSV lines ``red,green,blue,class name`` without a heading.

    Names are those of the taxonomy's classes; any other name is unlabelled.

    :raises DataError: when the file or a line cannot be read, or no line names a class.
    """
    classes = taxonomies.get(taxonomy).classes
    table: dict[Color, int] = {}
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f'{path} cannot be read: {error}') from error
    for row in filter(None, csv.reader(lines)):
        try:
            color, name = _color(row[:3]), row[3].strip()
        except (ValueError, IndexError) as error:
            raise DataError(
                f'{path} has the line {",".join(row)!r}; expected red,green,blue,class name, '
                'with 0..255 for each colour'
            ) from error
        table[color] = classes.index(name) if name in classes else taxonomies.UNLABELLED
    if set(table.values()) <= {taxonomies.UNLABELLED}:
        raise DataError(f'{path} names no class; expected names such as {", ".join(classes[:4])}')
    return ColorTable(table, path.name)


def decode_labels(data: np.ndarray, colors: ColorTable | None, name: str) -> np.ndarray:
    """
    Decode a label file to H x W uint8 ids.

    :param data: the bytes of the file, 1-D uint8. An indexed PNG gives its indices.
    :param colors: what the colours of a mask mean; None refuses masks.
    :param name: what messages call it.
    :raises DataError: when it is no picture, or one that cannot be labels.
    """
    indices, spread = _without_palette(data.tobytes())
    content = np.frombuffer(indices, np.uint8)
    labels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if labels is None:
        raise DataError(f'{name} is no image that OpenCV can read')
    if spread > 1:
        return labels // spread
    if labels.dtype == np.uint8 and labels.ndim == 3 and colors is not None:
        try:
            # A fourth channel is transparency.
            return colors.ids(cv2.cvtColor(labels[..., :3], cv2.COLOR_BGR2RGB))
        except ColorError as error:
            found, remedy = error.args
            raise ColorError(f'{name}: {found}', remedy) from error
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(
            f'{name} is {labels.dtype} of shape {labels.shape}; expected one 8-bit channel of ids'
        )
    return labels


def frame_labels(frame: SourceFrame, colors: ColorTable) -> np.ndarray:
    """Return the ids that a label message holds, H x W uint8; raises DataError."""
    if frame.format:
        return decode_labels(frame.data, colors, 'the label')
    try:
        rgb = frame.rgb()
    except SfnetError as error:
        raise DataError(f'the label cannot be read: {error}') from error
    # Grey is ids; what has colours is a mask.
    return rgb[..., 0] if frame.encoding in ('mono8', '8UC1') else colors.ids(rgb)


def _without_palette(data: bytes) -> tuple[bytes, int]:
    """
    Turn an indexed PNG into a grey one; OpenCV would give the colours of the palette.

    :return: the picture, any other one as it is, and by how much OpenCV will multiply the indices:
        grey of fewer than 8 bits is spread over 0..255.
    """
    # Signature; then length, 'IHDR', width, height, depth, colour type, three bytes, checksum.
    if len(data) < 33 or not data.startswith(_PNG) or data[25] != 3:
        return data, 1
    header = data[12:25] + b'\x00' + data[26:29]
    parts = [_PNG, data[8:12], header, struct.pack('>I', zlib.crc32(header))]
    position = 33
    while position + 8 <= len(data):
        (length,) = struct.unpack('>I', data[position : position + 4])
        end = position + 12 + length
        if data[position + 4 : position + 8] not in (b'PLTE', b'tRNS'):
            parts.append(data[position:end])
        position = end
    return b''.join(parts), 255 // (2 ** data[24] - 1)


def _color(values: list[str]) -> Color:
    red, green, blue = (int(value) for value in values)
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError(f'colour is {red}, {green}, {blue}; expected 0..255')
    return red, green, blue
