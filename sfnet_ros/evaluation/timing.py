"""Figures of time and memory: percentiles of the stages, and frames that a camera would lose."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

PERCENTILES = (50, 95, 99)


def timings(
    read_ms: Sequence[float], infer_ms: Sequence[float], arrivals_ns: Sequence[int]
) -> dict[str, Any]:
    """
    Return the figures of a source's frames, and the times themselves.

    :param arrivals_ns: when each frame was recorded; none where that is not known.
    """
    total = _total(read_ms, infer_ms)
    result: dict[str, Any] = {
        **speed(read_ms, infer_ms),
        'peak_memory_mb': peak_memory_mb(),
        'camera_hz': None,
        'lost_frames': None,
        'read_ms': [round(time, 3) for time in read_ms],
        'infer_ms': [round(time, 3) for time in infer_ms],
    }
    if total and len(arrivals_ns) == len(total):
        order = np.argsort(arrivals_ns, kind='stable')
        arrivals_s = [(arrivals_ns[i] - arrivals_ns[order[0]]) / 1e9 for i in order]
        result['camera_hz'] = rate_hz(arrivals_s)
        result['lost_frames'] = lost_frames(arrivals_s, [total[i] / 1e3 for i in order])
    return result


def speed(read_ms: Sequence[float], infer_ms: Sequence[float]) -> dict[str, Any]:
    """Return the percentiles of each stage, and the frames a second when one follows another."""
    total = _total(read_ms, infer_ms)
    stages = {'read': read_ms, 'infer': infer_ms, 'total': total}
    return {
        'stages': {name: percentiles(times) for name, times in stages.items()},
        'frames_per_s': round(1e3 * len(total) / sum(total), 3) if total else None,
    }


def percentiles(times_ms: Sequence[float]) -> dict[str, float | None]:
    """Return p50, p95 and p99 in milliseconds (interpolated), None when there are no times."""
    values = np.percentile(times_ms, PERCENTILES) if len(times_ms) else [None] * len(PERCENTILES)
    return {
        f'p{percentile}_ms': None if value is None else round(float(value), 3)
        for percentile, value in zip(PERCENTILES, values, strict=True)
    }


def lost_frames(arrivals_s: Sequence[float], busy_s: Sequence[float]) -> int:
    """
    Count the frames that the node would have dropped at the recorded rate.

    One frame is worked on at a time; of those that come meanwhile the newest waits.

    :param arrivals_s: when each frame came, rising.
    :param busy_s: how long each one would be worked on.
    """
    served, free_s, index = 0, float('-inf'), 0
    while index < len(arrivals_s):
        newest = max(index, bisect_right(arrivals_s, free_s) - 1)
        free_s = max(free_s, arrivals_s[newest]) + busy_s[newest]
        served, index = served + 1, newest + 1
    return len(arrivals_s) - served


def rate_hz(arrivals_s: Sequence[float]) -> float | None:
    """Return the rate of rising arrivals by their median distance; None for fewer than two."""
    distances = np.diff(arrivals_s)
    distances = distances[distances > 0]
    return float(1 / np.median(distances)) if len(distances) else None


def peak_memory_mb() -> float | None:
    """Return the most memory that this process has held so far, in MB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    # KiB on Linux, which is where ROS runs.
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _total(read_ms: Sequence[float], infer_ms: Sequence[float]) -> list[float]:
    return [read + infer for read, infer in zip(read_ms, infer_ms, strict=True)]
