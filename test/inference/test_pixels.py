"""Camera encodings to RGB, pixel by pixel, and the refusal of what contradicts itself."""

import re

import cv2
import numpy as np
import pytest
from sfnet_ros.errors import ImageError
from sfnet_ros.inference import pixels

HEIGHT, WIDTH = 7, 10
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
GREY = RGB[:, :, :1]
ALPHA = np.full_like(GREY, 77)
RGBA = np.concatenate((RGB, ALPHA), axis=2)
BGRA = np.concatenate((RGB[:, :, ::-1], ALPHA), axis=2)

LAYOUTS = {
    'rgb8': (RGB, RGB),
    'bgr8': (RGB[:, :, ::-1], RGB),
    'rgba8': (RGBA, RGB),
    'bgra8': (BGRA, RGB),
    'mono8': (GREY, GREY.repeat(3, 2)),
    '8UC1': (GREY, GREY.repeat(3, 2)),
    '8UC3': (RGB[:, :, ::-1], RGB),
    '8UC4': (BGRA, RGB),
}
WIDE = {
    'rgb16': 'rgb8',
    'bgr16': 'bgr8',
    'rgba16': 'rgba8',
    'bgra16': 'bgra8',
    'mono16': 'mono8',
    '16UC1': '8UC1',
    '16UC3': '8UC3',
    '16UC4': '8UC4',
}


