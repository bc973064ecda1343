"""Which frames pass the gate: pure time, no graph."""

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from sfnet_ros.ros.gate import RateGate  # noqa: E402


@pytest.mark.parametrize(
    ('camera_hz', 'rate_hz', 'expected_hz'),
    [(30, 20, 20), (30, 10, 10), (30, 0, 30), (30, 29, 29), (10, 30, 10), (100, 1, 1)],
)
def test_the_rate_is_kept_on_average(camera_hz: int, rate_hz: int, expected_hz: int) -> None:
    gate = RateGate()
    passed = sum(gate.passes(number / camera_hz, rate_hz) for number in range(10 * camera_hz))
    assert passed == pytest.approx(10 * expected_hz, abs=1)


def test_a_pause_does_not_lead_to_a_burst() -> None:
    gate = RateGate()
    times_s = [0.0, *(60 + number / 100 for number in range(100))]
    assert sum(gate.passes(now_s, 5) for now_s in times_s) <= 1 + 5 + 1


def test_a_raised_rate_holds_at_once() -> None:
    gate = RateGate()
    assert gate.passes(0.0, 0.01)
    assert not gate.passes(1.0, 0.01)
    assert gate.passes(1.1, 10) or gate.passes(1.25, 10)
    assert gate.passes(1.3, 0)
