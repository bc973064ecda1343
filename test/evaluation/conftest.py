"""Bags that tests write message by message, and what they are evaluated with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from sfnet_ros.evaluation.models import Models, Setup

START_NS = 1_700_000_000 * 10**9
PERIOD_NS = 10**8
# Topic, stamp, time of recording, pixels (grey is mono8, colour rgb8) or the bytes of a file.
Entry = tuple[str, int, int, Any]
TYPES = get_typestore(Stores.ROS2_HUMBLE)


def _message(stamp_ns: int, pixels: Any) -> tuple[str, Any]:
    stamp = TYPES.types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9))
    header = TYPES.types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')
    if isinstance(pixels, bytes):
        kind = 'sensor_msgs/msg/CompressedImage'
        return kind, TYPES.types[kind](header, 'png', np.frombuffer(pixels, np.uint8))
    kind = 'sensor_msgs/msg/Image'
    height, width = pixels.shape[:2]
    encoding = 'mono8' if pixels.ndim == 2 else 'rgb8'
    data = np.ascontiguousarray(pixels).reshape(-1)
    step = data.size // height
    return kind, TYPES.types[kind](header, height, width, encoding, 0, step, data)


def write_bag(
    path: Path, entries: Sequence[Entry], storage: StoragePlugin = StoragePlugin.SQLITE3
) -> Path:
    """Write a bag of images in the order given; returns its folder."""
    with Writer(path, version=8, storage_plugin=storage) as writer:
        topics: dict[str, Any] = {}
        for topic, stamp_ns, time_ns, pixels in entries:
            kind, message = _message(stamp_ns, pixels)
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            writer.write(topics[topic], time_ns, TYPES.serialize_cdr(message, kind))
    return path


@pytest.fixture
def make_bag(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes entries as a bag of some name; more goes to write_bag."""
    return lambda entries, name='bag', **options: write_bag(tmp_path / name, entries, **options)


@pytest.fixture(scope='session')
def setup(model_folder: Path) -> Setup:
    """Return the small model on PyTorch, where equal images give equal ids."""
    return Setup({'weights': str(model_folder), 'backend': 'torch'}, pictures=2)


@pytest.fixture(scope='session')
def models(setup: Setup) -> Models:
    return Models(setup)


@pytest.fixture
def images() -> list[np.ndarray]:
    """Return six different pictures: 48 x 64 x 3 uint8 RGB."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 6, 8, 3), np.uint8)
    return [image.repeat(8, 0).repeat(8, 1) for image in coarse]
