"""
SIGINT and SIGTERM end a process with 0, whenever they come and however often.

rclpy's own handlers have two races: an idle executor may miss the shutdown and wait for ever, and
a second signal (the terminal's and launch's) interrupts the clean-up. So the handler here only
asks to stop, and the loop around a timed spin looks at it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(BaseException):
    """
    Ends long work early; no Exception, so that nothing on its way takes it for an error.

    It is not KeyboardInterrupt either: where that passes through eval, as in an import, Python
    ends by the signal even though it was caught.
    """


class Stop:
    """Whether the process was asked to stop; create it in the main thread, before rclpy.init."""

    def __init__(self) -> None:
        self.requested = False
        self._interrupts = False
        # Also where SIGINT was inherited as ignored, as for a command that a script starts with &.
        for number in SIGNALS:
            signal.signal(number, self._ask)

    def check(self) -> None:
        """Raise Interruption if a signal came: for waiting that looks up from time to time."""
        if self.requested:
            raise Interruption

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """
        Within it a signal raises Interruption: for long work that cannot look up.

        No thread is started or joined within it: up to Python 3.12 a join that is interrupted
        takes the thread for ended.
        """
        self.check()
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False

    def ignore(self) -> None:
        """Ignore further signals: the clean-up has begun."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        first, self.requested = not self.requested, True
        if first and self._interrupts:
            raise Interruption
