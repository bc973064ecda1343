"""``sfnet doctor``: what this machine has, and what the node would use on it."""

import argparse
from importlib import import_module, metadata
import platform

from .. import __version__, inference
from ..errors import BackendError, SfnetError
from ..inference.backends.engines import installed
from ..inference.cache import cache_folder
from ..inference.cuda import find_device

_PACKAGES = (
    'numpy',
    'cv2',
    'torch',
    'openvino',
    'numba',
    'onnx',
    'safetensors',
    'rosbags',
    'rclpy',
    'cv_bridge',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``sfnet doctor`` has no arguments."""


def run(options: argparse.Namespace) -> int:
    """Print one line a fact; the exit code is 1 when no model can be loaded."""
    print(f'sfnet_ros {__version__} on Python {platform.python_version()}, {platform.platform()}')
    for name in _PACKAGES:
        print(f'{name:12} {_version(name)}')
    print(f'tensorrt     {_tensorrt()}')
    print(f'gpu          {_gpu()}')
    print(f'cache        {_cache()}')
    try:
        # What the node serves with at first; its engine it builds meanwhile.
        backend = inference.load(build=False)
    except SfnetError as error:
        print(f'model        {error}')
        return 1
    print(f'model        {backend.facts.name} at {backend.input_size[0]}x{backend.input_size[1]}')
    print(
        f'backend      {backend.name} on {backend.device}, {backend.precision}: {backend.reason}'
    )
    return 0


def _tensorrt() -> str:
    """Name the version of TensorRT without importing it, which a GPU must be there for."""
    for name in installed():
        for distribution in metadata.packages_distributions().get(name, []):
            return f'{name} {metadata.version(distribution)}'
        return f'{name}, of unknown version'
    return 'not installed'


def _gpu() -> str:
    try:
        device = find_device()
    except BackendError as error:
        return str(error)
    return f'{device.name}, compute capability {device.capability}, {device.memory_mb} MiB'


def _cache() -> str:
    try:
        return str(cache_folder())
    except BackendError as error:
        return str(error)


def _version(name: str) -> str:
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return 'not installed'
        return f'not usable: {error}'
    except Exception as error:  # whatever a broken installation raises is what is to be shown
        return f'not usable: {type(error).__name__}: {error}'
    try:
        return getattr(module, '__version__', None) or metadata.version(name)
    except metadata.PackageNotFoundError:
        return 'present'
