"""A process that is asked and answers, and what is told of one that fails."""

from collections.abc import Callable
from pathlib import Path
import sys

import pytest
from sfnet_ros.errors import SfnetError
from sfnet_ros.inference.conversation import Partner

_ADDER = """
import os, sys
from sfnet_ros.errors import DataError
from sfnet_ros.inference.conversation import serve


class Adder:
    def __init__(self, start):
        if start < 0:
            raise DataError('start is negative; expected 0 or more')
        self.ready = {'sum': start}

    def run(self, number):
        if number < 0:
            os._exit(0)
        self.ready['sum'] += number
        return self.ready

    def close(self):
        with open(sys.argv[2], 'w') as file:
            file.write('closed')


sys.exit(serve(lambda: Adder(int(sys.argv[1]))))
"""


@pytest.fixture
def adder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Partner]:
    """Return a function that starts a process which adds to a number."""
    (tmp_path / 'adder.py').write_text(_ADDER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('PYTHONPATH', ':'.join(filter(None, sys.path)))
    return lambda start: Partner('adder', 'adder', str(start), str(tmp_path / 'end'))


def test_every_question_has_its_answer(adder: Callable[[int], Partner], tmp_path: Path) -> None:
    partner = adder(3)
    assert partner.read() == {'sum': 3}
    assert partner.ask(number=4) == {'sum': 7}
    assert partner.ask(number=1) == {'sum': 8}
    assert not (tmp_path / 'end').exists()
    partner.close()
    assert (tmp_path / 'end').read_text() == 'closed'


def test_what_went_wrong_is_told(adder: Callable[[int], Partner]) -> None:
    partner = adder(-1)
    with pytest.raises(SfnetError, match='adder: start is negative; expected 0 or more'):
        partner.read()
    partner.close()


def test_an_early_end_is_told(adder: Callable[[int], Partner]) -> None:
    partner = adder(0)
    partner.read()
    # The second finds no process that would read it.
    for _ in range(2):
        with pytest.raises(SfnetError, match='ended without an answer, by exit code 0; expected'):
            partner.ask(number=-1)
    partner.close()


def test_one_that_was_killed_is_told_as_such(adder: Callable[[int], Partner]) -> None:
    partner = adder(0)
    partner.read()
    partner.end()
    with pytest.raises(SfnetError, match='by signal 9; expected one: .* memory enough'):
        partner.ask(number=1)
    partner.end()
