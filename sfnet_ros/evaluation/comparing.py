"""Two reports beside each other, and limits that a report must keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DataError

# What can be asked for, where it stands in a report, and whether more of it is better.
FIGURES: dict[str, tuple[tuple[str, ...], bool]] = {
    'miou': (('miou',), True),
    'pixel_accuracy': (('pixel_accuracy',), True),
    'boundary_iou': (('boundary_iou',), True),
    'calibration_error': (('calibration_error',), False),
    'flicker': (('flicker',), False),
    'agreement': (('agreement',), True),
    'fps': (('timings', 'frames_per_s'), True),
    'p50_ms': (('timings', 'stages', 'total', 'p50_ms'), False),
    'p95_ms': (('timings', 'stages', 'total', 'p95_ms'), False),
    'p99_ms': (('timings', 'stages', 'total', 'p99_ms'), False),
    'memory_mb': (('timings', 'peak_memory_mb'), False),
    'lost_frames': (('timings', 'lost_frames'), False),
    'online_answered': (('online', 'answered'), True),
    'online_miou': (('online', 'miou'), True),
    'online_p50_ms': (('online', 'latency', 'p50_ms'), False),
    'online_p95_ms': (('online', 'latency', 'p95_ms'), False),
    'online_p99_ms': (('online', 'latency', 'p99_ms'), False),
}
SHARES = (
    'miou', 'pixel_accuracy', 'boundary_iou', 'calibration_error', 'flicker', 'agreement',
    'online_answered', 'online_miou',
)  # fmt: skip
# Smaller differences are not called better or worse: of shares, and relative of other figures.
_SAME_SHARE, _SAME_RATIO = 0.001, 0.03


@dataclass(frozen=True)
class Change:
    """A figure in two reports; ``verdict`` is better, worse, same, or unknown without both."""

    name: str
    before: float | None
    after: float | None
    verdict: str


def figure(report: Mapping[str, Any], name: str) -> float | None:
    """Return a figure of a report, None where there is none: a key of FIGURES, or a class."""
    if name not in FIGURES:
        return report['iou'].get(name)
    value: Any = report
    for key in FIGURES[name][0]:
        value = value.get(key) if value else None
    return value


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """
    Return all figures that one of two reports has, then the IoU of each class.

    :raises DataError: when they are counted in different taxonomies.
    """
    if before['taxonomy'] != after['taxonomy']:
        raise DataError(
            f'the reports are counted in {before["taxonomy"]} and {after["taxonomy"]}; make both '
            'with the same --count-in'
        )
    changes = [
        _change(name, figure(before, name), figure(after, name), *_nature(name))
        for name in (*FIGURES, *after['classes'])
    ]
    return [item for item in changes if (item.before, item.after) != (None, None)]


def cautions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return why a change between two reports may come from something else than the model."""
    lines = []
    names = [
        sorted(source['source'] for source in report['sources']) for report in (before, after)
    ]
    if names[0] != names[1]:
        lines.append(f'the sources differ: {", ".join(names[0])}; {", ".join(names[1])}')
    for name in ('inferred', 'labelled'):
        counts = before['counts'][name], after['counts'][name]
        if counts[0] != counts[1]:
            lines.append(f'frames {name} differ: {counts[0]} before, {counts[1]} after')
    for name in ('backend', 'device', 'precision'):
        if before['model'][name] != after['model'][name]:
            lines.append(
                f'{name} differs: {before["model"][name]} before, {after["model"][name]} after'
            )
    return lines


def parse_limits(text: str) -> dict[str, float]:
    """Read ``miou=0.6,p95_ms=80``; names are those of FIGURES. Raises DataError."""
    limits = {}
    for part in text.split(','):
        name, _, value = part.partition('=')
        try:
            limits[name.strip()] = float(value)
        except ValueError as error:
            raise DataError(f'limit is {part!r}; expected such as miou=0.6,p95_ms=80') from error
        if name.strip() not in FIGURES:
            raise DataError(f'limit is for {name.strip()!r}; expected one of {", ".join(FIGURES)}')
    return limits


def misses(report: Mapping[str, Any], limits: Mapping[str, float]) -> list[str]:
    """Return a line for every limit that a report does not keep; a missing figure keeps none."""
    lines = []
    for name, limit in limits.items():
        found, more_is_better = figure(report, name), FIGURES[name][1]
        word = 'at least' if more_is_better else 'at most'
        if found is None:
            lines.append(f'{name}: there is none; expected {word} {limit:g}')
        elif (found < limit) if more_is_better else (found > limit):
            lines.append(f'{name}: found {found:.4g}, expected {word} {limit:g}')
    return lines


def _nature(name: str) -> tuple[bool, bool]:
    """Return whether more is better, and whether it is a share."""
    return FIGURES[name][1] if name in FIGURES else True, name in SHARES or name not in FIGURES


def _change(
    name: str, before: float | None, after: float | None, more_is_better: bool, share: bool
) -> Change:
    if before is None or after is None:
        return Change(name, before, after, 'unknown')
    limit = _SAME_SHARE if share else _SAME_RATIO * abs(before)
    if abs(after - before) <= limit:
        return Change(name, before, after, 'same')
    return Change(name, before, after, 'better' if (after > before) == more_is_better else 'worse')
