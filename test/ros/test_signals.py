"""
A signal ends the node at any time: many rounds, each at another time after the start.

A hundred rounds: ``SFNET_SIGNAL_ROUNDS=100 pytest test/ros/test_signals.py``.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import re
import signal
import time
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

ROUNDS = int(os.environ.get('SFNET_SIGNAL_ROUNDS', '10'))
LIMIT_S = 3.0
# By then a node has long been serving, also on a busy machine.
LATEST_S = 3.0
# Its multiples, less the whole part, are spread evenly however many there are.
GOLDEN = 0.618034


def listens(pid: int) -> bool:
    """Return whether a process has a handler for SIGTERM, which Python does not set by itself."""
    status = Path(f'/proc/{pid}/status').read_text()
    caught = next(line for line in status.splitlines() if line.startswith('SigCgt'))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def segments(pid: int) -> set[Path]:
    """Return the files in which a process keeps the images it sends; ports are everyone's."""
    maps = Path(f'/proc/{pid}/maps').read_text()
    return set(map(Path, re.findall('/dev/shm/fastdds_[0-9a-f]{16}\\b', maps)))


@pytest.mark.timeout(60 + 15 * ROUNDS)
@pytest.mark.slow
def test_the_node_ends_at_any_time(
    start: Callable[..., Any], environment: dict[str, str], model_folder: Path
) -> None:
    """While it imports, loads, or waits; by either signal, and by two."""

    def end(number: int) -> tuple[str, float]:
        """Start a node and end it; returns what was done, and how long the end took."""
        backend, name = ('torch', 'openvino')[number % 2], ('SIGINT', 'SIGTERM')[number // 2 % 2]
        delay_s = number * GOLDEN % 1 * LATEST_S
        arguments = ('-p', f'weights:={model_folder}', '-p', f'backend:={backend}')
        # In a domain of its own: nodes that see each other map each other's memory.
        domain = str(1 + (int(environment['ROS_DOMAIN_ID']) + number) % 101)
        process = start('sfnet_ros.ros.start', '--ros-args', *arguments, ROS_DOMAIN_ID=domain)
        while not listens(process.pid):
            time.sleep(0.001)
        time.sleep(delay_s)
        what = f'round {number}: {backend}, {name} after {delay_s:.2f} s'
        kept = segments(process.pid)
        sent_s = time.monotonic()
        process.signal(getattr(signal, name))
        if number % 3 == 0:
            time.sleep(0.02)
            process.signal(signal.SIGINT)
        code = process.wait()
        took_s = time.monotonic() - sent_s
        assert code == 0, f'{what}: exit code {code}\n{process.log}'
        left = [path for path in kept if path.exists()]
        assert not left, f'{what}: left {left}\n{process.log}'
        for word in ('Traceback', 'rror', 'terminate called'):
            assert word not in process.log, f'{what}:\n{process.log}'
        return what, took_s

    # Two at a time, as most of it is waiting.
    with ThreadPoolExecutor(2) as pool:
        all_s = dict(pool.map(end, range(ROUNDS)))
    times_s = sorted(all_s.values())
    print(f'{ROUNDS} ends, p50 {times_s[ROUNDS // 2]:.2f} s, longest {times_s[-1]:.2f} s')
    assert not {what: seconds for what, seconds in all_s.items() if seconds >= LIMIT_S}
