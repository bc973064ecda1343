"""Nodes of this package as processes of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
import signal
import subprocess
import sys

_END_TIMEOUT_S = 10.0


@contextmanager
def running(module: str, *arguments: str) -> Iterator[subprocess.Popen]:
    """Run a module of ``ros``; at the end it is asked to stop, and made to if it does not."""
    command = [sys.executable, '-m', f'{__package__}.{module}', *arguments]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
