"""What came back from a running node while a recording was played: how late, and how right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .measuring import counted_in
from .samples import open_source, SourceSpec
from .sums import Sums
from .timing import percentiles, rate_hz
from .. import taxonomies

# Frames that neither the node nor the receiver ever saw, beside the node's own causes.
LOST_IMAGES, LOST_MASKS = 'lost on the way to the node', 'lost on the way back'


@dataclass(frozen=True)
class Played:
    """
    A recording that was played to a node.

    :param published: stamp in ns and time in s of each frame, in the order of the source.
    :param received_s: when the first mask of a stamp came, on the same clock.
    :param frames_in, frames_out: what the node says of itself, and its ``drops`` by cause.
    :param facts: what the node says of its model; ``stages`` its own latencies in ms.
    """

    published: Sequence[tuple[int, float]]
    received_s: Mapping[int, float]
    masks: int
    frames_in: int
    frames_out: int
    drops: Mapping[str, int]
    facts: Mapping[str, str]
    stages: Mapping[str, Mapping[str, float]]


def outcome(spec: SourceSpec, played: Played, sums: Sums | None) -> dict[str, Any]:
    """Return what a report says of one recording; ``sums`` are None where there are no labels."""
    latencies_ms, sent = _latencies_ms(played), len(played.published)
    drops = {
        LOST_IMAGES: max(0, sent - played.frames_in),
        **played.drops,
        LOST_MASKS: max(0, played.frames_out - played.masks),
    }
    return {
        'source': spec.path,
        'state': 'complete' if sent and played.masks else 'failed',
        'problems': _doubts(played, sums),
        'node': dict(played.facts),
        'published': sent,
        'matched': sum(time is not None for time in latencies_ms),
        'drops': drops,
        'camera_hz': rate_hz([sent_s for _, sent_s in played.published]),
        'stages': {stage: dict(values) for stage, values in played.stages.items()},
        'latency': percentiles([time for time in latencies_ms if time is not None]),
        'latency_ms': latencies_ms,
        'sums': sums.to_json() if sums else None,
        **_accuracy(sums),
    }


def _doubts(played: Played, sums: Sums | None) -> list[str]:
    if not played.masks:
        return ['no mask came']
    odd = sums.counts['broken_labels'] if sums else 0
    if not odd:
        return []
    return [f'{odd} masks have another size than their labels and are not counted']


def _latencies_ms(played: Played) -> list[float | None]:
    """Return the latency of each frame; of those under one stamp the first has the mask."""
    waiting = dict(played.received_s)
    latencies_ms: list[float | None] = []
    for stamp_ns, sent_s in played.published:
        received_s = waiting.pop(stamp_ns, None)
        latencies_ms.append(None if received_s is None else round((received_s - sent_s) * 1e3, 3))
    return latencies_ms


def failure(spec: SourceSpec, problem: str) -> dict[str, Any]:
    """Return the outcome of a recording that could not be played."""
    return {'source': spec.path, 'state': 'failed', 'problems': [problem]}


def compare_masks(
    spec: SourceSpec,
    stamps_ns: Sequence[int],
    mask: Callable[[int], np.ndarray | None],
    taxonomy: str,
    count_in: str,
) -> Sums | None:
    """
    Count the masks that came against the labels of their frames; None without labels.

    :param stamps_ns: under which each frame of the source was published.
    :param mask: returns the mask of a stamp, H x W uint8 ids of ``taxonomy``, if one came.
    :raises DataError: when the source or its labels cannot be read.
    """
    source = open_source(spec)
    if not source.taxonomies:
        return None
    counted = counted_in(source.taxonomies, taxonomy, count_in)
    sums = Sums(counted, taxonomy)
    predicted = taxonomies.conversion(taxonomy, counted)
    true = {name: taxonomies.conversion(name, counted) for name in source.taxonomies}
    for sample, stamp_ns in zip(source, stamps_ns, strict=False):
        sums.counts['frames'] += 1
        # Of two frames under one stamp nobody knows which the mask belongs to.
        ids = None if sample.order == 'duplicate' else mask(stamp_ns)
        if ids is None or sample.truth is None:
            continue
        sums.counts['inferred'] += 1
        if ids.shape != sample.truth.shape:
            sums.counts['broken_labels'] += 1
            continue
        sums.counts['labelled'] += 1
        sums.confusion.add(true[sample.taxonomy][sample.truth], predicted[ids])
    return sums


def build_section(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put the outcomes of all recordings together: ``online`` of a report."""
    drops: dict[str, int] = {}
    for one in outcomes:
        for cause, count in one.get('drops', {}).items():
            drops[cause] = drops.get(cause, 0) + count
    published, matched = (
        sum(one.get(key, 0) for one in outcomes) for key in ('published', 'matched')
    )
    times = [time for one in outcomes for time in one.get('latency_ms', []) if time is not None]
    return {
        'published': published,
        'matched': matched,
        'answered': matched / published if published else None,
        'drops': drops,
        'latency': percentiles(times),
        **_accuracy(_total(outcomes)),
        'problems': [
            problem if problem.startswith(one['source']) else f'{one["source"]}: {problem}'
            for one in outcomes
            for problem in one['problems']
        ]
        or ([] if outcomes else ['nothing was played online: no source is a recording']),
        'sources': list(outcomes),
    }


def _total(outcomes: Sequence[Mapping[str, Any]]) -> Sums | None:
    """Add the sums of the recordings; there is no mean over different classes."""
    parts = [Sums.from_json(one['sums']) for one in outcomes if one.get('sums')]
    if len({part.taxonomy for part in parts}) != 1:
        return None
    for part in parts[1:]:
        parts[0].add(part)
    return parts[0]


def _accuracy(sums: Sums | None) -> dict[str, Any]:
    figures = sums.figures() if sums else {}
    return {
        'taxonomy': sums.taxonomy if sums else None,
        'labelled': sums.counts['labelled'] if sums else 0,
        **{key: figures.get(key) for key in ('miou', 'pixel_accuracy', 'iou')},
    }
