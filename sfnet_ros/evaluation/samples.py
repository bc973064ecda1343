"""What is evaluated, frame by frame: recordings and data sets as one stream of samples."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Protocol

import cv2
import numpy as np

from .datasets import detect_layout, list_pairs, read_image, read_labels
from .frames import BagFrames, Frames, open_frames, VideoFrames
from .labels import ColorTable, read_color_table, taxonomy_colors
from .layouts import LabelledFile, LAYOUTS
from .stamps import StampLog
from .truth import FolderLabels, Labels, stamp_of, TopicLabels
from ..errors import DataError, SfnetError

# Reading a file that is damaged: ours, the system's and OpenCV's errors.
UNREADABLE = (SfnetError, OSError, cv2.error)


@dataclass(frozen=True)
class SourceSpec:
    """
    What to evaluate, as the user names it; empty strings leave it to what is found.

    ``layout`` and ``split`` are of a data set; ``topic`` and ``label_topic`` of a bag; ``labels``
    is a folder of label files; ``labels_taxonomy`` says what their ids or colours are, and
    ``label_palette`` is a CSV file with other colours; ``limit`` frames at most, 0 for all.
    ``own_taxonomy`` is that of labels which are of no known data set.
    """

    path: str
    layout: str = ''
    split: str = ''
    topic: str = ''
    label_topic: str = ''
    labels: str = ''
    labels_taxonomy: str = ''
    label_palette: str = ''
    limit: int = 0
    own_taxonomy: str = 'cityscapes'


@dataclass(frozen=True)
class Sample:
    """
    One frame; of what could not be read ``image_problem`` and ``label_problem`` say why.

    ``image`` is H x W x 3 uint8 RGB, ``truth`` H x W uint8 ids of ``taxonomy``. ``order`` is what
    ``StampLog`` says of the stamp, or ``single`` where frames do not follow each other.
    """

    name: str
    stamp_ns: int | None
    time_ns: int | None
    image: np.ndarray | None
    truth: np.ndarray | None
    taxonomy: str
    read_s: float
    order: str
    image_problem: str = ''
    label_problem: str = ''


class Source(Protocol):
    """A stream of samples; ``taxonomies`` are those of its labels, none when it has no labels."""

    kind: str
    topic: str
    labels: str
    taxonomies: tuple[str, ...]

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Sample]: ...


def open_source(spec: SourceSpec) -> Source:
    """Open a bag, video, folder of images or data set; raises DataError when there is none."""
    path = Path(spec.path).expanduser()
    recorded = spec.topic or spec.label_topic or spec.labels
    layout, split = spec.layout, spec.split
    if not layout and path.is_dir() and not recorded:
        layout, split = detect_layout(path, split) or ('', split)
    if split and not layout:
        raise DataError(
            f'{path} is no data set with labels for the split {split!r}; name the layout '
            f'(--layout): {", ".join(LAYOUTS)}'
        )
    if layout:
        return DatasetSource(path, layout, split, spec)
    return RecordedSource(path, spec)


class RecordedSource:
    """Frames of a bag, a video or a folder, with labels where the user said where they are."""

    def __init__(self, path: Path, spec: SourceSpec) -> None:
        self._frames: Frames = open_frames(path, spec.topic)
        self._limit = spec.limit
        self.kind = {BagFrames: 'bag', VideoFrames: 'video'}.get(type(self._frames), 'images')
        self.topic = self._frames.topic
        self._taxonomy = spec.labels_taxonomy or spec.own_taxonomy
        self._truth = self._open_labels(path, spec)
        self.labels = self._truth.name if self._truth else ''
        self.taxonomies: tuple[str, ...] = (self._taxonomy,) if self._truth else ()

    def _open_labels(self, path: Path, spec: SourceSpec) -> Labels | None:
        colors = _colors(spec, self._taxonomy)
        if spec.labels:
            return FolderLabels(Path(spec.labels).expanduser(), colors)
        if not spec.label_topic:
            return None
        if self.kind != 'bag':
            raise DataError(f'{path} is no bag and has no topic {spec.label_topic}; give --labels')
        if spec.label_topic == self.topic:
            raise DataError(
                f'{path}: {self.topic} would be images and labels at once; name the topic of the '
                'images as well (--topic)'
            )
        return TopicLabels(path, spec.label_topic, colors)

    def __len__(self) -> int:
        return min(len(self._frames), self._limit or len(self._frames))

    def __iter__(self) -> Iterator[Sample]:
        if self._truth:
            self._truth.restart()
        log, frames, number = StampLog(), iter(self._frames), 0
        while not self._limit or number < self._limit:
            start = perf_counter()
            frame = next(frames, None)
            if frame is None:
                return
            image, image_problem = _attempt(frame.rgb)
            read_s = perf_counter() - start
            stamp = None if frame.stamp_ns is None else stamp_of(frame)
            truth, label_problem = None, ''
            if self._truth:
                truth, label_problem = _attempt(partial(self._truth.find, frame, number))
            yield Sample(
                frame.name or (f'{number:06d}' if stamp is None else str(stamp)),
                stamp,
                frame.time_ns if self.kind != 'images' else None,
                image,
                truth,
                self._taxonomy,
                read_s,
                log.add(stamp) if stamp is not None else '',
                image_problem,
                label_problem,
            )
            number += 1


class DatasetSource:
    """The labelled images of a data set."""

    kind = 'dataset'
    topic = ''

    def __init__(self, root: Path, layout: str, split: str, spec: SourceSpec) -> None:
        pairs = list_pairs(layout, root, split)
        self._root = root
        self._named = spec.labels_taxonomy or (spec.own_taxonomy if layout == 'folder' else '')
        self._pairs = pairs[: spec.limit or len(pairs)]
        self.labels = f'{layout} {split}'.strip()
        self.taxonomies = tuple(sorted({self._taxonomy(pair) for pair in self._pairs}))
        self._colors = {name: _colors(spec, name) for name in self.taxonomies}

    def _taxonomy(self, pair: LabelledFile) -> str:
        return self._named or pair.taxonomy

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Sample]:
        for pair in self._pairs:
            start = perf_counter()
            image, image_problem = _attempt(partial(read_image, pair.image))
            read_s, taxonomy = perf_counter() - start, self._taxonomy(pair)
            truth, label_problem = _attempt(
                partial(read_labels, pair.labels, self._colors[taxonomy])
            )
            yield Sample(
                pair.image.relative_to(self._root).as_posix(),
                None,
                None,
                image,
                truth,
                taxonomy,
                read_s,
                'single',
                image_problem,
                label_problem,
            )


def _attempt(
    read: Callable[[], np.ndarray | None],
) -> tuple[np.ndarray | None, str]:
    """Return what is read and '', or None and why it cannot be read."""
    try:
        return read(), ''
    except UNREADABLE as error:
        return None, str(error)


def _colors(spec: SourceSpec, taxonomy: str) -> ColorTable:
    if spec.label_palette:
        return read_color_table(Path(spec.label_palette).expanduser(), taxonomy)
    return taxonomy_colors(taxonomy)
