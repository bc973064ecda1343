"""Pictures of a report: the worst frames, small, with errors painted."""

from base64 import b64decode

import cv2
import numpy as np
from sfnet_ros import taxonomies
from sfnet_ros.evaluation.pictures import Gallery

COLORS = taxonomies.get('cityscapes')


def decoded(data: str) -> np.ndarray:
    """Return the pixels of a data URI as OpenCV has them."""
    content = np.frombuffer(b64decode(data.partition('base64,')[2]), np.uint8)
    return cv2.imdecode(content, cv2.IMREAD_UNCHANGED)


def test_the_worst_are_kept_and_of_equals_the_first() -> None:
    gallery = Gallery(3, COLORS)
    image, ids = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    for name, badness in (('a', 0.1), ('b', 0.5), ('c', 0.1), ('d', 0.2), ('e', 0.1), ('f', 0.5)):
        gallery.offer(name, badness, 'score', image, ids, None)
    found = gallery.encoded('bag')
    assert [picture['frame'] for picture in found] == ['b', 'f', 'd']
    assert found[0]['truth'] is found[0]['error'] is None
    nothing = Gallery(0, COLORS)
    nothing.offer('a', 1, '', image, ids, None)
    assert nothing.encoded('bag') == []


def test_of_frames_close_together_the_worst_is_kept() -> None:
    gallery = Gallery(3, COLORS, apart=4)
    image, ids = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    for number, badness in enumerate((1, 3, 2, 0, 0, 7, 8, 0, 0, 0, 5, 4, 6, 0, 0, 0)):
        gallery.offer(str(number), badness, '', image, ids, None)
    assert [picture['frame'] for picture in gallery.encoded('bag')] == ['6', '12', '1']


def test_pictures_are_small_and_true_to_their_colours() -> None:
    ids = np.zeros((1000, 2000), np.uint8)
    ids[:, 1000:] = 13
    truth = np.zeros_like(ids)
    truth[500:] = 255
    image = np.full((1000, 2000, 3), (10, 120, 240), np.uint8)
    gallery = Gallery(1, COLORS)
    gallery.offer('a', 1, '', image, ids, truth)
    (picture,) = gallery.encoded('bag')
    assert (picture['width'], picture['height']) == (720, 360)
    assert np.abs(decoded(picture['image']).astype(int) - (240, 120, 10)).max() < 4
    prediction = decoded(picture['prediction'])[..., ::-1]
    assert np.array_equal(prediction[:, :360], np.full((360, 360, 3), COLORS.colors[0]))
    assert np.array_equal(prediction[:, 360:], np.full((360, 360, 3), COLORS.colors[13]))
    error = decoded(picture['error'])
    assert not error[:180, :360].any()
    assert (error[:180, 360:] == (60, 20, 230, 210)).all()
    assert (error[180:] == (0, 0, 0, 110)).all()
