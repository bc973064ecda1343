"""The figures of one source while its frames come."""

from time import perf_counter
from typing import Any

import numpy as np

from .flicker import Flicker
from .metrics import ConfusionMatrix
from .models import Models
from .pictures import Gallery
from .samples import Sample, Source
from .sums import Sums
from .timing import timings
from .. import taxonomies

# Containers of videos are not exact about how many frames they hold.
_VIDEO_SHARE = 0.95
# Of so many frames that follow each other one picture is enough.
_APART = 10
_ORDER_COUNTS = {
    'duplicate': 'duplicate_stamps',
    'backward': 'backward_stamps',
    'gap': 'gaps',
}


class Run:
    """The figures of one source while its frames come."""

    def __init__(self, source: Source, models: Models, taxonomy: str, pictures: int) -> None:
        self._source, self._models = source, models
        self._predicted = taxonomies.conversion(models.taxonomy, taxonomy)
        self._true = {name: taxonomies.conversion(name, taxonomy) for name in source.taxonomies}
        self._sums = Sums(taxonomy, models.taxonomy)
        apart = 1 if source.kind == 'dataset' else _APART
        self._gallery = Gallery(pictures, taxonomies.get(taxonomy), apart)
        self._flicker = Flicker()
        self._frames: list[dict[str, Any]] = []
        self._read_ms: list[float] = []
        self._infer_ms: list[float] = []
        self._arrivals_ns: list[int] = []
        self._label_ids = {name: np.zeros(256, np.int64) for name in source.taxonomies}
        self._warm_size: tuple[int, ...] = ()

    def add(self, sample: Sample) -> None:
        """Infer a frame and count it."""
        counts = self._sums.counts
        counts['frames'] += 1
        if sample.order in _ORDER_COUNTS:
            counts[_ORDER_COUNTS[sample.order]] += 1
        record: dict[str, Any] = {'name': sample.name, 'inferred': False, 'problems': []}
        if sample.stamp_ns is not None:
            record['stamp_ns'] = sample.stamp_ns
        self._frames.append(record)
        if sample.order:
            self._flicker.restart()
            if sample.order in _ORDER_COUNTS:
                record['problems'].append(f'stamp: {sample.order}')
        if sample.image_problem:
            counts['broken_images'] += 1
            record['problems'].append(f'image: {sample.image_problem}')
        if sample.label_problem:
            counts['broken_labels'] += 1
            record['problems'].append(f'label: {sample.label_problem}')
        if sample.image is None:
            self._flicker.restart()
        elif sample.order != 'duplicate':
            self._infer(sample, sample.image, record)

    def _infer(self, sample: Sample, image: np.ndarray, record: dict[str, Any]) -> None:
        infer, counts = self._models.infer, self._sums.counts
        if image.shape != self._warm_size:
            # The first image of a size takes longer, which says nothing about the next ones.
            infer(image[None])
            self._warm_size = image.shape
        start = perf_counter()
        ids = infer(image[None])[0]
        self._infer_ms.append((perf_counter() - start) * 1e3)
        self._read_ms.append(sample.read_s * 1e3)
        if sample.time_ns is not None:
            self._arrivals_ns.append(sample.time_ns)
        counts['inferred'] += 1
        record['inferred'] = True
        truth = self._truth(sample, image, record)
        changed = None if sample.order == 'single' else self._flicker.add(image, ids)
        if changed:
            self._sums.flicker += changed
            record['flicker'] = changed[0] / changed[1]
        self._compare(image, ids, record)
        predicted = self._predicted[ids]
        if truth is not None:
            self._count(truth, predicted, record)
            if self._models.calibration:
                self._calibrate(image, truth)
        self._gallery.offer(sample.name, *_badness(record), image, predicted, truth)

    def _truth(
        self, sample: Sample, image: np.ndarray, record: dict[str, Any]
    ) -> np.ndarray | None:
        """Return the labels in the taxonomy to count in, if there are any that fit."""
        counts, truth = self._sums.counts, sample.truth
        if truth is None:
            if self._source.taxonomies and not sample.label_problem:
                counts['unlabelled'] += 1
            return None
        if truth.shape != image.shape[:2]:
            record['problems'].append(
                f'label: is {truth.shape[1]} x {truth.shape[0]} pixels, the image '
                f'{image.shape[1]} x {image.shape[0]}; expected one size'
            )
            counts['broken_labels'] += 1
            return None
        self._label_ids[sample.taxonomy] += np.bincount(truth.reshape(-1), minlength=256)
        return self._true[sample.taxonomy][truth]

    def _count(self, truth: np.ndarray, predicted: np.ndarray, record: dict[str, Any]) -> None:
        frame = ConfusionMatrix(self._sums.confusion.num_classes)
        frame.add(truth, predicted)
        self._sums.confusion.counts += frame.counts
        self._sums.boundary.add(truth, predicted)
        self._sums.counts['labelled'] += 1
        if frame.counts.any():
            record['pixel_accuracy'], record['miou'] = frame.pixel_accuracy, frame.mean_iou

    def _calibrate(self, image: np.ndarray, truth: np.ndarray) -> None:
        ids, confidence, _ = self._models.backend.predict(image[None], confidence=True)
        if confidence is not None:
            self._sums.calibration.add(truth, self._predicted[ids[0]], confidence[0])

    def _compare(self, image: np.ndarray, ids: np.ndarray, record: dict[str, Any]) -> None:
        if self._models.against:
            other = self._models.against_table[self._models.against.infer(image[None])[0]]
            frame = ConfusionMatrix(self._sums.agreement.num_classes)
            frame.add(other, ids)
            self._sums.agreement.counts += frame.counts
            if frame.counts.any():
                record['agreement'] = frame.pixel_accuracy

    def outcome(self, path: str, problem: str) -> dict[str, Any]:
        """
        Return result, timings and pictures after the last frame.

        :param problem: why there was no further frame, '' at the end of the source.
        """
        cut = problem or self._cut_short()
        complete = 'complete' if not cut else 'partial'
        result = {
            'source': path,
            'state': complete if self._sums.counts['inferred'] else 'failed',
            'kind': self._source.kind,
            'topic': self._source.topic,
            'labels': self._source.labels,
            'problems': [*([cut] if cut else []), *self._doubts()],
            **self._sums.figures(),
            'sums': self._sums.to_json(),
            'frames': self._frames,
        }
        return {
            'result': result,
            'timings': timings(self._read_ms, self._infer_ms, self._arrivals_ns),
            'pictures': self._gallery.encoded(path),
        }

    def _cut_short(self) -> str:
        found, expected = self._sums.counts['frames'], len(self._source)
        if found >= expected * (_VIDEO_SHARE if self._source.kind == 'video' else 1):
            return ''
        return f'ends after {found} of {expected} frames; expected a whole {self._source.kind}'

    def _doubts(self) -> list[str]:
        """Return what is wrong with the source as a whole."""
        counts, doubts = self._sums.counts, []
        if self._source.taxonomies and not counts['labelled']:
            doubts.append(
                f'no frame has a label in {self._source.labels}, so there is no accuracy; labels '
                'are found by the stamps or names of their images'
            )
        for name, pixels in self._label_ids.items():
            # By custom one id past the last class is unlabelled, too.
            first = len(taxonomies.get(name).classes) + 1
            strange = np.flatnonzero(pixels[first : taxonomies.UNLABELLED]) + first
            if len(strange):
                doubts.append(
                    f'labels hold the ids {", ".join(map(str, strange))}, which {name} has not; '
                    'those pixels are not counted: check --labels-taxonomy'
                )
        return doubts


def _badness(record: dict[str, Any]) -> tuple[float, str]:
    """Return how bad a frame is, and that in words."""
    if 'pixel_accuracy' in record:
        right = record['pixel_accuracy']
        return 1 - right, f'{right:.1%} of the pixels right'
    if 'agreement' in record:
        return 1 - record['agreement'], f'{record["agreement"]:.1%} as the other model'
    if 'flicker' in record:
        return record['flicker'], f'{record["flicker"]:.1%} of the pixels flicker'
    return 0.0, ''
