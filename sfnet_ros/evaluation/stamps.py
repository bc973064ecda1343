"""Stamps of a recording: which repeat, go back, or leave a gap."""

from collections import deque
from statistics import median

# So many usual periods without a frame are a gap; so many differences tell the usual period.
_GAP_PERIODS = 2.5
_FEWEST, _MOST = 3, 31


class StampLog:
    """Looks at stamps in the order they come."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._last_ns: int | None = None
        self._periods: deque[int] = deque(maxlen=_MOST)

    def add(self, stamp_ns: int) -> str:
        """Return 'duplicate', 'backward', 'gap', or '' for a stamp as it should be."""
        if stamp_ns in self._seen:
            return 'duplicate'
        self._seen.add(stamp_ns)
        last, self._last_ns = self._last_ns, stamp_ns
        if last is None:
            return ''
        if stamp_ns < last:
            return 'backward'
        period, known = stamp_ns - last, len(self._periods) >= _FEWEST
        if known and period > _GAP_PERIODS * median(self._periods):
            return 'gap'
        self._periods.append(period)
        return ''
