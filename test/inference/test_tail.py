"""The lazy tail is exact: the same as upsampling everything, on kind and on adversarial logits."""

import cv2
import numpy as np
import pytest
from sfnet_ros.inference import tail
from sfnet_ros.inference.tail import interpolated_confidence, upsampled_argmax
import torch
import torch.nn.functional as F

SIZES = [
    ((16, 32), (64, 128)),
    ((17, 33), (61, 97)),
    ((9, 9), (3, 4)),
    ((1, 7), (5, 9)),
    ((7, 1), (13, 5)),
    ((1, 1), (5, 5)),
    ((5, 6), (5, 6)),
    ((64, 128), (359, 641)),
]


@pytest.fixture(params=['compiled', 'numpy'], autouse=True)
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run every test with the compiled loops and with those of NumPy."""
    if request.param == 'numpy':
        monkeypatch.setattr(tail, 'compiled_loops', lambda: None)
    else:
        pytest.importorskip('numba')
        assert tail.compiled_loops() is not None
    return request.param


def full_argmax(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    planes = torch.from_numpy(logits).double().permute(2, 0, 1)[None]
    upsampled = F.interpolate(planes, size, mode='bilinear', align_corners=True)
    return upsampled.argmax(1)[0].numpy()


def logits_of(kind: str, size: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((*size, 19)).astype(np.float32)
    if kind == 'smooth':
        logits = cv2.GaussianBlur(logits, (0, 0), 3).reshape(*size, 19)
    if kind == 'huge':
        logits *= 1e30
    if kind == 'checkers':  # Every cell is mixed, and a third class wins between the corners.
        rows, columns = np.indices(size)
        logits[..., 0] = np.where((rows + columns) % 2, 10, -10)
        logits[..., 1] = -logits[..., 0]
        logits[..., 2] = 5
    if kind == 'nearly equal':
        logits = 1 + logits * 1e-3
    return np.ascontiguousarray(logits, np.float32)


@pytest.mark.parametrize(('coarse', 'fine'), SIZES)
@pytest.mark.parametrize('kind', ['random', 'smooth', 'huge', 'checkers', 'nearly equal'])
def test_ids_are_those_of_upsampling_all(
    kind: str, coarse: tuple[int, int], fine: tuple[int, int]
) -> None:
    logits = logits_of(kind, coarse)
    ids, expected = upsampled_argmax(logits, fine), full_argmax(logits, fine)
    assert (ids.shape, ids.dtype) == (fine, np.uint8)
    # Rounding decides where two classes are equal to the last bits.
    assert np.count_nonzero(ids != expected) <= 2e-4 * ids.size


@pytest.mark.parametrize(('coarse', 'fine'), SIZES)
def test_where_classes_tie_it_is_one_of_the_largest(
    coarse: tuple[int, int], fine: tuple[int, int]
) -> None:
    """Whole numbers tie nearly everywhere, at corners and between, where PyTorch picks any too."""
    logits = np.round(logits_of('random', coarse))
    planes = torch.from_numpy(logits).double().permute(2, 0, 1)[None]
    planes = F.interpolate(planes, fine, mode='bilinear', align_corners=True)[0].numpy()
    ids = upsampled_argmax(logits, fine)
    found = np.take_along_axis(planes, ids[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(found, planes.max(axis=0), rtol=0, atol=1e-6)


def test_exact_ties_take_the_first_class() -> None:
    assert not upsampled_argmax(np.zeros((3, 4, 5), np.float32), (7, 9)).any()


@pytest.mark.parametrize('size', [(33, 65), (40, 30), (128, 256)])
def test_confidence_is_the_interpolated_probability_of_the_class(size: tuple[int, int]) -> None:
    logits = np.random.default_rng(3).normal(0, 3, (17, 33, 19)).astype(np.float32)
    ids = upsampled_argmax(logits, size)
    planes = torch.from_numpy(logits).permute(2, 0, 1)[None].softmax(1)
    planes = F.interpolate(planes, size, mode='bilinear', align_corners=True)[0].numpy()
    expected = np.take_along_axis(planes, ids[None].astype(int), axis=0)[0] * 255
    found = interpolated_confidence(logits, ids)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 0.51


def test_logits_need_not_be_contiguous_nor_writable() -> None:
    logits = np.broadcast_to(np.float32(range(5)), (4, 6, 5))[::-1]
    assert (upsampled_argmax(logits, (9, 7)) == 4).all()


def test_both_loops_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = logits_of('smooth', (33, 65))
    compiled = upsampled_argmax(logits, (131, 257))
    sure = interpolated_confidence(logits, compiled)
    monkeypatch.setattr(tail, 'compiled_loops', lambda: None)
    np.testing.assert_array_equal(upsampled_argmax(logits, (131, 257)), compiled)
    found = interpolated_confidence(logits, compiled)
    assert np.abs(found.astype(int) - sure).max() <= 1
