"""Loads models on a thread of its own, so that signals are heard and another model can serve."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import threading
import time
import traceback
from typing import Any

import numpy as np

from .. import inference
from ..errors import BackendError, SfnetError

_LISTEN_S = 0.1


@dataclass(frozen=True)
class Outcome:
    """What came of loading: a backend that has run once, or the error that kept it from that."""

    asked: Mapping[str, Any]
    backend: inference.Backend | None
    error: str
    seconds: float

    def close(self) -> None:
        """Free what nobody wants any more."""
        if self.backend is not None:
            self.backend.close()


class Loader:
    """
    Loads one model at a time.

    :param notify: called on the loading thread when an outcome can be taken.
    :param batch: asked, before a model is loaded, for the most images that it will get at once.
    """

    def __init__(self, notify: Callable[[], None], batch: Callable[[], int]) -> None:
        self._notify = notify
        self._batch = batch
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._outcome: Outcome | None = None
        self._busy = False
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a model is being loaded whose end will be notified of."""
        with self._lock:
            return self._busy

    def begin(self, asked: Mapping[str, Any], build: bool = True) -> None:
        """
        Start to load what the arguments of inference.load ask for; expects not to be busy.

        :param build: whether the engine of a backend may be built for it, which takes minutes.
        """
        self._busy = True
        # A daemon, as no runtime can be told to give up.
        self._thread = threading.Thread(
            target=self._run, args=(asked, build, self._batch()), name='loader', daemon=True
        )
        self._thread.start()

    def load(self, asked: Mapping[str, Any], waiting: Callable[[], None]) -> Outcome:
        """
        Load and wait, but not for an engine to be built where another backend can serve.

        :param waiting: called ten times a second; what it raises ends the waiting only.
        """
        self._wait(waiting)
        self.discard()
        self.begin(asked, build=False)
        self._wait(waiting)
        outcome = self.take()
        if outcome is None:
            raise BackendError('found a closed loader; expected a node that is not being closed')
        return outcome

    def take(self) -> Outcome | None:
        """Take the latest outcome out, None where there is none yet."""
        with self._lock:
            outcome, self._outcome = self._outcome, None
        return outcome

    def discard(self) -> None:
        """Free the latest outcome if there is one."""
        if outcome := self.take():
            outcome.close()

    def close(self) -> bool:
        """Make nothing of what is still being loaded; returns whether nothing is."""
        with self._lock:
            self._closed = True
            # The thread shall not keep alive those who no longer want to hear of it.
            self._notify = lambda: None
            self._batch = lambda: 1
        self.discard()
        if self._thread is not None:
            self._thread.join(_LISTEN_S)
        return self._thread is None or not self._thread.is_alive()

    def _wait(self, waiting: Callable[[], None]) -> None:
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(_LISTEN_S)
            waiting()

    def _run(self, asked: Mapping[str, Any], build: bool, batch: int) -> None:
        started_s = time.monotonic()
        backend, error = None, ''
        try:
            backend = _load_and_warm_up(asked, build, batch)
        except SfnetError as refusal:
            error = str(refusal)
        except Exception:  # a runtime may fail in any way, and the old model serves on
            error = traceback.format_exc()
        outcome = Outcome(asked, backend, error, time.monotonic() - started_s)
        with self._lock:
            self._busy = False
            if not self._closed:
                self._outcome = outcome
                self._notify()
                return
        outcome.close()


def _load_and_warm_up(asked: Mapping[str, Any], build: bool, batch: int) -> inference.Backend:
    """Load, and run once: the first image is slow, and shows whether the memory suffices."""
    backend = inference.load(**asked, build=build, batch=batch)
    try:
        backend.infer(np.zeros((1, *backend.input_size, 3), np.uint8))
    except Exception:
        backend.close()
        raise
    return backend
