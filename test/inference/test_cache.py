"""The cache of converted models, where it cannot be written, is damaged, or is shared."""

from collections.abc import Callable
import os
from pathlib import Path
import signal
import subprocess
import sys

import numpy as np
import pytest
from sfnet_ros import inference
from sfnet_ros.errors import BackendError
from sfnet_ros.inference.cache import cached, unkept

pytest.importorskip('openvino', reason='its backend is what uses the cache')
PACKAGE = Path(__file__).parents[2]
# Loads a model in a process of its own and writes the ids of a picture.
SERVE = """
import resource, sys
from pathlib import Path
import numpy as np
from sfnet_ros import inference
model, picture, ids, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
backend = inference.load(model, backend='openvino', precision='fp32')
found = backend.infer(np.load(picture))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
np.save(ids, found)
print(backend.reason)
"""


@pytest.fixture
def serve(
    model_folder: Path, picture: np.ndarray, tmp_path: Path
) -> Callable[..., subprocess.Popen]:
    """Return a function that starts such a process with a cache folder."""
    np.save(tmp_path / 'picture.npy', picture[None])

    def start(cache: Path, ids: Path, limit: int = 0) -> subprocess.Popen:
        arguments = (model_folder, tmp_path / 'picture.npy', ids, limit)
        return subprocess.Popen(
            [sys.executable, '-c', SERVE, *map(str, arguments)],
            env=os.environ | {'XDG_CACHE_HOME': str(cache)},
            cwd=PACKAGE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def fails_to_write(path: Path) -> None:
    path.write_bytes(b'half')
    raise OSError(28, 'No space left on device')


def test_what_was_made_whole_is_found_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    path = cached('a.bin', (1, 'x'), lambda path: path.write_bytes(b'first'))
    assert path.parent == tmp_path / 'sfnet_ros' and path.stat().st_mode & 0o700
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert cached('a.bin', (1, 'x'), fails_to_write) == path and unkept(path) == ''
    assert cached('a.bin', (2, 'x'), lambda path: path.write_bytes(b'other')) != path
    assert cached('a.bin', (1, 'x'), lambda path: path.write_bytes(b'new'), anew=True) == path
    assert path.read_bytes() == b'new'


@pytest.mark.parametrize(
    ('name', 'content'), [('{}', b'fjrst'), ('{}', b''), ('{}.sha256', b''), ('{}.sha256', None)]
)
def test_what_is_no_longer_what_was_written_is_made_anew(
    name: str, content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    path = cached('a.bin', (), lambda path: path.write_bytes(b'first'))
    damaged = path.with_name(name.format(path.name))
    damaged.unlink() if content is None else damaged.write_bytes(content)
    assert cached('a.bin', (), lambda path: path.write_bytes(b'again')) == path
    assert path.read_bytes() == b'again'
    assert cached('a.bin', (), fails_to_write) == path
    checked = subprocess.run(['sha256sum', '-c', f'{path.name}.sha256'], cwd=path.parent)
    assert checked.returncode == 0


KILLED = """
import os, signal
from sfnet_ros.inference.cache import cached
def make(path):
    path.write_bytes(b'half')
    os.mkdir(f'{path}.folder')
    os.kill(os.getpid(), signal.SIGKILL)
cached('a.bin', (), make)
"""


def test_what_a_killed_process_left_goes_when_the_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('SFNET_CACHE_DIR', str(tmp_path))
    killed = subprocess.run([sys.executable, '-c', KILLED], cwd=PACKAGE, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert {p.is_dir() for p in tmp_path.glob('.*.a.bin.*.*')} == {False, True}
    path = cached('a.bin', (), lambda path: path.write_bytes(b'whole'))
    assert path.read_bytes() == b'whole'
    assert {p.name for p in tmp_path.iterdir()} == {path.name, f'{path.name}.sha256'}


def test_a_failure_that_is_not_of_writing_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    calls = []

    def fail(path: Path) -> None:
        calls.append(path)
        raise BackendError('it needs the package onnx')

    with pytest.raises(BackendError, match='it needs the package onnx'):
        cached('a.bin', (), fail)
    assert len(calls) == 1


def test_where_nothing_can_be_written_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(BackendError, match=r'neither .* nor .* can be written .*No space left'):
        cached('a.bin', (), fails_to_write)
    assert not list((tmp_path / 'sfnet_ros').iterdir())


def test_a_folder_that_cannot_be_made_or_written_is_no_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    path = cached('a.bin', (), lambda path: path.write_bytes(b'x'))
    assert path.read_bytes() == b'x' and tmp_path not in path.parents
    assert 'cannot be written, so every start converts the model' in unkept(path)
    assert cached('a.bin', (), fails_to_write) == path
    if os.geteuid() == 0:
        return  # may write everywhere
    (tmp_path / 'locked' / 'sfnet_ros').mkdir(parents=True)
    (tmp_path / 'locked' / 'sfnet_ros').chmod(0o500)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'locked'))
    assert unkept(cached('a.bin', (3,), lambda path: path.write_bytes(b'x')))


def test_what_the_cache_has_no_room_for_is_made_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))

    def make(path: Path) -> None:
        if tmp_path in path.parents:
            fails_to_write(path)
        path.write_bytes(b'whole')

    path = cached('a.bin', (4,), make)
    assert path.read_bytes() == b'whole' and unkept(path)
    assert not list((tmp_path / 'sfnet_ros').iterdir())


def test_a_model_is_served_without_a_cache(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: np.ndarray
) -> None:
    expected = inference.load(str(model_folder), backend='openvino', precision='fp32')
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    served = inference.load(str(model_folder), backend='openvino', precision='fp32')
    assert f'the cache folder {tmp_path}/file/sfnet_ros cannot be written' in served.reason
    np.testing.assert_array_equal(served.infer(picture[None]), expected.infer(picture[None]))


def test_full_disks_are_told(serve: Callable[..., subprocess.Popen], tmp_path: Path) -> None:
    """No file may grow beyond a megabyte there, in the temporary folder neither."""
    full = serve(tmp_path / 'cache', tmp_path / 'ids.npy', limit=1 << 20)
    _, problem = full.communicate(timeout=120)
    assert 'BackendError: neither' in problem and 'File too large' in problem
    assert not list((tmp_path / 'cache' / 'sfnet_ros').glob('*.onnx'))


def test_two_processes_may_convert_one_model_at_once(
    serve: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    both = [serve(tmp_path / 'cache', tmp_path / f'{number}.npy') for number in range(2)]
    for process in both:
        reason, problem = process.communicate(timeout=240)
        assert process.returncode == 0, problem
        assert 'agrees with fp32 of PyTorch on 100' in reason and 'converts' not in reason
    np.testing.assert_array_equal(*(np.load(tmp_path / f'{number}.npy') for number in range(2)))
    kept = {path.name.split('.', 1)[1] for path in (tmp_path / 'cache/sfnet_ros').glob('*.*')}
    assert kept == {'onnx', 'onnx.sha256', 'ids.npy', 'ids.npy.sha256'}
