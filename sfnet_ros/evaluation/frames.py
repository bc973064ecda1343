"""Frames of a bag, a video, or image files, in their order, with the stamps they were taken at."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import DataError
from ..inference import pixels

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
BAG_SUFFIXES = ('.mcap', '.db3', '.bag')
PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
# Image files carry no time, and some videos do not say.
FILES_HZ = 10.0
VIDEO_HZ = 30.0


@dataclass(frozen=True)
class SourceFrame:
    """
    One picture as it was recorded: raw pixels, or a picture file where ``format`` is set.

    ``time_ns`` is when it was recorded, for playing in real time; ``stamp_ns`` is the header's,
    and None where the source has none. ``data`` are all bytes, a 1-D uint8 array. ``name`` is
    what the file of a picture is called, without its ending.
    """

    time_ns: int
    stamp_ns: int | None
    frame_id: str
    data: np.ndarray
    format: str = ''
    encoding: str = ''
    height: int = 0
    width: int = 0
    step: int = 0
    is_bigendian: bool = False
    name: str = ''

    def rgb(self) -> np.ndarray:
        """Return the pixels as H x W x 3 uint8 RGB; raises ImageError."""
        if self.format:
            return pixels.decode(self.data, self.format)
        return pixels.to_rgb(
            self.data, self.height, self.width, self.encoding, self.step, self.is_bigendian
        )


class Frames(ABC):
    """Frames that can be read again and again; ``len`` is what the source says of itself."""

    compressed: bool
    topic: str = ''

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[SourceFrame]: ...


def open_frames(source: str | Path, topic: str = '') -> Frames:
    """
    Open a rosbag2 (or a ROS 1 bag), a video, a folder of image files, or one image file.

    :param topic: of a bag: the image topic; '' for the one with most messages.
    :raises DataError: when it is missing, empty, damaged or of no known kind, also while reading.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f'{path} does not exist; expected a bag, a video or image files')
    if path.is_dir() and not (path / 'metadata.yaml').is_file():
        bags = [file for suffix in BAG_SUFFIXES for file in sorted(path.glob(f'*{suffix}'))]
        return BagFrames(bags[0], topic) if bags else FileFrames(path)
    if path.is_dir() or path.suffix in BAG_SUFFIXES:
        # The file of a whole bag: metadata.yaml beside it knows of further files.
        whole = path.suffix in BAG_SUFFIXES and (path.parent / 'metadata.yaml').is_file()
        return BagFrames(path.parent if whole else path, topic)
    return FileFrames(path) if path.suffix.lower() in PICTURE_SUFFIXES else VideoFrames(path)


class BagFrames(Frames):
    """The messages of one image topic of a bag."""

    def __init__(self, path: Path, topic: str = '') -> None:
        self.path = path
        try:
            with self._open() as reader:
                self.topic = topic or _pick_topic(path, reader)
                info = reader.topics.get(self.topic)
                if info is None or info.msgtype not in (IMAGE, COMPRESSED):
                    raise DataError(
                        f'{path} has no images on {topic!r}; expected one of: {_listing(reader)}'
                    )
                self._length = info.msgcount
                self.compressed = info.msgtype == COMPRESSED
        except DataError:
            raise
        except Exception as error:  # what a parser raises over damaged data is anyone's guess
            raise _damaged(path, error) from error
        if not self._length:
            raise DataError(f'{path} has no message on {self.topic}; expected at least one image')

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[SourceFrame]:
        try:
            with self._open() as reader:
                connections = [item for item in reader.connections if item.topic == self.topic]
                for connection, time_ns, raw in reader.messages(connections):
                    yield _from_message(time_ns, reader.deserialize(raw, connection.msgtype))
        except Exception as error:  # as above; what is done with a frame does not raise in here
            raise _damaged(self.path, error) from error

    def _open(self) -> Any:
        try:
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import get_typestore, Stores
        except ImportError as error:
            raise DataError(
                f'{self.path} is a bag, and reading bags needs rosbags: pip install rosbags'
            ) from error
        # Bags of Humble and older hold no definitions; those of images are the same everywhere.
        return AnyReader([self.path], default_typestore=get_typestore(Stores.ROS2_HUMBLE))


