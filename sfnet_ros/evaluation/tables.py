"""Reports as text for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .comparing import Change, FIGURES, SHARES
from .sums import COUNTS

# A terminal shows so many problems; the JSON has them all.
_MOST_PROBLEMS = 20
_TITLES = {
    'miou': 'mIoU',
    'pixel_accuracy': 'pixel accuracy',
    'boundary_iou': 'boundary IoU',
    'calibration_error': 'calibration error',
    'agreement': 'agreement',
    'flicker': 'flicker',
}


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures of a report, the slowest reading first: classes, then all together."""
    for name, iou in report['iou'].items():
        boundary = report['boundary_iou_by_class'][name]
        if iou is not None:
            yield f'{name:16} {iou:7.2%}   boundary {_share(boundary)}'
    for name, title in _TITLES.items():
        if report[name] is not None:
            yield f'{title:16} {report[name]:7.2%}'
    yield from _timing_lines(report['timings'])
    yield _counts_line(report)
    yield from _online_lines(report['online'])
    for source in report['sources']:
        told = (source.get('kind'), source.get('topic'), source.get('labels'), source['state'])
        yield f'{source["source"]}: {", ".join(filter(None, told))}'
    yield from _problem_lines(report)


def comparison_lines(changes: Sequence[Change]) -> Iterator[str]:
    """Yield a line for every figure that two reports have."""
    yield f'{"":16} {"before":>10} {"after":>10} {"change":>10}'
    for item in changes:
        share = item.name not in FIGURES or item.name in SHARES
        difference = ''
        if item.before is not None and item.after is not None:
            change = item.after - item.before
            difference = f'{100 * change:+.2f}' if share else f'{change:+.4g}'
        verdict = '' if item.verdict == 'same' else item.verdict
        before, after = (_value(value, share) for value in (item.before, item.after))
        yield f'{item.name:16} {before:>10} {after:>10} {difference:>10}  {verdict}'.rstrip()


def _timing_lines(timings: Mapping[str, Any]) -> Iterator[str]:
    for stage, times in timings['stages'].items():
        if times['p50_ms'] is not None:
            figures = '  '.join(f'{key[:3]} {value:.1f}' for key, value in times.items())
            yield f'{stage + " ms":16} {figures}'
    if timings['frames_per_s'] is not None:
        memory = timings['peak_memory_mb']
        yield f'{"frames/s":16} {timings["frames_per_s"]:7.2f}' + (
            f'   peak memory {memory:.0f} MB' if memory else ''
        )
    if timings['lost_frames'] is not None:
        rate = timings['camera_hz']
        camera = f'a camera at {rate:.1f} Hz' if rate else 'cameras at the recorded rates'
        yield f'{"lost frames":16} {timings["lost_frames"]:7}   by {camera}'


def _online_lines(online: Mapping[str, Any] | None) -> Iterator[str]:
    if not online:
        return
    yield (
        f'online: {online["matched"]} of {online["published"]} frames came back as masks; drops: '
        f'{told_drops(online["drops"])}'
    )
    if online['matched']:
        figures = '  '.join(f'{key[:3]} {value:.1f}' for key, value in online['latency'].items())
        yield f'{"online ms":16} {figures}   from camera to mask'
    if online['miou'] is not None:
        yield (
            f'{"online mIoU":16} {online["miou"]:7.2%}   pixel accuracy '
            f'{online["pixel_accuracy"]:.2%} of {online["labelled"]} masks'
        )


def told_drops(drops: Mapping[str, int]) -> str:
    """Return the drops in words, the most frequent cause first."""
    found = sorted(((count, cause) for cause, count in drops.items() if count), reverse=True)
    return ', '.join(f'{count} {cause}' for count, cause in found) or 'none'


def _counts_line(report: Mapping[str, Any]) -> str:
    counts, model = report['counts'], report['model']
    told = [f'{counts[name]} {name.replace("_", " ")}' for name in COUNTS if counts[name]]
    return (
        f'{", ".join(told) or "no frames"}; {model["name"]} on {model["backend"]} '
        f'{model["precision"]}, counted in {report["taxonomy"]}'
    )


def _problem_lines(report: Mapping[str, Any]) -> Iterator[str]:
    lines = [*report['problems']]
    for source in report['sources']:
        lines += [
            f'{source["source"]}: {frame["name"]}: {problem}'
            for frame in source.get('frames', [])
            for problem in frame.get('problems', [])
        ]
    for line in lines[:_MOST_PROBLEMS]:
        yield f'problem: {line}'
    if len(lines) > _MOST_PROBLEMS:
        yield f'problem: and {len(lines) - _MOST_PROBLEMS} more, all in the JSON (--json)'


def _share(value: float | None) -> str:
    return '      -' if value is None else f'{value:7.2%}'


def _value(value: float | None, share: bool) -> str:
    if value is None:
        return '-'
    return f'{value:.2%}' if share else f'{value:.4g}'
