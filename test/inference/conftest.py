"""The library that builds engines without a GPU."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest


@pytest.fixture(scope='session')
def tensorrt() -> Any:
    """Return TensorRT-RTX, whose parser and builder need no GPU."""
    for name in ('tensorrt_rtx', 'tensorrt_rtx_bindings'):
        if find_spec(name):
            return import_module(name)
    return pytest.skip('TensorRT-RTX is not installed: see requirements/test.txt')
