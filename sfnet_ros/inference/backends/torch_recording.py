"""The forward pass on a GPU as a CUDA graph, recorded by PyTorch."""

from collections.abc import Callable

import torch
from torch import Tensor

_WARM_UPS = 3


class Recording:
    """
    A function of a tensor of one shape: its kernels are launched as one, not one by one.

    What it returns is overwritten by the next call.

    :param function: maps a tensor on the GPU to another, without a word to the CPU.
    :raises RuntimeError: where that cannot be recorded.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], example: Tensor) -> None:
        self._input = example.clone()
        # What libraries set up when they are first used is no part of a recording.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                function(self._input)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        # Another model may be at work on another thread.
        with torch.cuda.graph(self._graph, capture_error_mode='thread_local'):
            self._output = function(self._input)

    def __call__(self, values: Tensor) -> Tensor:
        """Run it."""
        self._input.copy_(values)
        self._graph.replay()
        return self._output
