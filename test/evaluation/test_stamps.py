"""Stamps in order, repeated, backward, and with a gap."""

import pytest
from sfnet_ros.evaluation.stamps import StampLog


@pytest.mark.parametrize(
    ('stamps', 'verdicts'),
    [
        ([0, 10, 20, 30, 40], ['', '', '', '', '']),
        ([0, 10, 10, 20, 0], ['', '', 'duplicate', '', 'duplicate']),
        ([0, 10, 20, 5, 15], ['', '', '', 'backward', '']),
        ([0, 10, 20, 30, 60, 70], ['', '', '', '', 'gap', '']),
        # Fewer than four stamps do not tell the period; a little late is no gap.
        ([0, 10, 50, 60, 70], ['', '', '', '', '']),
        ([0, 10, 20, 30, 54], ['', '', '', '', '']),
    ],
)
def test_verdicts(stamps: list[int], verdicts: list[str]) -> None:
    log = StampLog()
    assert [log.add(stamp) for stamp in stamps] == verdicts
