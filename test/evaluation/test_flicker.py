"""Flicker: what moves does not flicker, what changes its class does."""

import cv2
import numpy as np
import pytest
from sfnet_ros.evaluation.flicker import Flicker


def textured(seed: int = 0) -> np.ndarray:
    """Return a smooth random picture, larger than the views of it: 140 x 200 x 3 uint8 RGB."""
    noise = np.random.default_rng(seed).integers(0, 256, (140, 200, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3) * 2


def view(picture: np.ndarray, shift: int) -> np.ndarray:
    return np.ascontiguousarray(picture[20:120, 20 + shift : 180 + shift])


@pytest.mark.parametrize('shift', [0, 3, 7])
def test_what_only_moves_does_not_flicker(shift: int) -> None:
    picture = textured()
    ids = np.uint8(np.indices(picture.shape[:2])[1] // 10 % 5)
    flicker = Flicker()
    assert flicker.add(view(picture, 0), view(ids, 0)) is None
    changed, compared = flicker.add(view(picture, shift), view(ids, shift))
    assert compared > 0.8 * 100 * 160
    # Flow is not exact to the pixel, and every tenth column is a boundary.
    assert changed / compared < 0.03
    if shift:
        flicker.restart()
        flicker.add(view(picture, 0), view(ids, 0))
        changed, compared = flicker.add(view(picture, shift), view(ids, 0))
        assert changed / compared > shift / 10 - 0.1


def test_changed_classes_are_counted() -> None:
    picture, flicker = view(textured(), 0), Flicker()
    ids = np.zeros(picture.shape[:2], np.uint8)
    flicker.add(picture, ids)
    ids[:, :40] = 1
    changed, compared = flicker.add(picture, ids)
    assert (changed, compared) == (100 * 40, 100 * 160)


def test_frames_that_do_not_follow_are_not_compared() -> None:
    ids, flicker = np.zeros((100, 160), np.uint8), Flicker()
    flicker.add(view(textured(0), 0), ids)
    assert flicker.add(view(textured(1), 0), ids) is None
    assert flicker.add(view(textured(1), 0), ids) is not None
    assert flicker.add(view(textured(1), 0)[:50], ids[:50]) is None
    flicker.restart()
    assert flicker.add(view(textured(1), 0)[:50], ids[:50]) is None


def test_large_frames_are_compared_in_small() -> None:
    picture = cv2.resize(view(textured(), 0), (1280, 800))
    flicker, ids = Flicker(), np.zeros((800, 1280), np.uint8)
    flicker.add(picture, ids)
    assert flicker.add(picture, ids) == (0, 640 * 400)
