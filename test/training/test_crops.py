"""Windows of an image: what is cut belongs together, and is known where it came from."""

import numpy as np
import pytest
from sfnet_ros.training.crops import cut, random_window, view


@pytest.mark.parametrize('scale', [(0.3, 0.3), (1, 1), (3, 3)])
def test_labels_follow_the_image(scale: tuple[float, float]) -> None:
    """Away from edges the colour of a pixel is that of its label, whatever the scale."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.repeat(rng.integers(0, 19, (6, 8)), 40, 0), 40, 1).astype(np.uint8)
    image = np.repeat(labels[..., None] * 12, 3, 2)
    window = random_window(labels.shape, (96, 128), scale, 1.3, rng)
    crop, cropped = cut(image, labels, window, (96, 128))
    assert crop.shape == (96, 128, 3)
    known = cropped != 255
    right = np.abs(crop[..., 0].astype(int) - cropped.astype(int) * 12) < 6
    assert right[known].mean() > 0.85
    if scale[0] < 0.5:
        assert not known.all()
    else:
        assert known.all()


def test_crops_lie_around_a_pixel() -> None:
    """The window has the pixel in it wherever it lies, and is not always the same."""
    rng = np.random.default_rng(2)
    labels = np.zeros((60, 80), np.uint8)
    labels[59, 3] = 1
    image = np.zeros((60, 80, 3), np.uint8)

    def crop(size: tuple[int, int]) -> np.ndarray:
        window = random_window(labels.shape, size, (1, 1), 1.0, rng, (59, 3))
        return cut(image, labels, window, size)[1]

    places = {tuple(np.argwhere(crop((20, 30)) == 1)[0]) for _ in range(30)}
    assert len(places) > 2
    assert (crop((90, 120)) == 1).sum() == 1


@pytest.mark.parametrize('scale', [0.6, 1, 2.5])
@pytest.mark.parametrize('mirrored', [False, True])
def test_a_crop_knows_where_it_looks(scale: float, mirrored: bool) -> None:
    """In an image whose colours tell row and column, every pixel of a crop says where it is."""
    rng, shape, size = np.random.default_rng(3), (100, 160), (48, 64)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.uint8)
    image = np.stack((rows, columns, rows), axis=-1)
    for _ in range(5):
        window = random_window(shape, size, (scale, scale), 1.2, rng)
        crop, labels = cut(image, np.zeros(shape, np.uint8), window, size)
        if mirrored:
            crop, labels = crop[:, ::-1], labels[:, ::-1]
        numbers = view(window, shape, size, mirrored)
        for axis, place in enumerate(np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]):
            factor, offset = numbers[2 * axis : 2 * axis + 2]
            expected = (factor * place + offset + 1) / 2 * (shape[axis] - 1)
            # Pixels at the edges are mixed with what is beyond, and colours are whole numbers.
            inner = (expected >= 2) & (expected <= shape[axis] - 3) & (labels == 0)
            assert inner.sum() > 500
            assert np.abs(crop[..., axis][inner] - expected[inner]).max() < 0.75


@pytest.mark.parametrize('scale', [0.3, 0.41, 0.8, 1, 2])
def test_labels_lie_where_the_image_does(scale: float) -> None:
    """Labels that tell row or column are those of the pixel next to where the crop looks."""
    rng, shape, size = np.random.default_rng(4), (120, 160), (32, 48)
    image = np.zeros((*shape, 3), np.uint8)
    window = random_window(shape, size, (scale, scale), 1.0, rng)
    factors = view(window, shape, size, False)
    for axis, labels in enumerate(np.mgrid[: shape[0], : shape[1]].astype(np.uint8)):
        found = cut(image, labels, window, size)[1].astype(float)
        places = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j][axis]
        factor, offset = factors[2 * axis : 2 * axis + 2]
        expected = (factor * places + offset + 1) / 2 * (shape[axis] - 1)
        assert np.abs(found - expected).max() <= 0.5 + 1e-3


def test_the_whole_image_is_seen_as_it_is() -> None:
    numbers = view(random_window((64, 96), (64, 96), (1, 1), 1, np.random.default_rng()),
                   (64, 96), (64, 96), False)  # fmt: skip
    assert numbers.tolist() == [1, 0, 1, 0]