class VideoFrames(Frames):
    """The frames of a video file, as OpenCV decodes it: bgr8."""

    compressed = False

    def __init__(self, path: Path) -> None:
        self._path = path
        capture = self._open()
        self._length = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 1)
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
        self._period_ns = 1e9 / (rate_hz if 0 < rate_hz < 1000 else VIDEO_HZ)
        found, _ = capture.read()
        capture.release()
        if not found:
            raise DataError(f'{path} holds no frame that can be decoded; expected a whole video')

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[SourceFrame]:
        capture = self._open()
        number = 0
        try:
            while True:
                found, image = capture.read()
                if not found:
                    return
                height, width = image.shape[:2]
                yield SourceFrame(
                    time_ns=round(number * self._period_ns),
                    stamp_ns=None,
                    frame_id='camera',
                    data=np.ascontiguousarray(image).reshape(-1),
                    encoding='bgr8',
                    height=height,
                    width=width,
                    step=width * 3,
                )
                number += 1
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise DataError(
                f'{self._path} cannot be opened; expected a whole video that OpenCV knows, a bag '
                f'({", ".join(BAG_SUFFIXES)} or its folder), or image files '
                f'({", ".join(PICTURE_SUFFIXES)})'
            )
        return capture


class FileFrames(Frames):
    """Image files of a folder by name, or one image file, as they lie on the disk."""

    compressed = True

    def __init__(self, path: Path) -> None:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        self._files = [file for file in inside if file.suffix.lower() in PICTURE_SUFFIXES]
        if not self._files:
            raise DataError(
                f'{path} holds neither a bag nor images; expected metadata.yaml, files ending in '
                f'{", ".join(BAG_SUFFIXES)}, or images ending in {", ".join(PICTURE_SUFFIXES)}'
            )

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[SourceFrame]:
        for number, file in enumerate(self._files):
            suffix = file.suffix.lower().lstrip('.')
            yield SourceFrame(
                time_ns=round(number * 1e9 / FILES_HZ),
                stamp_ns=None,
                frame_id='camera',
                data=np.fromfile(file, np.uint8),
                format='jpeg' if suffix == 'jpg' else suffix,
                name=file.stem,
            )


def _from_message(time_ns: int, message: Any) -> SourceFrame:
    stamp, data = message.header.stamp, np.asarray(message.data, np.uint8)
    stamp_ns = stamp.sec * 10**9 + stamp.nanosec
    frame_id = message.header.frame_id
    if hasattr(message, 'format'):
        # An empty format would read as raw; the decoder looks at the data anyway.
        return SourceFrame(time_ns, stamp_ns, frame_id, data, format=message.format or 'unknown')
    return SourceFrame(
        time_ns,
        stamp_ns,
        frame_id,
        data,
        encoding=message.encoding,
        height=message.height,
        width=message.width,
        step=message.step,
        is_bigendian=bool(message.is_bigendian),
    )


def _pick_topic(path: Path, reader: Any) -> str:
    """Return the image topic with most messages; of several the first by name."""
    counts = {
        name: info.msgcount
        for name, info in sorted(reader.topics.items())
        if info.msgtype in (IMAGE, COMPRESSED) and not name.endswith('compressedDepth')
    }
    if not counts:
        raise DataError(f'{path} has no image topic; its topics are: {_listing(reader)}')
    return max(counts, key=lambda name: counts[name])


def _listing(reader: Any) -> str:
    topics = (f'{name} ({info.msgtype})' for name, info in sorted(reader.topics.items()))
    return ', '.join(topics) or 'none'


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f'{path} cannot be read ({type(error).__name__}: {error}); expected a whole rosbag2: '
        'check it with `ros2 bag info`, and make it anew with `ros2 bag reindex` if it was cut off'
    )
