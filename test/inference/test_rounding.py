"""Weights that are rounded to bfloat16."""

import numpy as np
import pytest
from sfnet_ros.inference.rounding import rounded_kernels, rounded_to_bf16
import torch

SHAPES = [(8, 3, 3, 3), (16, 1, 1, 5, 5), (4, 6, 1, 1), (2, 2, 1, 3)]


@pytest.fixture
def weights(request: pytest.FixtureRequest) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.2, request.param).astype(np.float32)


def in_torch(array: np.ndarray) -> np.ndarray:
    return torch.from_numpy(array).bfloat16().float().numpy()


@pytest.mark.parametrize('weights', SHAPES, indirect=True)
def test_numbers_are_those_of_bfloat16(weights: np.ndarray) -> None:
    assert np.array_equal(rounded_to_bf16(weights), in_torch(weights))
    found = rounded_kernels(weights)
    assert found.shape == weights.shape
    assert found.dtype == np.float32
    assert np.array_equal(found, in_torch(found))


def test_a_tie_goes_to_the_even_number() -> None:
    between = np.array([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8], np.float32)
    assert rounded_to_bf16(between).tolist() == [1, 1 + 2**-6, -1]


@pytest.mark.parametrize('weights', SHAPES, indirect=True)
def test_the_sum_of_a_kernel_stays(weights: np.ndarray) -> None:
    def sums(array: np.ndarray) -> np.ndarray:
        return array.astype(float).sum((-2, -1))

    wanted = sums(weights)
    # Half a step of the last weight is all that is lost, however many there are.
    found = rounded_kernels(weights)
    steps = 2.0 ** (np.floor(np.log2(np.abs(found[..., -1, -1]))) - 7)
    assert np.all(np.abs(sums(found) - wanted) <= steps * 0.51)
    # No weight is further from what it was than that and what came from the one before.
    largest = 2.0 ** (np.floor(np.log2(np.abs(weights).max())) - 7)
    assert np.abs(found - weights).max() <= largest * 1.01


def test_an_edge_filter_does_not_see_an_even_area() -> None:
    edge = np.array([[[[0.3, -0.7, 0.4], [0.17, 0.13, -0.3], [-0.2, 0.15, 0.05]]]], np.float32)
    assert abs(rounded_to_bf16(edge).sum()) > 8 * abs(rounded_kernels(edge).sum())


def test_a_kernel_of_one_weight_is_only_rounded() -> None:
    weights = np.random.default_rng(1).normal(size=(8, 4, 1, 1)).astype(np.float32)
    assert np.array_equal(rounded_kernels(weights), in_torch(weights))
