"""Label pictures of every kind, as bytes of a file and as messages."""

from pathlib import Path
import struct
import zlib

import cv2
import numpy as np
import pytest
from sfnet_ros import taxonomies
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation.frames import SourceFrame
from sfnet_ros.evaluation.labels import (
    decode_labels,
    frame_labels,
    read_color_table,
    taxonomy_colors,
)

IDS = np.random.default_rng(0).integers(0, 19, (7, 9), np.uint8)


def encoded(picture: np.ndarray) -> bytes:
    return cv2.imencode('.png', picture)[1].tobytes()


def indexed(ids: np.ndarray, palette: np.ndarray) -> bytes:
    """Make an indexed PNG of a grey one: another colour type, and a palette after the header."""
    grey = encoded(ids)
    header = grey[12:25] + b'\x03' + grey[26:29]
    colors = b'PLTE' + palette.tobytes()
    chunks = [struct.pack('>I', 13) + header, struct.pack('>I', palette.size) + colors]
    body = b''.join(
        chunk + struct.pack('>I', zlib.crc32(chunk[4:])) for chunk in chunks
    )  # fmt: skip
    return grey[:8] + body + grey[33:]


def decode(data: bytes, **options: object) -> np.ndarray:
    return decode_labels(np.frombuffer(data, np.uint8), options.get('colors'), 'a.png')


def test_grey_is_ids() -> None:
    assert np.array_equal(decode(encoded(IDS)), IDS)


def test_of_indexed_pictures_the_indices_count_and_not_the_colours() -> None:
    # Two classes of one colour can only be told apart by their indices.
    data = indexed(IDS, np.zeros((256, 3), np.uint8))
    assert not cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., :3].any()
    assert np.array_equal(decode(data), IDS)


@pytest.mark.parametrize('depth', [1, 2, 4])
def test_indices_of_few_bits_count_too(depth: int) -> None:
    """As editors write pictures of few colours: several pixels a byte, rows begin at a byte."""
    ids = IDS % 2**depth
    bits = np.unpackbits(ids[..., None], axis=2)[..., 8 - depth :].reshape(len(ids), -1)
    rows = np.pad(np.packbits(bits, axis=1), ((0, 0), (1, 0)))
    parts = (
        b'IHDR' + struct.pack('>IIBBBBB', 9, 7, depth, 3, 0, 0, 0),
        b'PLTE' + bytes(range(3 * 2**depth)),
        b'IDAT' + zlib.compress(rows.tobytes()),
        b'IEND',
    )
    chunks = (
        struct.pack('>I', len(part) - 4) + part + struct.pack('>I', zlib.crc32(part))
        for part in parts
    )
    assert np.array_equal(decode(b'\x89PNG\r\n\x1a\n' + b''.join(chunks)), ids)


@pytest.mark.parametrize('name', ['cityscapes', 'camvid', 'idd_lite'])
def test_masks_are_ids_by_their_colours(name: str) -> None:
    taxonomy = taxonomies.get(name)
    ids = IDS % len(taxonomy.classes)
    ids[0, 0] = 255
    mask = cv2.cvtColor(taxonomy.colorize(ids), cv2.COLOR_RGB2BGR)
    assert np.array_equal(decode(encoded(mask), colors=taxonomy_colors(name)), ids)


def test_full_camvid_masks_are_grouped_as_usual() -> None:
    # Archway, traffic cone, lane marking, road shoulder, traffic light, bus, child, motorcycle.
    rows = {1: (192, 0, 128), 2: (0, 0, 64), 3: (128, 0, 192), 4: (128, 128, 192)}
    rows |= {6: (0, 64, 64), 8: (192, 128, 192), 9: (192, 128, 64), 10: (192, 0, 192)}
    rows |= {255: (0, 0, 0)}
    rgb = np.array([list(rows.values())], np.uint8)
    assert taxonomy_colors('camvid').ids(rgb).tolist() == [list(rows)]


def test_palettes_of_simulators(tmp_path: Path) -> None:
    path = tmp_path / 'palette.csv'
    path.write_text('1,2,3,road\n4, 5, 6, car \n7,8,9,Static\n\n')
    rgb = np.array([[(1, 2, 3), (4, 5, 6), (7, 8, 9), (0, 0, 0)]], np.uint8)
    assert read_color_table(path, 'cityscapes').ids(rgb).tolist() == [[0, 13, 255, 255]]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('1,2,road\n', "the line '1,2,road'; expected red,green,blue,class name"),
        ('1,2,300,road\n', 'expected red,green,blue,class name'),
        ('1,2,3,street\n', 'names no class; expected names such as road, sidewalk'),
    ],
)
def test_bad_palettes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'palette.csv'
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_color_table(path, 'cityscapes')
    with pytest.raises(DataError, match='cannot be read'):
        read_color_table(tmp_path, 'cityscapes')


def test_masks_in_colours_of_something_else_are_refused() -> None:
    mask = np.full((4, 4, 3), (3, 2, 1), np.uint8)
    with pytest.raises(DataError, match='a.png: 100% .* such as 1, 2, 3; .*--label-palette'):
        decode(encoded(mask), colors=taxonomy_colors('cityscapes'))


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'a.png is no image'),
        (b'nothing', 'a.png is no image'),
        (indexed(IDS, np.zeros((256, 3), np.uint8))[:60], 'a.png is no image'),
        (encoded(IDS.astype(np.uint16)), r'is uint16 of shape \(7, 9\); expected one 8-bit'),
        (encoded(np.zeros((2, 2, 3), np.uint8)), 'expected one 8-bit channel'),
    ],
)
def test_what_cannot_be_labels_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decode(data)


def test_label_messages() -> None:
    colors = taxonomy_colors('cityscapes')
    grey = SourceFrame(0, 0, '', IDS.reshape(-1), '', 'mono8', *IDS.shape, step=9)
    rgb = taxonomies.get('cityscapes').colorize(IDS)
    mask = SourceFrame(0, 0, '', rgb.reshape(-1), '', 'rgb8', *IDS.shape, step=27)
    packed = SourceFrame(0, 0, '', np.frombuffer(encoded(IDS), np.uint8), 'png')
    for frame in (grey, mask, packed):
        assert np.array_equal(frame_labels(frame, colors), IDS)
    with pytest.raises(DataError, match='the label cannot be read: .*step'):
        frame_labels(SourceFrame(0, 0, '', IDS.reshape(-1), '', 'mono8', 7, 9, 2), colors)
