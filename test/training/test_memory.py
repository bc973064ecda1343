"""What is kept in memory is bounded for all processes of a machine together."""

from pathlib import Path

import pytest
from sfnet_ros.training.memory import cache_bytes

GIB = 1 << 30


@pytest.mark.parametrize(
    ('available_gib', 'limit', 'expected_gib'),
    [
        (64, None, 4),
        (8, None, 2),
        (64, 'max', 4),
        (64, str(6 * GIB), 1.5),
        (2, str(6 * GIB), 0.5),
    ],
)
def test_the_sum_is_bounded_by_what_is_there(
    available_gib: int, limit: str | None, expected_gib: float, tmp_path: Path
) -> None:
    """A container's limit counts as much as the memory of the machine."""
    (tmp_path / 'proc').mkdir()
    (tmp_path / 'proc' / 'meminfo').write_text(
        f'MemTotal:       99000000 kB\nMemAvailable:   {available_gib << 20} kB\nBuffers: 1 kB\n'
    )
    if limit:
        (tmp_path / 'sys' / 'fs' / 'cgroup').mkdir(parents=True)
        (tmp_path / 'sys' / 'fs' / 'cgroup' / 'memory.max').write_text(f'{limit}\n')
    assert cache_bytes(1, tmp_path) == expected_gib * GIB
    assert cache_bytes(8, tmp_path) * 8 == expected_gib * GIB


def test_where_nothing_tells_of_the_memory_the_bound_is_fixed(tmp_path: Path) -> None:
    assert cache_bytes(2, tmp_path) == 2 * GIB


def test_this_machine_tells() -> None:
    assert 0 < cache_bytes(1) <= 4 * GIB
