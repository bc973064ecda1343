"""
A process of its own that is asked and answers: a JSON object a line, both ways.

It is started with its arguments, tells when it is ready, answers every question that it is sent,
and ends when there are no more.
"""

from collections.abc import Callable
from contextlib import closing, suppress
import json
import subprocess
import sys
from typing import Any, Protocol

from ..errors import SfnetError


class Service(Protocol):
    """What such a process runs; ``ready`` is its first answer."""

    ready: dict[str, Any]

    @property
    def run(self) -> Callable[..., dict[str, Any]]:
        """The function that answers a question, with what is in it as arguments."""
        ...

    def close(self) -> None:
        """Free what it holds, after the last question."""
        ...


class Partner:
    """
    The process, for who starts and asks it.

    :param title: what errors call it. :param module: runs with the arguments, and serves.
    """

    def __init__(self, title: str, module: str, *arguments: str) -> None:
        self._title = title
        self._process = subprocess.Popen(
            [sys.executable, '-m', module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for who asks, which then ends it: else each would tell of it.
            start_new_session=True,
        )

    def read(self) -> dict[str, Any]:
        """Wait for an answer; raises SfnetError with what went wrong."""
        line = self._process.stdout.readline() if self._process.stdout else ''
        answer = json.loads(line) if line else {'error': self._early_end()}
        if 'error' in answer:
            raise SfnetError(f'{self._title}: {answer["error"]}')
        return answer

    def ask(self, **question: Any) -> dict[str, Any]:
        """Let it work once; returns the answer."""
        # One that ended meanwhile has no answer, which is told as such.
        with suppress(BrokenPipeError):
            print(json.dumps(question), file=self._process.stdin, flush=True)
        return self.read()

    def end(self) -> None:
        """End the process at once, whatever it is at."""
        self._process.kill()
        self._process.wait()

    def _early_end(self) -> str:
        code = self._process.wait()
        return (
            'the process ended without an answer, by '
            + (f'signal {-code}' if code < 0 else f'exit code {code}')
            + '; expected one: see above, and whether there is memory enough (dmesg)'
        )

    def close(self) -> None:
        """Let the process end, once it has answered."""
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait(30)


def serve(begin: Callable[[], Service]) -> int:
    """Be such a process; returns its exit code."""
    try:
        with closing(begin()) as service:
            _tell(service.ready)
            for line in sys.stdin:
                _tell(service.run(**json.loads(line)))
    except SfnetError as error:
        _tell({'error': str(error)})
        return 1
    return 0


def _tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)
