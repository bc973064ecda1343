"""Rewriting a rosbag2 with other ids in its label topics, without ROS."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .bag_copy import copied_bag
from ..errors import DataError
from ..evaluation.frames import IMAGE

# H x W uint8 ids to such ids.
Relabel = Callable[[np.ndarray], np.ndarray]


def convert_bag(source: Path, output: Path, topics: list[str], relabel: Relabel) -> int:
    """
    Write a bag again in its storage, with the ids of the label topics converted.

    All other messages are copied byte by byte.

    :return: how many label images there were.
    :raises DataError: when a topic holds no mono8 images, or the bag is damaged.
    """
    count = 0
    with copied_bag(source, output) as bag:
        _check_topics(source, bag.topics, topics)
        for topic, msgtype, time_ns, raw in tqdm(bag, unit='message'):
            data: bytes | memoryview = raw
            if topic in topics and msgtype == IMAGE:
                relabelled = _relabelled(bag.message(raw, IMAGE), topic, relabel)
                data = bag.types.serialize_cdr(relabelled, IMAGE)
                count += 1
            bag.write(topic, msgtype, time_ns, data)
    return count


def _check_topics(source: Path, found: Mapping[str, str], topics: list[str]) -> None:
    images = sorted(topic for topic, msgtype in found.items() if msgtype == IMAGE)
    unknown = [topic for topic in topics if topic not in images]
    if unknown or not topics:
        told = f'no images on {", ".join(unknown)}' if unknown else 'topics to choose from'
        raise DataError(
            f'{source} has {told}; expected --topic with the label topics, of: '
            f'{", ".join(images) or "none, as the bag has no raw images"}'
        )


def _relabelled(message: Any, topic: str, relabel: Relabel) -> Any:
    """Return the image message with other ids; header, size and padding stay."""
    if message.encoding not in ('mono8', '8UC1'):
        raise DataError(f'{topic} holds {message.encoding!r} images; expected mono8 labels')
    height, width, step = message.height, message.width, message.step
    if step < width or len(message.data) != height * step:
        raise DataError(
            f'{topic} holds an image of {len(message.data)} bytes with step {step}; expected '
            f'{height} rows of at least {width} bytes: the bag was recorded wrongly'
        )
    rows = np.array(message.data, np.uint8).reshape(height, step)
    rows[:, :width] = relabel(rows[:, :width])
    return replace(message, data=rows.reshape(-1))
