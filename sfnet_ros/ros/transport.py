"""
Settings of the process that make large images travel: they count before ``rclpy.init``.

By default Fast DDS feeds images through 512 KiB of shared memory in pieces of 64 KiB: nearly every
best-effort image that is larger gets lost. It is the publisher's setting that counts.
"""

from collections.abc import MutableMapping
import ctypes
from pathlib import Path
import sys

VARIABLE = 'FASTDDS_BUILTIN_TRANSPORTS'
# auto enlarges all transports. receive is for a camera that keeps the defaults: it goes without
# shared memory, the node's own outputs included. none leaves everything as it is.
CHOICES = ('auto', 'receive', 'none')
_VALUES = {'auto': 'DEFAULT?sockets_size=4MB', 'receive': 'UDPv4?sockets_size=4MB'}
_OWN = (VARIABLE, 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_SOCKET_BYTES = 4 << 20
_RECEIVE_LIMIT = Path('/proc/sys/net/core/rmem_max')
# Numbers of glibc's malloc.h. Without the thresholds malloc maps and unmaps every image: 7 ms for
# 6 MB. With more arenas each thread that loads a model leaves memory in another one: measured, a
# node whose model changes grows by two thirds before it stays at that, and with two it does not.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MALLOC = {
    'MALLOC_MMAP_THRESHOLD_': (_M_MMAP_THRESHOLD, 32 << 20),
    'MALLOC_TRIM_THRESHOLD_': (_M_TRIM_THRESHOLD, 512 << 20),
    'MALLOC_ARENA_MAX': (_M_ARENA_MAX, 2),
}


def prepare(environ: MutableMapping[str, str], choice: str = 'auto') -> list[str]:
    """
    Set transport, malloc and the ament path unless the user has set his own.

    :param environ: ``os.environ``, which is changed.
    :param choice: one of CHOICES.
    :return: lines for the log, saying what was set and what was left alone.
    """
    if choice not in CHOICES:
        raise ValueError(f'transport is {choice!r}; expected one of {", ".join(CHOICES)}')
    return [
        *_set_ament_prefix(environ),
        *_set_transports(environ, choice),
        *receive_warnings(environ),
        *_set_malloc(environ),
    ]


def receive_warnings(environ: MutableMapping[str, str], limit: Path = _RECEIVE_LIMIT) -> list[str]:
    """Return a line where UDP alone cannot get buffers large enough for an image."""
    if not environ.get(VARIABLE, '').startswith('UDP') or not limit.is_file():
        return []
    found = int(limit.read_text())
    if found >= _SOCKET_BYTES:
        return []
    return [
        f'net.core.rmem_max is {found}, so that large images will be lost; expected at least '
        f'{_SOCKET_BYTES}: sudo sysctl net.core.rmem_max={_SOCKET_BYTES}'
    ]


def _set_transports(environ: MutableMapping[str, str], choice: str) -> list[str]:
    if choice == 'none':
        return ['transport: left alone, as asked']
    for name in _OWN:
        if name in environ:
            return [f'transport: left alone, {name}={environ[name]} is set']
    middleware = environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp')
    if not middleware.startswith('rmw_fastrtps'):
        return [f'transport: left alone, {middleware} has settings of its own']
    if environ.get('ROS_DISTRO') == 'humble':
        return [
            'transport: left alone, Fast DDS of Humble cannot be set by a variable; large images '
            'need an XML profile with a bigger shared memory segment, named in '
            'FASTRTPS_DEFAULT_PROFILES_FILE, on every node that publishes images'
        ]
    # Measured: with it 0 to 3 of 15 images of 690 KB arrive whatever the transports say, and 15
    # without.
    if environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST':
        return [
            'transport: left alone, Fast DDS ignores the variable while '
            'ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST is set, and large images get lost; unset it '
            'and keep to this host by a ROS_DOMAIN_ID of your own'
        ]
    environ[VARIABLE] = _VALUES[choice]
    if choice == 'receive':
        return [f'transport: {VARIABLE}={_VALUES[choice]}, for a camera with default settings']
    return [f'transport: {VARIABLE}={_VALUES[choice]}; set it for the camera driver as well']


def _set_malloc(environ: MutableMapping[str, str]) -> list[str]:
    own = [name for name in (*_MALLOC, 'GLIBC_TUNABLES') if name in environ]
    if own:
        return [f'malloc: left alone, {", ".join(own)} is set']
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None) if sys.platform == 'linux' else None
    if mallopt is None:
        return ['malloc: left alone, this C library has no mallopt']
    taken = [mallopt(option, value) for option, value in _MALLOC.values()]
    if not all(taken):
        return ['malloc: this C library did not take the settings for large images']
    return ['malloc: keeps the memory of images (mmap threshold 32 MiB, trim 512 MiB, 2 arenas)']


def _set_ament_prefix(environ: MutableMapping[str, str]) -> list[str]:
    """Make ament find what pip installed; a ROS installation sets its own prefix path."""
    if 'AMENT_PREFIX_PATH' in environ or not Path(sys.prefix, 'share', 'ament_index').is_dir():
        return []
    environ['AMENT_PREFIX_PATH'] = sys.prefix
    return [f'AMENT_PREFIX_PATH={sys.prefix}']
