"""
Settings of the process that make large images travel: they count before ``rclpy.init``.

By default Fast DDS feeds images through 512 KiB of shared memory in pieces of 64 KiB: nearly every
best-effort image that is larger gets lost. It is the publisher's setting that counts.
"""

from collections.abc import Mapping, MutableMapping
import ctypes
from pathlib import Path
import shutil
import sys

from ..errors import ModelError
from ..inference.models import models_folder

VARIABLE = 'FASTDDS_BUILTIN_TRANSPORTS'
# auto enlarges all transports. receive is for a camera that keeps the defaults: it goes without
# shared memory, the node's own outputs included. none leaves everything as it is.
CHOICES = ('auto', 'receive', 'none')
_VALUES = {'auto': 'DEFAULT?sockets_size=4MB', 'receive': 'UDPv4?sockets_size=4MB'}
# The older one is all that Fast DDS 2 knows, and the newer one what Fast DDS 3 asks for.
_PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_OLD_VARIABLE = ('humble', 'iron', 'jazzy')
_OWN = (VARIABLE, *_PROFILE_VARIABLES)
SOCKET_BYTES = 4 << 20
RECEIVE_LIMIT = Path('/proc/sys/net/core/rmem_max')
_SHARED_MEMORY = Path('/dev/shm')
_SEGMENTS_BYTES = 32 << 20
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
        *socket_lines(environ, 'DEFAULT', 'large images from other hosts'),
        *_set_malloc(environ),
    ]


def warnings(
    environ: Mapping[str, str], limit: Path = RECEIVE_LIMIT, memory: Path = _SHARED_MEMORY
) -> list[str]:
    """Return a line for each thing that keeps large images on this host from arriving."""
    return [*socket_lines(environ, 'UDP', 'large images', limit), *_memory_lines(environ, memory)]


def socket_lines(
    environ: Mapping[str, str], transports: str, whose: str, limit: Path = RECEIVE_LIMIT
) -> list[str]:
    """
    Return a line where the kernel does not give sockets the buffers that were asked for.

    :param transports: what the variable begins with where that matters. :param whose: what gets
        lost then.
    """
    if not environ.get(VARIABLE, '').startswith(transports) or not limit.is_file():
        return []
    found = int(limit.read_text())
    if found >= SOCKET_BYTES:
        return []
    return [
        f'net.core.rmem_max is {found}, so that {whose} will be lost; expected at least '
        f'{SOCKET_BYTES}: sudo sysctl net.core.rmem_max={SOCKET_BYTES}'
    ]


def _memory_lines(environ: Mapping[str, str], memory: Path) -> list[str]:
    if environ.get(VARIABLE, '').startswith('UDP') or not memory.is_dir():
        return []
    free = shutil.disk_usage(memory).free
    if free >= _SEGMENTS_BYTES:
        return []
    return [
        f'{memory} has {free >> 20} MiB free, and Fast DDS takes 8 MiB for each node; expected '
        f'{_SEGMENTS_BYTES >> 20} MiB or more: remove what killed nodes left (fastdds shm clean), '
        'or give a container more (docker run --shm-size=256m)'
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
    if reason := _needs_profile(environ):
        return _set_profile(environ, choice, reason)
    environ[VARIABLE] = _VALUES[choice]
    if choice == 'receive':
        return [f'transport: {VARIABLE}={_VALUES[choice]}, for a camera with default settings']
    return [f'transport: {VARIABLE}={_VALUES[choice]}; set it for the camera driver as well']


def _needs_profile(environ: Mapping[str, str]) -> str:
    """Return why Fast DDS does not heed the variable, or ''."""
    if environ.get('ROS_DISTRO') == 'humble':
        return 'Fast DDS of Humble does not know it'
    # Measured: 0 to 3 of 15 images arrive whatever the variable says, and 15 with the profile.
    if environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST':
        return 'Fast DDS ignores it for ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST'
    return ''


def _set_profile(environ: MutableMapping[str, str], choice: str, reason: str) -> list[str]:
    try:
        profile = models_folder().with_name('config') / 'fastdds.xml'
    except ModelError as error:
        return [f'transport: left alone, {error}']
    if choice == 'receive':
        return [
            f'transport: left alone, {VARIABLE} has no effect ({reason}); large images get lost '
            f'unless the camera driver is given {profile}'
        ]
    name = _PROFILE_VARIABLES[environ.get('ROS_DISTRO') in _OLD_VARIABLE]
    environ[name] = str(profile)
    return [
        f'transport: {name}={profile}, as {VARIABLE} has no effect ({reason}); set it for the '
        'camera driver as well'
    ]


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
