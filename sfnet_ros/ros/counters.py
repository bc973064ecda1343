"""What happened to the frames, counted from two threads."""

from collections import Counter, deque
from dataclasses import dataclass
import threading
import time

import numpy as np

# superseded: a newer frame came first. rate: it came sooner than max_rate_hz allows. too old: by
# its stamp, for max_age_s. unwanted: no one subscribed to an output. malformed: the image
# contradicts itself. failed: an error of ours or of the backend. no model: the node was
# deactivated while the frame waited.
CAUSES = ('superseded', 'rate', 'too old', 'unwanted', 'malformed', 'failed', 'no model')
# From arrival to the worker, to pixels, to ids, to the published messages; latency is all of them.
STAGES = ('wait', 'convert', 'infer', 'publish')
LATENCIES = ('latency', *STAGES)
PERCENTILES = (50, 95, 99)
_KEPT = 300


@dataclass(frozen=True)
class Snapshot:
    """
    Counts since the start, and what the latest frames took.

    ``percentiles_ms`` holds those of PERCENTILES for each of LATENCIES, nan before the first
    frame; ``age_s`` is how old the latest frame was by its stamp when its turn came.
    """

    received: int
    published: int
    drops: dict[str, int]
    percentiles_ms: dict[str, tuple[float, ...]]
    age_s: float
    last_received_s: float


class Counters:
    """Counts frames in, frames out and drops by cause; remembers the latest latencies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._published = 0
        self._drops: Counter[str] = Counter()
        self._stages_s: deque[tuple[float, ...]] = deque(maxlen=_KEPT)
        self._age_s = 0.0
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

    def begin(self, age_s: float) -> None:
        """Remember how old a frame is whose turn has come."""
        with self._lock:
            self._age_s = age_s

    def publish(self, *stages_s: float) -> None:
        """Count a frame whose results went out; the durations are those of STAGES."""
        with self._lock:
            self._published += 1
            self._stages_s.append((sum(stages_s), *stages_s))

    def drop(self, cause: str) -> None:
        """Count a frame that ended otherwise; cause is one of CAUSES."""
        with self._lock:
            self._drops[cause] += 1

    def snapshot(self) -> Snapshot:
        """Return all counts as of now."""
        with self._lock:
            durations_ms = np.array(self._stages_s or [[np.nan] * len(LATENCIES)]) * 1000
            received, published = self._received, self._published
            drops = {cause: self._drops[cause] for cause in CAUSES}
            age_s, last_received_s = self._age_s, self._last_received_s
        columns = np.percentile(durations_ms, PERCENTILES, axis=0).T.tolist()
        percentiles = {name: tuple(row) for name, row in zip(LATENCIES, columns, strict=True)}
        return Snapshot(received, published, drops, percentiles, age_s, last_received_s)
