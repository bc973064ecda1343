"""What ``sfnet segment`` leaves behind: picture files, a video, a bag with the labels added."""

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
import shutil
from typing import Protocol

import cv2
import numpy as np

from .bag_copy import BagCopy, copied_bag
from ..errors import DataError
from ..evaluation.frames import BagFrames, FILES_HZ, Frames, IMAGE, SourceFrame
from ..evaluation.timing import rate_hz
from ..evaluation.truth import stamp_of

# By kind, H x W uint8 ids or H x W x 3 uint8 RGB; soft are h x w x C float32 logits. Nothing of a
# frame that is broken.
Pictures = Mapping[str, np.ndarray]
# The rate of a video is that of the first frames.
_RATE_FRAMES = 50


class Output(Protocol):
    """Takes the pictures of each frame of a source, in their order; ``kinds`` it makes use of."""

    kinds: Set[str]

    def add(self, frame: SourceFrame, pictures: Pictures) -> None:
        """Take the pictures of the next frame."""
        ...


class PictureFiles:
    """Writes ``<folder>/<kind>/<number of the frame>.png``, of some kinds."""

    def __init__(self, folder: Path, kinds: Set[str]) -> None:
        self.kinds = kinds
        self._folder = folder
        self._number = 0

    def add(self, frame: SourceFrame, pictures: Pictures) -> None:
        """Write one file for each picture."""
        for kind, picture in pictures.items():
            # Flows are several: flow_ and the name of their module.
            if kind.partition('_')[0] not in self.kinds:
                continue
            path = self._folder / kind / f'{self._number:06d}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            if not cv2.imwrite(str(path), _bgr(picture)):
                raise DataError(f'{path} cannot be written; expected a writable folder')
        self._number += 1


class SoftFiles:
    """Writes ``<folder>/soft/<name>.npz``, as ``training.soft_labels`` reads them."""

    kinds: Set[str] = frozenset(('soft',))

    def __init__(self, folder: Path) -> None:
        self._folder = folder / 'soft'
        self._number = 0

    def add(self, frame: SourceFrame, pictures: Pictures) -> None:
        """Write the logits under the name of the image, or the number of the frame."""
        if 'soft' in pictures:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f'{frame.name or f"{self._number:06d}"}.npz'
            np.savez_compressed(path, logits=pictures['soft'].astype(np.float16))
        self._number += 1


class Video:
    """
    Writes the pictures of one kind as an mp4 video of a constant rate.

    All are brought to the size of the first one. Broken frames are left out.
    """

    def __init__(self, path: Path, kind: str, rate: float) -> None:
        self.kinds: Set[str] = {kind}
        self._path, self._kind, self._rate = path, kind, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def add(self, frame: SourceFrame, pictures: Pictures) -> None:
        """Append a picture."""
        if self._kind not in pictures:
            return
        picture = _bgr(pictures[self._kind])
        if self._writer is None:
            self._size = picture.shape[1], picture.shape[0]
            self._writer = self._open()
        if picture.shape[1::-1] != self._size:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(picture)

    def close(self) -> None:
        """Write what players need to find the frames."""
        if self._writer is not None:
            self._writer.release()

    def _open(self) -> cv2.VideoWriter:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # The one codec that every build of OpenCV writes into mp4.
        code = cv2.VideoWriter.fourcc(*'mp4v')
        writer = cv2.VideoWriter(str(self._path), code, self._rate, self._size)
        if not writer.isOpened():
            raise DataError(
                f'{self._path} cannot be written as a video; expected a name ending in .mp4 in a '
                'writable folder'
            )
        return writer


class LabelledBag:
    """
    Writes every message of a bag again, and after each image its pictures, under its header.

    They are on ``/segmentation/<kind>``, of some kinds: ids as mono8, all others as rgb8.
    """

    def __init__(self, bag: BagCopy, topic: str, kinds: Set[str]) -> None:
        self.kinds = kinds
        self._bag, self._topic = bag, topic
        self._messages = iter(bag)

    def add(self, frame: SourceFrame, pictures: Pictures) -> None:
        """Copy the messages up to the image of this frame, and write its pictures."""
        for topic, msgtype, time_ns, raw in self._messages:
            self._bag.write(topic, msgtype, time_ns, raw)
            if topic == self._topic:
                break
        for kind, picture in pictures.items():
            if kind in self.kinds:
                data = self._image(frame, picture)
                self._bag.write(_topic(kind), IMAGE, frame.time_ns, data)

    def close(self) -> None:
        """Copy the messages after the last image."""
        for message in self._messages:
            self._bag.write(*message)

    def _image(self, frame: SourceFrame, picture: np.ndarray) -> memoryview:
        types = self._bag.types.types
        stamp = types['builtin_interfaces/msg/Time'](*divmod(frame.stamp_ns or 0, 10**9))
        header = types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame.frame_id)
        height, width = picture.shape[:2]
        encoding = 'mono8' if picture.ndim == 2 else 'rgb8'
        data = np.ascontiguousarray(picture).reshape(-1)
        message = types[IMAGE](header, height, width, encoding, 0, data.size // height, data)
        return self._bag.types.serialize_cdr(message, IMAGE)


@contextmanager
def opened_video(path: Path, kind: str, frames: Frames) -> Iterator[Video]:
    """Open a video at the rate of the source, by the stamps of its first frames."""
    stamps_s = [stamp_of(frame) / 1e9 for frame in islice(frames, _RATE_FRAMES)]
    video = Video(path, kind, rate_hz(stamps_s) or FILES_HZ)
    try:
        yield video
    finally:
        video.close()


@contextmanager
def opened_bag(output: Path, frames: Frames, kinds: Set[str]) -> Iterator[LabelledBag]:
    """
    Open a bag with everything that the source has; nothing is left behind when it fails.

    :raises DataError: when the source is no bag, or has such topics already.
    """
    if not isinstance(frames, BagFrames):
        raise DataError('--bag adds topics to a bag; the source is none: leave it out')
    if output.exists():
        raise DataError(f'{output} exists; nothing is overwritten: give a new name, or remove it')
    try:
        with copied_bag(frames.path, output) as bag:
            taken = sorted({_topic(kind) for kind in kinds} & bag.topics.keys())
            if taken:
                raise DataError(
                    f'{frames.path} has {", ".join(taken)} already; expected a bag without, such '
                    'as the one that was recorded'
                )
            labelled = LabelledBag(bag, frames.topic, kinds)
            yield labelled
            labelled.close()
    except BaseException:
        shutil.rmtree(output, ignore_errors=True)
        raise


def _topic(kind: str) -> str:
    return f'/segmentation/{kind}'


def _bgr(picture: np.ndarray) -> np.ndarray:
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
