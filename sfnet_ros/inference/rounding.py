"""Weights in bfloat16, rounded so that a kernel answers an even area as it did in float32."""

import numpy as np


def rounded_to_bf16(array: np.ndarray) -> np.ndarray:
    """Return float32 numbers as the nearest that bfloat16 has, ties to even, as float32."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return ((bits + half) & np.uint32(0xFFFF0000)).view(np.float32)


def rounded_kernels(weights: np.ndarray) -> np.ndarray:
    """
    Return the weights of a convolution in numbers of bfloat16; the sum of each kernel stays.

    What a weight loses is added to the next of its kernel, as error diffusion does with grey
    (Floyd and Steinberg, "An adaptive algorithm for spatial greyscale", 1976). Edge filters sum to
    nearly nothing: where each weight is rounded on its own a rest remains, which even areas such
    as road and sky turn into an offset. In the default model the first depthwise convolution alone
    made most of what bfloat16 did to the logits.

    :param weights: ... x kernel height x kernel width, finite.
    :return: float32 of the same shape.
    """
    kernels = np.asarray(weights, np.float32).reshape(-1, weights.shape[-2] * weights.shape[-1])
    rounded = np.empty_like(kernels)
    lost = np.zeros(len(kernels), np.float32)
    for place in range(kernels.shape[1]):
        wanted = kernels[:, place] + lost
        rounded[:, place] = rounded_to_bf16(wanted)
        lost = wanted - rounded[:, place]
    return rounded.reshape(weights.shape)
