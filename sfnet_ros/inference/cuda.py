"""
As little of CUDA as running an engine takes, on the driver that every NVIDIA machine has.

Nothing has to be installed for it, and a process that serves needs no PyTorch. The context is the
one that the CUDA runtime uses as well, so that TensorRT works in it.
"""

from collections.abc import Callable
import ctypes
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import BackendError

# Of the desktop driver, of the Jetsons, and of WSL 2; the driver is not asked where none is there.
DEVICE_FILES = ('/dev/nvidiactl', '/dev/nvhost-gpu', '/dev/nvgpu', '/dev/dxg')
DRIVER = 'libcuda.so.1'

_OUT_OF_MEMORY, _NO_DEVICE = 2, 100
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_NON_BLOCKING = 1
_THREAD_LOCAL = 1


class Device(NamedTuple):
    """The first GPU; ``capability`` is such as 8.6, ``memory_mb`` all that it has."""

    name: str
    capability: str
    memory_mb: int


class Buffer:
    """Memory of one tensor on both sides: ``host`` is a pinned array, ``device`` an address."""

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        self.size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self._pinned, address = ctypes.c_void_p(), ctypes.c_uint64()
        size = ctypes.c_size_t(self.size)
        _call('cuMemHostAlloc', ctypes.byref(self._pinned), size, 0)
        try:
            _call('cuMemAlloc_v2', ctypes.byref(address), size)
        except BackendError:
            _call('cuMemFreeHost', self._pinned)
            raise
        self.device = address.value
        content = (ctypes.c_uint8 * self.size).from_address(self._pinned.value or 0)
        self.host: np.ndarray = np.ctypeslib.as_array(content).view(dtype).reshape(shape)

    def close(self) -> None:
        """Free both; ``host`` must not be used any more."""
        del self.host
        _call('cuMemFreeHost', self._pinned)
        _call('cuMemFree_v2', ctypes.c_uint64(self.device))


class Stream:
    """A queue of work on the first GPU; ``handle`` is for TensorRT."""

    def __init__(self) -> None:
        self._context = ctypes.c_void_p()
        _call('cuDevicePrimaryCtxRetain', ctypes.byref(self._context), _first_device())
        self.enter()
        self._stream = ctypes.c_void_p()
        _call('cuStreamCreate', ctypes.byref(self._stream), _NON_BLOCKING)
        self.handle = self._stream.value or 0

    def enter(self) -> None:
        """Use the GPU on this thread, which may be another one than loaded."""
        _call('cuCtxSetCurrent', self._context)

    def upload(self, buffer: Buffer, first: int | None = None) -> None:
        """Queue the copy from host to device, of the first so many entries or of all."""
        size = ctypes.c_size_t(buffer.host[:first].nbytes)
        _call(
            'cuMemcpyHtoDAsync_v2', ctypes.c_uint64(buffer.device), buffer._pinned, size,
            self._stream,
        )  # fmt: skip

    def download(self, buffer: Buffer, first: int | None = None) -> None:
        """Queue the copy from device to host, of the first so many entries or of all."""
        size = ctypes.c_size_t(buffer.host[:first].nbytes)
        _call(
            'cuMemcpyDtoHAsync_v2', buffer._pinned, ctypes.c_uint64(buffer.device), size,
            self._stream,
        )  # fmt: skip

    def synchronize(self) -> None:
        """Wait until all that was queued is done."""
        _call('cuStreamSynchronize', self._stream)

    def record(self, work: Callable[[], None]) -> 'Recording':
        """Record what ``work`` queues instead of doing it; raises BackendError."""
        graph = ctypes.c_void_p()
        _call('cuStreamBeginCapture_v2', self._stream, _THREAD_LOCAL)
        try:
            work()
        finally:
            _call('cuStreamEndCapture', self._stream, ctypes.byref(graph))
        return Recording(graph, self._stream)

    def close(self) -> None:
        """Give the stream back, and the context where no one else uses it."""
        _call('cuStreamDestroy_v2', self._stream)
        _call('cuDevicePrimaryCtxRelease_v2', _first_device())


class Recording:
    """A CUDA graph: many launches for the price of one."""

    def __init__(self, graph: ctypes.c_void_p, stream: ctypes.c_void_p) -> None:
        self._stream = stream
        self._executable = ctypes.c_void_p()
        flags = ctypes.c_uint64(0)
        try:
            _call('cuGraphInstantiateWithFlags', ctypes.byref(self._executable), graph, flags)
        finally:
            _call('cuGraphDestroy', graph)

    def launch(self) -> None:
        """Queue all of it."""
        _call('cuGraphLaunch', self._executable, self._stream)

    def close(self) -> None:
        """Free the graph."""
        _call('cuGraphExecDestroy', self._executable)


def has_device_file() -> bool:
    """Return whether there may be an NVIDIA GPU; only then anything of CUDA is worth loading."""
    return any(Path(file).exists() for file in DEVICE_FILES)


def find_device() -> Device:
    """
    Return the first GPU.

    :raises BackendError: without a GPU or a driver.
    """
    if not has_device_file():
        raise BackendError(
            f'found no NVIDIA GPU; expected one of {", ".join(DEVICE_FILES)}: install its driver, '
            'or use another backend'
        )
    device = _first_device()
    name = ctypes.create_string_buffer(128)
    _call('cuDeviceGetName', name, len(name), device)
    total = ctypes.c_size_t()
    _call('cuDeviceTotalMem_v2', ctypes.byref(total), device)
    major, minor = (_attribute(key, device) for key in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR))
    return Device(name.value.decode(errors='replace'), f'{major}.{minor}', total.value >> 20)


def free_memory_mb() -> int:
    """Return how much of the GPU's memory nobody uses; expects a stream that was entered."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _call('cuMemGetInfo_v2', ctypes.byref(free), ctypes.byref(total))
    return free.value >> 20


def _first_device() -> ctypes.c_int:
    device = ctypes.c_int()
    _call('cuInit', 0)
    _call('cuDeviceGet', ctypes.byref(device), 0)
    return device


def _attribute(key: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    _call('cuDeviceGetAttribute', ctypes.byref(value), key, device)
    return value.value


@cache
def _driver() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(DRIVER)
    except OSError as error:
        raise BackendError(
            f'there is an NVIDIA GPU, but not its driver ({error}); install it, or give the '
            'container the GPU (docker run --gpus all)'
        ) from error


def _call(name: str, *arguments: Any) -> None:
    driver = _driver()
    try:
        status = getattr(driver, name)(*arguments)
    except AttributeError as error:
        raise BackendError(
            f'the NVIDIA driver has no {name}; expected one for CUDA 11.4 or newer: update it'
        ) from error
    if status == _OUT_OF_MEMORY:
        raise BackendError(
            'the memory of the GPU is exhausted; close what else uses it (nvidia-smi), or set a '
            'smaller input_height and input_width'
        )
    if status == _NO_DEVICE:
        raise BackendError(
            'the NVIDIA driver knows no GPU; expected one: see nvidia-smi, and whether '
            'CUDA_VISIBLE_DEVICES hides it'
        )
    if status:
        text = ctypes.c_char_p()
        driver.cuGetErrorString(status, ctypes.byref(text))
        reason = (text.value or b'unknown').decode(errors='replace')
        raise BackendError(
            f'{name} of the NVIDIA driver: error {status}, {reason}; see nvidia-smi and the log '
            'of the kernel (dmesg), and start again'
        )
