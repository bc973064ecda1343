"""How much of the machine's memory the decoded images of a run may take."""

from pathlib import Path

# All processes of a machine together.
_MOST_BYTES = 4 << 30
_SHARE = 0.25
# What a container may have, by the second and the first version of control groups.
_LIMITS = ('sys/fs/cgroup/memory.max', 'sys/fs/cgroup/memory/memory.limit_in_bytes')


def cache_bytes(processes: int, root: Path = Path('/')) -> int:
    """
    Return how much each of the processes that load images may keep decoded.

    Together that is 4 GiB at most, and a quarter of the memory that is available now.

    :param root: of the file system that tells of the memory.
    """
    return int(min(_MOST_BYTES, _SHARE * _available_bytes(root))) // processes


def _available_bytes(root: Path) -> float:
    """Return what the system, or the container, still has; endless where nothing tells."""
    told = _read(root / 'proc/meminfo').partition('MemAvailable:')[2].split()[:1]
    limits = [_read(root / path).strip() for path in _LIMITS]
    kib = [1024 * int(number) for number in told]
    return min(
        [*kib, *(int(limit) for limit in limits if limit.isdecimal())], default=float('inf')
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except OSError:
        return ''