def padded(rows: np.ndarray, padding: int) -> tuple[bytes, int]:
    """Return the bytes of rows (H x anything) with bytes of 0xEE behind each, and the step."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    filled = np.pad(flat, ((0, 0), (0, padding)), constant_values=0xEE)
    return filled.tobytes(), filled.shape[1]


@pytest.mark.parametrize('padding', [0, 1, 5, 32])
@pytest.mark.parametrize('encoding', LAYOUTS)
def test_eight_bits(encoding: str, padding: int) -> None:
    source, expected = LAYOUTS[encoding]
    data, step = padded(source, padding)
    assert np.array_equal(pixels.to_rgb(data, HEIGHT, WIDTH, encoding, step), expected)


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('is_bigendian', [False, True])
@pytest.mark.parametrize('encoding', WIDE)
def test_sixteen_bits_of_either_endianness(
    encoding: str, is_bigendian: bool, padding: int
) -> None:
    """The low byte is noise that must not show."""
    source, expected = LAYOUTS[WIDE[encoding]]
    noise = np.random.default_rng(1).integers(0, 256, source.shape, dtype=np.uint16)
    wide = (source.astype(np.uint16) << 8) | noise
    data, step = padded(wide.astype('>u2' if is_bigendian else '<u2'), padding)
    found = pixels.to_rgb(data, HEIGHT, WIDTH, encoding, step, is_bigendian)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_patterns(pattern: str, bits: int) -> None:
    """A mosaic of one colour gives that colour everywhere."""
    color = {'r': 200, 'g': 100, 'b': 30}
    tile = np.array([color[letter] for letter in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (6, 8))
    source = mosaic if bits == 8 else mosaic.astype('<u2') << 8
    data, step = padded(source, 4)
    found = pixels.to_rgb(data, 12, 16, f'bayer_{pattern}{bits}', step)
    assert np.array_equal(found, np.broadcast_to((200, 100, 30), (12, 16, 3)))


# Y, U, V of BT.601 with luminance in 16..235, and the colour that they stand for.
COLOURS = [
    ((81, 90, 240), (255, 0, 0)),
    ((145, 54, 34), (0, 255, 0)),
    ((41, 240, 110), (0, 0, 255)),
    ((126, 128, 128), (128, 128, 128)),
]


def yuv_rows(encoding: str, y: int, u: int, v: int) -> np.ndarray:
    """Return the rows of an 8 x 6 (W x H) image of one colour."""
    packed = {'uyvy': (u, y, v, y), 'yuv422': (u, y, v, y)}
    packed |= {'yuyv': (y, u, y, v), 'yuv422_yuy2': (y, u, y, v)}
    if encoding in packed:
        return np.tile(np.array(packed[encoding], np.uint8), (6, 4))
    luminance = np.full((6, 8), y, np.uint8)
    pair = (v, u) if encoding == 'nv21' else (u, v)
    # NV24 has one pair a pixel: two rows of the luminance's step for each of its rows.
    color = np.tile(np.array(pair, np.uint8), (12 if encoding == 'nv24' else 3, 4))
    return np.concatenate((luminance, color))


@pytest.mark.parametrize(('yuv', 'rgb'), COLOURS)
@pytest.mark.parametrize(
    'encoding', ['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21', 'nv24']
)
def test_yuv(encoding: str, yuv: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    data, step = padded(yuv_rows(encoding, *yuv), 0)
    found = pixels.to_rgb(data, 6, 8, encoding, step)
    assert found.shape == (6, 8, 3)
    assert np.abs(found.astype(int) - rgb).max() <= 3


@pytest.mark.parametrize('encoding', ['uyvy', 'yuyv', 'nv12', 'nv21'])
def test_padded_yuv(encoding: str) -> None:
    rows = np.random.default_rng(2).integers(0, 256, (6, 16), dtype=np.uint8)
    rows = np.concatenate((rows[:, :8], rows[:3, 8:])) if encoding[0] == 'n' else rows
    tight = pixels.to_rgb(*_arguments(rows, 0, encoding))
    assert np.array_equal(pixels.to_rgb(*_arguments(rows, 6, encoding)), tight)
    assert len(np.unique(tight)) > 10


def test_padded_nv24() -> None:
    """Its rows of colour are twice as long, and so is their padding."""
    luminance, colour = np.random.default_rng(3).integers(0, 256, (2, 6, 16), dtype=np.uint8)
    tight = padded(luminance[:, :8], 0)[0] + padded(colour, 0)[0]
    loose = padded(luminance[:, :8], 3)[0] + padded(colour, 6)[0]
    expected = pixels.to_rgb(tight, 6, 8, 'nv24', 8)
    assert np.array_equal(pixels.to_rgb(loose, 6, 8, 'nv24', 11), expected)


def _arguments(rows: np.ndarray, padding: int, encoding: str) -> tuple:
    data, step = padded(rows, padding)
    return data, 6, 8, encoding, step


@pytest.mark.parametrize('padding', [0, 4])
def test_rgb_is_not_copied(padding: int) -> None:
    data = bytearray(padded(RGB, padding)[0])
    found = pixels.to_rgb(data, HEIGHT, WIDTH, 'rgb8', WIDTH * 3 + padding)
    data[0] ^= 255
    assert found[0, 0, 0] == RGB[0, 0, 0] ^ 255


def test_the_padding_of_the_last_row_may_be_missing() -> None:
    data, step = padded(RGB, 8)
    assert np.array_equal(pixels.to_rgb(data[:-8], HEIGHT, WIDTH, 'rgb8', step), RGB)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'height': 0}, 'image is 10 x 0 pixels; expected at least 1 x 1'),
        ({'width': 0}, 'image is 0 x 7 pixels; expected at least 1 x 1'),
        ({'step': 29}, 'step of the rgb8 image is 29 bytes; expected at least 30 for 10 pixels'),
        ({'data': bytes(209)}, 'rgb8 image hold 209 bytes; expected 210 for 7 rows of step 30'),
        ({'data': b''}, 'rgb8 image hold 0 bytes; expected 210'),
        ({'encoding': 'rgb16'}, 'step of the rgb16 image is 30 bytes; expected at least 60'),
        ({'encoding': ''}, "encoding is ''; expected one of rgb8, bgr8"),
        ({'encoding': 'RGB8'}, "encoding is 'RGB8'; expected one of rgb8, bgr8"),
        ({'encoding': '32FC1'}, "'32FC1', which is a depth or measurement image"),
        ({'encoding': '8UC2'}, "encoding is '8UC2'; expected one of"),
        ({'encoding': 'nv12'}, 'nv12 image is 10 x 7 pixels; expected even numbers'),
        ({'encoding': 'uyvy', 'width': 9}, 'uyvy image is 9 pixels wide; expected an even width'),
        ({'encoding': 'nv12', 'height': 6, 'data': bytes(249)}, 'hold 249 bytes; expected 270'),
        ({'encoding': 'nv24', 'data': bytes(629)}, 'nv24 image hold 629 bytes; expected 630'),
    ],
)
def test_contradictions_are_refused(changes: dict, message: str) -> None:
    whole = {'data': bytes(210), 'height': 7, 'width': 10, 'encoding': 'rgb8', 'step': 30}
    with pytest.raises(ImageError, match=re.escape(message)):
        pixels.to_rgb(**whole | changes)


@pytest.mark.parametrize('suffix', ['.png', '.webp', '.jpg', '.bmp'])
def test_picture_files(suffix: str) -> None:
    smooth = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)
    _, data = cv2.imencode(suffix, smooth[:, :, ::-1])
    found = pixels.decode(data.tobytes(), 'any')
    lossless = suffix in ('.png', '.bmp')
    assert np.abs(found.astype(int) - smooth).mean() <= (0 if lossless else 8)
    assert np.array_equal(found, cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])


def test_sixteen_bit_and_grey_png() -> None:
    _, data = cv2.imencode('.png', RGB[:, :, ::-1].astype(np.uint16) << 8)
    assert np.array_equal(pixels.decode(data), RGB)
    _, data = cv2.imencode('.png', GREY)
    assert np.array_equal(pixels.decode(data), GREY.repeat(3, 2))


def test_exif_rotation_is_not_applied() -> None:
    """Orientation 6 (a quarter turn), written into the file by hand."""
    _, data = cv2.imencode('.jpg', np.zeros((20, 40, 3), np.uint8))
    tiff = b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    exif = b'Exif\0\0' + tiff
    marker = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    rotated = data.tobytes()[:2] + marker + data.tobytes()[2:]
    turned = cv2.imdecode(np.frombuffer(rotated, np.uint8), cv2.IMREAD_COLOR)
    assert turned.shape == (40, 20, 3)
    assert pixels.decode(rotated).shape == (20, 40, 3)


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp'])
@pytest.mark.parametrize('kept', [0.5, 0.98])
def test_cut_off_picture_files_are_refused(suffix: str, kept: float) -> None:
    noise = np.random.default_rng(4).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = cv2.imencode(suffix, noise)[1].tobytes()
    with pytest.raises(ImageError, match='expected a whole picture'):
        pixels.decode(data[: int(len(data) * kept)])


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'holds 0 bytes; expected a whole picture in format'),
        (b'hello, world', "starting with 68 65 6c 6c 6f 2c 20 77, cannot .* in format 'jpeg'"),
    ],
)
def test_what_is_no_picture_file_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        pixels.decode(data, 'jpeg')
