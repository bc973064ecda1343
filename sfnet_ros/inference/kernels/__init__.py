"""
The loops that NumPy is slow at, compiled by numba; importing this needs numba.

What was compiled is kept in the cache: only the first start pays for it. Kernels work on a range
of rows and let go of Python's lock, so ``in_stripes`` runs them on all cores. Numba's own threads
would be in the way of OpenVINO's, and end the process when two threads enter them at once.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
import os
import pickle
from typing import Any

import numba
import numpy as np

from ..cache import cache_folder
from ...errors import BackendError

Kernel = Callable[..., None]
# What reading or writing numba's cache raises when the disk is full or a file is damaged.
_CACHE_ERRORS = (OSError, RuntimeError, EOFError, ValueError, pickle.PickleError)


def compiled(*signatures: Any) -> Callable[[Kernel], Kernel]:
    """
    Compile a function at once for these signatures, or take it from the cache.

    :raises ImportError: when this numba cannot compile it; importers go on without then.
    """

    def compile_function(function: Kernel) -> Kernel:
        options: dict[str, Any] = {'nogil': True, 'error_model': 'numpy'}
        try:
            with _numba_caches_in_our_folder() as writable:
                try:
                    return numba.njit(list(signatures), cache=writable, **options)(function)
                except _CACHE_ERRORS:
                    return numba.njit(list(signatures), **options)(function)
        except numba.core.errors.NumbaError as error:
            raise ImportError(f'numba {numba.__version__} cannot compile this: {error}') from error

    return compile_function


def in_stripes(kernel: Kernel, rows: int, *arguments: Any) -> None:
    """Call ``kernel(*arguments, start, stop)`` for stripes of the rows, on all cores at once."""
    bounds = np.linspace(0, rows, min(_cores(), rows) + 1).astype(int)
    jobs = [
        _threads().submit(kernel, *arguments, int(start), int(stop))
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    for job in jobs:
        job.result()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_cores(), thread_name_prefix='kernels')


def _cores() -> int:
    return len(os.sched_getaffinity(0))


@contextmanager
def _numba_caches_in_our_folder() -> Iterator[bool]:
    """Point numba to our cache, unless the user chose a place; yields whether there is one."""
    config: Any = numba.config
    chosen = config.CACHE_DIR
    try:
        config.CACHE_DIR = chosen or str(cache_folder() / 'kernels')
    except BackendError:
        yield False
        return
    try:
        yield True
    finally:
        config.CACHE_DIR = chosen
