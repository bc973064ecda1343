"""Rewriting a rosbag2 with other ids in its label topics, without ROS."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..errors import DataError, SfnetError
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
    try:
        return _rewrite(source, output, topics, relabel)
    except ImportError as error:
        raise DataError('bags need rosbags: pip install rosbags') from error
    except SfnetError:
        raise
    except Exception as error:  # what a parser raises over damaged data is anyone's guess
        raise DataError(
            f'{source} cannot be converted ({type(error).__name__}: {error}); expected a whole '
            'rosbag2 and room to write'
        ) from error


def _rewrite(source: Path, output: Path, topics: list[str], relabel: Relabel) -> int:
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS2_HUMBLE)
    count = 0
    with AnyReader([source], default_typestore=store) as reader:
        _check_topics(source, reader, topics)
        with _writer(output, source, reader) as writer:
            written = _add_connections(writer, reader, store)
            messages = tqdm(reader.messages(), total=reader.message_count, unit='message')
            for connection, time_ns, raw in messages:
                data: bytes | memoryview = raw
                if connection.topic in topics and connection.msgtype == IMAGE:
                    message = store.deserialize_cdr(raw, IMAGE)
                    relabelled = _relabelled(message, connection.topic, relabel)
                    data = store.serialize_cdr(relabelled, IMAGE)
                    count += 1
                writer.write(written[connection.topic, connection.msgtype], time_ns, data)
    return count


def _check_topics(source: Path, reader: Any, topics: list[str]) -> None:
    images = sorted({item.topic for item in reader.connections if item.msgtype == IMAGE})
    unknown = [topic for topic in topics if topic not in images]
    if unknown or not topics:
        found = f'no images on {", ".join(unknown)}' if unknown else 'topics to choose from'
        raise DataError(
            f'{source} has {found}; expected --topic with the label topics, of: '
            f'{", ".join(images) or "none, as the bag has no raw images"}'
        )


def _writer(output: Path, source: Path, reader: Any) -> Any:
    """Return a writer with the storage and the compression of the source."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    files = [source] if source.is_file() else source.iterdir()
    is_mcap = any('.mcap' in path.suffixes for path in files)
    plugin = StoragePlugin.MCAP if is_mcap else StoragePlugin.SQLITE3
    # Version 8 is read by every distribution.
    writer = Writer(output, version=8, storage_plugin=plugin)
    mode = reader.readers[0].compression_mode
    if mode:
        writer.set_compression(CompressionMode[mode.upper()], CompressionFormat.ZSTD)
    elif is_mcap:
        # Nothing says whether its chunks were compressed; labels become a hundredth.
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    return writer


def _add_connections(writer: Any, reader: Any, store: Any) -> dict[tuple[str, str], Any]:
    """Declare every topic of the source; returns the connections by topic and type."""
    from rosbags.typesys import get_types_from_msg

    written: dict[tuple[str, str], Any] = {}
    for item in reader.connections:
        key = item.topic, item.msgtype
        if key in written:
            continue
        definition, digest = item.msgdef.data, item.digest
        if not definition:
            if item.msgtype not in store.fielddefs:
                # Bags of Humble hold no definitions. The writer asks for one; players and
                # subscribers go by the name of the type.
                store.register(get_types_from_msg('', item.msgtype))
            definition, _ = store.generate_msgdef(item.msgtype, ros_version=2)
            digest = store.hash_rihs01(item.msgtype)
        written[key] = writer.add_connection(
            *key,
            msgdef=definition,
            rihs01=digest or reader.typestore.hash_rihs01(item.msgtype),
            serialization_format=item.ext.serialization_format,
            offered_qos_profiles=item.ext.offered_qos_profiles,
        )
    return written


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
