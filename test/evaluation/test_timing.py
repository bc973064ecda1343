"""Percentiles and lost frames by hand."""

import pytest
from sfnet_ros.evaluation.timing import lost_frames, percentiles, rate_hz, timings


def test_percentiles_are_interpolated() -> None:
    times = [float(time) for time in range(101)]
    assert percentiles(times) == {'p50_ms': 50, 'p95_ms': 95, 'p99_ms': 99}
    assert percentiles([]) == {'p50_ms': None, 'p95_ms': None, 'p99_ms': None}


@pytest.mark.parametrize(
    ('arrivals_s', 'busy_s', 'lost'),
    [
        ([0, 1, 2, 3], [0.9] * 4, 0),
        ([0, 1, 2, 3], [1.0] * 4, 0),
        # 0 until 2.5; of 1 and 2 the newest is taken, until 5; then 5 of 3, 4 and 5.
        ([0, 1, 2, 3, 4, 5], [2.5] * 6, 3),
        # One slow frame costs those that come meanwhile, but the last of them.
        ([0, 1, 2, 3, 4, 5], [3.5, 0.1, 0.1, 0.1, 0.1, 0.1], 2),
        ([0, 0, 0], [1, 1, 1], 1),
        ([], [], 0),
    ],
)
def test_frames_that_come_meanwhile_are_lost_but_the_newest(
    arrivals_s: list[float], busy_s: list[float], lost: int
) -> None:
    assert lost_frames(arrivals_s, busy_s) == lost


def test_rate_is_that_of_the_usual_distance() -> None:
    assert rate_hz([0, 0.1, 0.2, 0.3, 5]) == pytest.approx(10)
    assert rate_hz([1, 1]) is None
    assert rate_hz([1]) is None


def test_figures_of_a_source() -> None:
    # Recorded out of order: the loss is that of the order in which the camera sent them.
    found = timings([10, 20, 30], [90, 380, 70], [2 * 10**8, 0, 10**8])
    assert found['stages']['total']['p50_ms'] == 100
    assert found['stages']['infer']['p50_ms'] == 90
    assert found['frames_per_s'] == 5
    assert found['camera_hz'] == pytest.approx(10)
    assert found['lost_frames'] == 1
    assert found['peak_memory_mb'] > 10
    assert timings([1], [2], [])['lost_frames'] is None
    assert timings([], [], [])['frames_per_s'] is None
