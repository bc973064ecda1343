"""
How fast are the backends, side by side: one process a configuration, run in turns.

Two runtimes in one process falsify each other, because their threads spin; and on a shared machine
only runs that alternate can be compared. A process is started with its configuration as JSON, says
when it is ready, and times a few frames for every line it is sent.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import cycle
import json
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

import cv2
import numpy as np

from . import choose_model, load
from .parity import agreement, parity_image
from ..errors import BackendError, SfnetError

# What people have without this package: the plain float32 module, interpolate and argmax.
EAGER = 'eager'
_RESTARTED = '--restarted'

Infer = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Configuration:
    """
    What one process runs.

    ``weights`` and ``checked`` are as for ``inference.load``; ``height`` and ``width`` 0 are the
    model's own; ``images`` are files to time on in turn, none for the picture of the parity check.
    """

    backend: str
    precision: str = 'auto'
    weights: str = ''
    height: int = 0
    width: int = 0
    images: tuple[str, ...] = ()
    checked: bool = True


class Contender:
    """A process of its own with one loaded configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.times_s: list[float] = []
        self._process = subprocess.Popen(
            [sys.executable, '-m', __name__, json.dumps(asdict(configuration))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self) -> dict[str, Any]:
        """Wait for the answer to what was asked; raises BackendError with what went wrong."""
        line = self._process.stdout.readline() if self._process.stdout else ''
        answer = json.loads(line) if line else {'error': 'the process ended without an answer'}
        if 'error' in answer:
            raise BackendError(f'{self.configuration.backend}: {answer["error"]}')
        return answer

    def run(self, frames: int) -> None:
        """Time some frames; the times are added to ``times_s``."""
        if self._process.stdin:
            self._process.stdin.write(f'{frames}\n')
            self._process.stdin.flush()
        self.times_s += self.read()['times_s']

    def close(self) -> dict[str, Any]:
        """End the process; returns what it says of itself at the end."""
        if self._process.stdin:
            self._process.stdin.close()
        answer = self.read()
        self._process.wait(30)
        return answer


def _serve(configuration: Configuration, restarted: bool) -> None:
    """Be such a process: answers go to stdout, one JSON object a line."""
    infer, facts = _loaded(configuration)
    if facts['backend'] not in (EAGER, 'torch') and 'torch' in sys.modules and not restarted:
        # The model was converted: what that took is no part of serving. From here it is cached.
        os.execv(sys.executable, [*sys.orig_argv, _RESTARTED])
    images = _pictures(configuration, facts['input_size'])
    turns = cycle(images)
    for _ in range(2):
        infer(next(turns))
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        times_s = []
        for _ in range(int(line)):
            image = next(turns)
            started_s = time.perf_counter()
            infer(image)
            times_s.append(time.perf_counter() - started_s)
        print(json.dumps({'times_s': times_s}), flush=True)
    memory_mb = _peak_memory_mb()
    reference, _ = _loaded(replace(configuration, backend=EAGER))
    shares = [agreement(infer(image), reference(image)) for image in images]
    print(json.dumps({'memory_mb': memory_mb, 'agreement': float(np.mean(shares))}), flush=True)


def _loaded(configuration: Configuration) -> tuple[Infer, dict[str, Any]]:
    size = (configuration.height, configuration.width)
    if configuration.backend == EAGER:
        from .backends.torch import plain_inference

        choice = choose_model(configuration.weights, '', '', '', *size)
        facts = choice.facts
        what = {'backend': EAGER, 'device': 'cpu', 'precision': 'fp32'}
        infer = plain_inference(choice)
    else:
        backend = load(
            configuration.weights, '', '', '', *size, configuration.backend,
            configuration.precision, checked=configuration.checked,
        )  # fmt: skip
        facts, infer = backend.facts, backend.infer
        what = {
            'backend': backend.name, 'device': backend.device, 'precision': backend.precision
        }  # fmt: skip
    return infer, what | {
        'model': facts.name,
        'network': f'{facts.network}/{facts.backbone}',
        'input_size': (facts.input_height, facts.input_width),
        'miou': _miou(facts.about.get('accuracy')),
    }


def _miou(accuracy: Any) -> dict[str, float]:
    """Return the mean IoU by data set of what model.yaml tells, where it does."""
    measured = accuracy.items() if isinstance(accuracy, dict) else ()
    return {
        name: figures['miou']
        for name, figures in measured
        if isinstance(figures, dict) and 'miou' in figures
    }


def _pictures(configuration: Configuration, size: tuple[int, int]) -> list[np.ndarray]:
    images = [parity_image(size)] if not configuration.images else []
    for path in configuration.images:
        image = cv2.imread(path, cv2.IMREAD_COLOR)
        if image is None:
            raise BackendError(f'{path} cannot be read; expected a picture file')
        images.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)[None])
    return images


def _peak_memory_mb() -> float:
    """Return the most memory that this program held; getrusage tells its parent's if larger."""
    status = Path('/proc/self/status').read_text(encoding='utf-8')
    return int(status.partition('VmHWM:')[2].split()[0]) / 1024


if __name__ == '__main__':
    try:
        _serve(Configuration(**json.loads(sys.argv[1])), restarted=_RESTARTED in sys.argv)
    except SfnetError as error:
        print(json.dumps({'error': str(error)}), flush=True)
        sys.exit(1)
