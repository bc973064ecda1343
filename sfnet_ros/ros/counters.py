"""What happened to the frames, counted from two threads."""

from collections import Counter, deque
from dataclasses import dataclass
import threading
import time

import numpy as np

# superseded: a newer frame came first. unwanted: no one subscribed to an output.
# malformed: the image contradicts itself. failed: an error of ours or of the backend.
CAUSES = ('superseded', 'unwanted', 'malformed', 'failed')
_LATENCIES = 300


@dataclass(frozen=True)
class Snapshot:
    """Counts since the start; latency from arrival to publication, nan before the first frame."""

    received: int
    published: int
    drops: dict[str, int]
    latency_p50_ms: float
    latency_p95_ms: float
    last_received_s: float


class Counters:
    """Counts frames in, frames out and drops by cause; remembers the latest latencies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._published = 0
        self._drops: Counter[str] = Counter()
        self._latencies_s: deque[float] = deque(maxlen=_LATENCIES)
        self._last_received_s = time.monotonic()

    def wait_anew(self) -> None:
        """Begin to wait for images now, as after activation."""
        with self._lock:
            self._last_received_s = time.monotonic()

    def receive(self, now_s: float) -> None:
        """Count a frame that arrived."""
        with self._lock:
            self._received += 1
            self._last_received_s = now_s

    def publish(self, latency_s: float) -> None:
        """Count a frame whose results went out."""
        with self._lock:
            self._published += 1
            self._latencies_s.append(latency_s)

    def drop(self, cause: str) -> None:
        """Count a frame that ended otherwise; cause is one of CAUSES."""
        with self._lock:
            self._drops[cause] += 1

    def snapshot(self) -> Snapshot:
        """Return all counts as of now."""
        with self._lock:
            latencies = np.array(self._latencies_s or [np.nan]) * 1000
            p50, p95 = (float(value) for value in np.percentile(latencies, (50, 95)))
            return Snapshot(
                self._received,
                self._published,
                {cause: self._drops[cause] for cause in CAUSES},
                p50,
                p95,
                self._last_received_s,
            )
