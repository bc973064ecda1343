"""
Where converted models are kept: a private folder, whole files, keys that tell all.

Beside each file lies its checksum, as ``sha256sum -c`` reads it: a page that was lost when the
power went would else be served as weights.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import fcntl
from functools import cache
import hashlib
import os
from pathlib import Path
import shutil
import tempfile
import threading

from .models import file_sha256
from ..errors import BackendError, ModelError

# Raised whenever graph.py or export.py change what a converted file computes.
GRAPH_VERSION = 2
# Names the folder itself.
FOLDER_VARIABLE = 'SFNET_CACHE_DIR'


def cache_folder() -> Path:
    """
    Return the folder for converted models, made with mode 0700.

    It is ``$SFNET_CACHE_DIR``, or else ``$XDG_CACHE_HOME/sfnet_ros``, by default
    ``~/.cache/sfnet_ros``.

    :raises BackendError: when it cannot be made or written.
    """
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(
            f'the cache folder {folder} cannot be made ({error}); expected a writable place: set '
            f'{FOLDER_VARIABLE} to one (the parameter cache_dir of the node)'
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BackendError(
            f'the cache folder {folder} cannot be written; make it writable, or set '
            f'{FOLDER_VARIABLE} to another place (the parameter cache_dir of the node)'
        ) from PermissionError(folder)
    return folder


def cached(
    kind: str, parts: tuple[object, ...], make: Callable[[Path], None], anew: bool = False
) -> Path:
    """
    Return a file of the cache, made if it is not there or no longer what was written.

    Where the cache cannot be written the file is made in a temporary folder, which goes with the
    process; ``unkept`` tells. Of processes that want one file at once one makes it.

    :param kind: what it is, the end of its name, such as ``logits.onnx``.
    :param parts: everything its content depends on, beside the graph's version.
    :param make: writes the file to the path it is given.
    :param anew: make it even where it is there.
    """
    digest = hashlib.sha256(repr((GRAPH_VERSION, *parts)).encode()).hexdigest()
    name = f'{digest[:32]}.{kind}'
    try:
        return _found(_folder() / name, anew) or _made(cache_folder() / name, make, anew)
    except (OSError, BackendError, ModelError) as error:
        # Only that a file cannot be written is passed over; what else is wrong would come again.
        if not _is_of_writing(error):
            raise
    folder = Path(_temporary_folder().name)
    try:
        return _found(folder / name, anew) or _made(folder / name, make, anew)
    except (OSError, BackendError, ModelError) as error:
        if not _is_of_writing(error):
            raise
        raise BackendError(
            f'neither {_folder()} nor {folder} can be written ({error}); make room, or set '
            f'{FOLDER_VARIABLE} to another place (the parameter cache_dir of the node)'
        ) from error


def unkept(path: Path) -> str:
    """Return what to tell the user of a file that ``cached`` could not keep, '' if it did."""
    if path.parent == _folder():
        return ''
    return (
        f'the cache folder {_folder()} cannot be written, so every start converts the model: make '
        f'room there, or set {FOLDER_VARIABLE} (the parameter cache_dir of the node)'
    )


def _found(path: Path, anew: bool) -> Path | None:
    return path if not anew and _is_whole(path) else None


def _made(path: Path, make: Callable[[Path], None], anew: bool) -> Path:
    partial = path.with_name(f'.{path.name}.{os.getpid()}.{threading.get_ident()}')
    try:
        with _alone(path):
            # Another process may have made it while this one waited.
            if anew or not _is_whole(path):
                # What a process left that was killed while it made the file.
                for left in path.parent.glob(f'.{path.name}.*.*'):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                make(partial)
                checksum = _checksum(partial, path.name)
                os.replace(partial, path)
                _beside(path).write_bytes(checksum)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _is_whole(path: Path) -> bool:
    try:
        return _beside(path).read_bytes() == _checksum(path, path.name)
    except OSError:
        return False


def _checksum(path: Path, name: str) -> bytes:
    return f'{file_sha256(path)}  {name}\n'.encode()


def _beside(path: Path) -> Path:
    return path.with_name(f'{path.name}.sha256')


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from making the same file, which may take minutes."""
    lock = path.with_name(f'.{path.name}.lock')
    with lock.open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Who waits for it has it open, and finds the file that was made.
            lock.unlink(missing_ok=True)


def _is_of_writing(error: Exception) -> bool:
    return isinstance(error, OSError) or isinstance(error.__cause__, OSError)


def _folder() -> Path:
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(os.environ.get(FOLDER_VARIABLE) or Path(base) / 'sfnet_ros').expanduser()


@cache
def _temporary_folder() -> tempfile.TemporaryDirectory:
    """Return a private folder that is removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix='sfnet_ros.')
