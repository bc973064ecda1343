"""A rosbag2 written again, with messages changed or added, without ROS."""

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
from pathlib import Path
from typing import Any

from ..errors import DataError, SfnetError


class BagCopy:
    """
    A bag that is read, and one that is written in its storage, which begins with all its topics.

    ``types`` are those of rosbags, with which messages are made.
    """

    def __init__(self, source: Path, reader: Any, writer: Any, types: Any) -> None:
        self.types = types
        self._source = source
        self._reader, self._writer = reader, writer
        self._written = _declare_topics(writer, reader, types)

    @property
    def topics(self) -> dict[str, str]:
        """Topics of the source and what their messages are."""
        return {item.topic: item.msgtype for item in self._reader.connections}

    def __len__(self) -> int:
        return self._reader.message_count

    def __iter__(self) -> Iterator[tuple[str, str, int, bytes]]:
        """Yield topic, type, time of recording in ns, and bytes of every message."""
        with _telling_damage(self._source):
            for connection, time_ns, raw in self._reader.messages():
                yield connection.topic, connection.msgtype, time_ns, raw

    def message(self, data: bytes, msgtype: str) -> Any:
        """Return the message that such bytes are."""
        with _telling_damage(self._source):
            return self.types.deserialize_cdr(data, msgtype)

    def write(self, topic: str, msgtype: str, time_ns: int, data: bytes | memoryview) -> None:
        """Write a message; a topic that the source has not is added."""
        key = topic, msgtype
        with _telling_damage(self._source):
            if key not in self._written:
                self._written[key] = self._writer.add_connection(*key, typestore=self.types)
            self._writer.write(self._written[key], time_ns, data)


@contextmanager
def copied_bag(source: Path, output: Path) -> Iterator[BagCopy]:
    """
    Open a bag to write it again.

    :param output: its folder, which must not exist.
    :raises DataError: when the bag is damaged, also while it is read.
    """
    with ExitStack() as files:
        with _telling_damage(source):
            bag = _open(source, output, files)
        yield bag
        with _telling_damage(source):
            files.close()


@contextmanager
def _telling_damage(source: Path) -> Iterator[None]:
    """Turn what rosbags raises into DataError; what its users do is none of this."""
    try:
        yield
    except SfnetError:
        raise
    except Exception as error:  # what a parser raises over damaged data is anyone's guess
        raise DataError(
            f'{source} cannot be copied ({type(error).__name__}: {error}); expected a whole '
            'rosbag2 and room to write'
        ) from error


def _open(source: Path, output: Path, files: ExitStack) -> BagCopy:
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import get_typestore, Stores
    except ImportError as error:
        raise DataError('bags need rosbags: pip install rosbags') from error
    types = get_typestore(Stores.ROS2_HUMBLE)
    reader = files.enter_context(AnyReader([source], default_typestore=types))
    if not reader.is2:
        raise DataError(
            f'{source} is a bag of ROS 1; expected a rosbag2: make one of it with '
            '`rosbags-convert`'
        )
    writer = files.enter_context(_writer(output, source, reader))
    return BagCopy(source, reader, writer, types)


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


def _declare_topics(writer: Any, reader: Any, types: Any) -> dict[tuple[str, str], Any]:
    """Declare every topic of the source; returns the connections by topic and type."""
    from rosbags.typesys import get_types_from_msg

    written: dict[tuple[str, str], Any] = {}
    for item in reader.connections:
        key = item.topic, item.msgtype
        if key in written:
            continue
        definition, digest = item.msgdef.data, item.digest
        if not definition:
            if item.msgtype not in types.fielddefs:
                # Bags of Humble hold no definitions. The writer asks for one; players and
                # subscribers go by the name of the type.
                types.register(get_types_from_msg('', item.msgtype))
            definition, _ = types.generate_msgdef(item.msgtype, ros_version=2)
            digest = types.hash_rihs01(item.msgtype)
        written[key] = writer.add_connection(
            *key,
            msgdef=definition,
            rihs01=digest or reader.typestore.hash_rihs01(item.msgtype),
            serialization_format=item.ext.serialization_format,
            offered_qos_profiles=item.ext.offered_qos_profiles,
        )
    return written
