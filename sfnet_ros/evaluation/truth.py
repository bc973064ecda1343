"""Ground truth for recorded frames: a label topic of the bag, or a folder of label files."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
import re

import numpy as np

from .frames import open_frames, PICTURE_SUFFIXES, SourceFrame
from .labels import ColorTable, decode_labels, frame_labels
from ..errors import DataError

# How much earlier or later than its image a label may have been recorded.
_WINDOW_NS = 5 * 10**9
# Labels waiting for their image; a full-HD one takes 2 MB.
_MOST_WAITING = 200
# Fewer digits count frames, more are nanoseconds: a stamp of 10^15 ns is from January 1970.
_STAMP_DIGITS = 15


def stamp_of(frame: SourceFrame) -> int:
    """Return the stamp in nanoseconds; the time of recording where the header has none."""
    return frame.stamp_ns or frame.time_ns


class TopicLabels:
    """
    Labels of a bag's topic with the stamps of their images.

    Both topics are read side by side, so that memory holds a few seconds of labels at most.
    """

    def __init__(self, bag: Path, topic: str, colors: ColorTable) -> None:
        self.name = topic
        self._frames = open_frames(bag, topic)
        self._colors = colors
        self.restart()

    def restart(self) -> None:
        """Begin again at the first label."""
        self._labels: Iterator[SourceFrame] = iter(self._frames)
        self._waiting: OrderedDict[int, SourceFrame] = OrderedDict()
        self._last_ns = -1

    def find(self, frame: SourceFrame, number: int) -> np.ndarray | None:
        """Return the labels of a frame, H x W uint8 ids, or None; raises DataError."""
        stamp = stamp_of(frame)
        while stamp not in self._waiting and self._last_ns <= frame.time_ns + _WINDOW_NS:
            label = next(self._labels, None)
            if label is None:
                break
            self._last_ns = label.time_ns
            # The first of two labels with one stamp counts.
            self._waiting.setdefault(stamp_of(label), label)
            if len(self._waiting) > _MOST_WAITING:
                self._waiting.popitem(last=False)
        found = self._waiting.pop(stamp, None)
        return None if found is None else frame_labels(found, self._colors)


class FolderLabels:
    """
    Label files named as their images, or by stamp, or by the number of the frame.

    A stamp is seconds and nanoseconds (``1700000000.100000000``, also with ``_`` or ``-``), or
    nanoseconds alone; fewer than 15 digits are a number, from 0.
    """

    def __init__(self, folder: Path, colors: ColorTable) -> None:
        self.name = str(folder)
        self._colors = colors
        if not folder.is_dir():
            raise DataError(f'{folder} is no folder; expected one of label files')
        files = [
            path for path in sorted(folder.iterdir()) if path.suffix.lower() in PICTURE_SUFFIXES
        ]
        if not files:
            raise DataError(f'{folder} holds no label files; expected PNG files')
        self._files: dict[str | tuple[str, int], Path] = {path.stem: path for path in files}
        self._files.update((key, path) for path in files if (key := _key(path.stem)))

    def restart(self) -> None:
        """Begin again; files can be asked for in any order."""

    def find(self, frame: SourceFrame, number: int) -> np.ndarray | None:
        """Return the labels of the frame with that number, or None; raises DataError."""
        by_time = (('stamp', stamp_of(frame)), ('number', number))
        for key in (frame.name,) if frame.name else by_time:
            path = self._files.get(key)
            if path:
                return decode_labels(np.fromfile(path, np.uint8), self._colors, str(path))
        return None


Labels = TopicLabels | FolderLabels
_SECONDS = re.compile(r'(\d{1,10})[._-](\d{9})')


def _key(stem: str) -> tuple[str, int] | None:
    parts = _SECONDS.fullmatch(stem)
    if parts:
        return 'stamp', int(parts[1]) * 10**9 + int(parts[2])
    if not stem.isdecimal():
        return None
    return ('stamp' if len(stem) >= _STAMP_DIGITS else 'number'), int(stem)
