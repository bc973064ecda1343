"""
How fast are the backends, side by side: one process a configuration, run in turns.

Two runtimes in one process falsify each other, because their threads spin; and on a shared machine
only runs that alternate can be compared.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import cycle
import json
import os
from pathlib import Path
import sys
import time
from typing import Any

import cv2
import numpy as np

from . import choose_model, load
from .conversation import Partner, serve
from .parity import agreement, parity_image
from ..errors import BackendError

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


class Contender(Partner):
    """A process of its own with one loaded configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self.times_s: list[float] = []
        super().__init__(configuration.backend, __name__, json.dumps(asdict(configuration)))

    def run(self, frames: int) -> None:
        """Time some frames; the times are added to ``times_s``."""
        self.times_s += self.ask(frames=frames)['times_s']

    def finish(self) -> dict[str, Any]:
        """Return what it says of itself at the end, memory and agreement, and end the process."""
        answer = self.ask(frames=0)
        self.close()
        return answer


class _Timed:
    """What such a process runs: ``ready`` tells the facts of what was loaded."""

    def __init__(self, configuration: Configuration, restarted: bool) -> None:
        self._configuration = configuration
        self._infer, self.ready = _loaded(configuration)
        runtime = self.ready['backend']
        if runtime not in (EAGER, 'torch') and 'torch' in sys.modules and not restarted:
            # The model was converted: what that took is no part of serving. Now it is cached.
            os.execv(sys.executable, [*sys.orig_argv, _RESTARTED])
        self._images = _pictures(configuration, self.ready['input_size'])
        self._turns = cycle(self._images)
        self.run(2)

    def run(self, frames: int) -> dict[str, Any]:
        """Return how long each frame took, in seconds; for no frames, what remains to be told."""
        if not frames:
            return self._summary()
        times_s = []
        for _ in range(frames):
            image = next(self._turns)
            started_s = time.perf_counter()
            self._infer(image)
            times_s.append(time.perf_counter() - started_s)
        return {'times_s': times_s}

    def close(self) -> None:
        """Leave all to the end of the process."""

    def _summary(self) -> dict[str, Any]:
        memory_mb = _peak_memory_mb()
        reference, _ = _loaded(replace(self._configuration, backend=EAGER))
        shares = [agreement(self._infer(image), reference(image)) for image in self._images]
        return {'memory_mb': memory_mb, 'agreement': float(np.mean(shares))}


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
    configuration = Configuration(**json.loads(sys.argv[1]))
    sys.exit(serve(lambda: _Timed(configuration, restarted=_RESTARTED in sys.argv)))
