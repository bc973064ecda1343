"""What the process sets before rclpy.init, and what it leaves alone."""

import ctypes
from pathlib import Path
import shutil
import sys

import pytest
from sfnet_ros.ros import transport

VARIABLE = 'FASTDDS_BUILTIN_TRANSPORTS'


@pytest.mark.parametrize(
    ('choice', 'value'),
    [('auto', 'DEFAULT?sockets_size=4MB'), ('receive', 'UDPv4?sockets_size=4MB')],
)
def test_transports_are_set_and_said(choice: str, value: str) -> None:
    environ = {'ROS_DISTRO': 'jazzy'}
    lines = transport.prepare(environ, choice)
    assert environ[VARIABLE] == value
    assert f'transport: {VARIABLE}={value}' in '\n'.join(lines)


@pytest.mark.parametrize(
    ('environ', 'line'),
    [
        ({VARIABLE: 'SHM'}, f'left alone, {VARIABLE}=SHM is set'),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': 'a.xml'}, 'FASTDDS_DEFAULT_PROFILES_FILE=a.xml is set'),
        (
            {'FASTRTPS_DEFAULT_PROFILES_FILE': 'a.xml'},
            'left alone, FASTRTPS_DEFAULT_PROFILES_FILE',
        ),
        (
            {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'},
            'rmw_cyclonedds_cpp has settings of its own',
        ),
    ],
)
@pytest.mark.parametrize('choice', ['auto', 'receive'])
def test_what_the_user_chose_is_left_alone(
    environ: dict[str, str], line: str, choice: str
) -> None:
    environ = dict(environ)
    before = environ.get(VARIABLE)
    lines = transport.prepare(environ, choice)
    assert environ.get(VARIABLE) == before
    assert line in '\n'.join(lines)


LOCALHOST = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


@pytest.mark.parametrize(
    ('environ', 'variable'),
    [
        ({'ROS_DISTRO': 'humble'}, 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ({'ROS_DISTRO': 'jazzy'} | LOCALHOST, 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ({'ROS_DISTRO': 'lyrical'} | LOCALHOST, 'FASTDDS_DEFAULT_PROFILES_FILE'),
        (LOCALHOST, 'FASTDDS_DEFAULT_PROFILES_FILE'),
    ],
)
def test_where_the_variable_has_no_effect_a_profile_is_set(
    environ: dict[str, str], variable: str
) -> None:
    found = dict(environ)
    lines = transport.prepare(found, 'auto')
    assert VARIABLE not in found
    assert f'transport: {variable}={found[variable]}, as {VARIABLE} has no' in '\n'.join(lines)
    assert Path(found[variable]).read_text().count('<transport_descriptor>') == 2
    # For a camera that keeps the defaults nothing helps there.
    found = dict(environ)
    assert f'left alone, {VARIABLE} has no effect' in '\n'.join(
        transport.prepare(found, 'receive')
    )
    assert not {VARIABLE, variable} & set(found)


def test_none_sets_no_transport() -> None:
    environ: dict[str, str] = {}
    assert 'transport: left alone, as asked' in transport.prepare(environ, 'none')
    assert VARIABLE not in environ


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(
        ValueError, match="transport is 'fast'; expected one of auto, receive, none"
    ):
        transport.prepare({}, 'fast')


@pytest.mark.parametrize(
    ('value', 'limit', 'warns'),
    [
        ('UDPv4?sockets_size=4MB', '212992', True),
        ('UDPv4?sockets_size=4MB', '4194304', False),
        ('DEFAULT?sockets_size=4MB', '212992', False),
    ],
)
def test_small_receive_buffers_are_warned_of(
    tmp_path: Path, value: str, limit: str, warns: bool
) -> None:
    path = tmp_path / 'rmem_max'
    path.write_text(f'{limit}\n')
    lines = transport.warnings({VARIABLE: value}, path, tmp_path / 'missing')
    assert bool(lines) == warns
    assert not warns or 'is 212992' in lines[0] and 'sysctl net.core.rmem_max=4194304' in lines[0]


def test_without_the_kernel_file_nothing_is_said(tmp_path: Path) -> None:
    missing = tmp_path / 'missing'
    assert transport.warnings({VARIABLE: 'UDPv4'}, missing, missing) == []


def test_what_the_sockets_cannot_do_across_hosts_is_said(tmp_path: Path) -> None:
    path = tmp_path / 'rmem_max'
    path.write_text('212992\n')
    environ = {VARIABLE: 'DEFAULT?sockets_size=4MB'}
    (line,) = transport.socket_lines(environ, 'DEFAULT', 'images from other hosts', path)
    assert 'is 212992, so that images from other hosts will be lost' in line
    path.write_text('4194304\n')
    assert not transport.socket_lines(environ, 'DEFAULT', 'images from other hosts', path)


@pytest.mark.parametrize(
    ('value', 'free_mb', 'warns'),
    [('DEFAULT', 20, True), ('', 20, True), ('DEFAULT', 40, False), ('UDPv4', 20, False)],
)
def test_little_shared_memory_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, free_mb: int, warns: bool
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free_mb << 20)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage)
    lines = transport.warnings({VARIABLE: value}, tmp_path / 'missing', tmp_path)
    assert bool(lines) == warns
    assert not warns or f'{tmp_path} has 20 MiB free' in lines[0] and 'expected 32' in lines[0]


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='malloc of glibc')
def test_malloc_keeps_the_memory_of_images() -> None:
    """After prepare 8 MiB come from the heap, where the break is, not from a map of their own."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, 'mallopt'):
        pytest.skip('this C library has no mallopt')
    assert any(line.startswith('malloc: keeps') for line in transport.prepare({}, 'none'))
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
    libc.sbrk.argtypes = [ctypes.c_ssize_t]
    address = libc.malloc(8 << 20)
    assert address < libc.sbrk(0)
    libc.free(address)


@pytest.mark.parametrize('name', ['MALLOC_MMAP_THRESHOLD_', 'GLIBC_TUNABLES'])
def test_malloc_of_the_user_is_left_alone(name: str) -> None:
    assert f'malloc: left alone, {name} is set' in transport.prepare({name: '1'}, 'none')


@pytest.mark.parametrize('there', [True, False])
def test_ament_finds_what_pip_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setattr(sys, 'prefix', str(tmp_path))
    if there:
        (tmp_path / 'share' / 'ament_index').mkdir(parents=True)
    environ: dict[str, str] = {}
    transport.prepare(environ, 'none')
    assert environ == ({'AMENT_PREFIX_PATH': str(tmp_path)} if there else {})
    environ = {'AMENT_PREFIX_PATH': '/opt/ros/jazzy'}
    transport.prepare(environ, 'none')
    assert environ == {'AMENT_PREFIX_PATH': '/opt/ros/jazzy'}
