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
        )

    def read(self) -> dict[str, Any]:
        """Wait for an answer; raises SfnetError with what went wrong."""
        line = self._process.stdout.readline() if self._process.stdout else ''
        answer = json.loads(line) if line else {'error': 'the process ended without an answer'}
        if 'error' in answer:
            raise SfnetError(f'{self._title}: {answer["error"]}')
        return answer

    def ask(self, **question: Any) -> dict[str, Any]:
        """Let it work once; returns the answer."""
        # One that ended meanwhile has no answer, which is told as such.
        with suppress(BrokenPipeError):
            print(json.dumps(question), file=self._process.stdin, flush=True)
        return self.read()

    def close(self) -> None:
        """End the process."""
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
