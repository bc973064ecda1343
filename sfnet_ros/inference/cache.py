"""Where converted models are kept: a private folder, whole files, keys that tell all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import fcntl
import hashlib
import os
from pathlib import Path

from ..errors import BackendError

# Raised whenever graph.py or export.py change what a converted file computes.
GRAPH_VERSION = 1
# Names the folder itself.
FOLDER_VARIABLE = 'SFNET_CACHE_DIR'


def cache_folder() -> Path:
    """
    Return the folder for converted models, made with mode 0700.

    It is ``$SFNET_CACHE_DIR``, or else ``$XDG_CACHE_HOME/sfnet_ros``, by default
    ``~/.cache/sfnet_ros``.

    :raises BackendError: when it cannot be made or written.
    """
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    folder = Path(os.environ.get(FOLDER_VARIABLE) or Path(base) / 'sfnet_ros').expanduser()
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
        )
    return folder


def cached(kind: str, parts: tuple[object, ...], make: Callable[[Path], None]) -> Path:
    """
    Return a file of the cache, made if it is not there; only one that was made whole is found.

    :param kind: what it is, the end of its name, such as ``logits.onnx``.
    :param parts: everything its content depends on, beside the graph's version.
    :param make: writes the file to the path it is given.
    """
    digest = hashlib.sha256(repr((GRAPH_VERSION, *parts)).encode()).hexdigest()
    path = cache_folder() / f'{digest[:32]}.{kind}'
    if not path.is_file():
        partial = path.with_name(f'.{path.name}.{os.getpid()}')
        try:
            with _alone(path):
                # Another process may have made it while this one waited.
                if not path.is_file():
                    make(partial)
                    os.replace(partial, path)
        except OSError as error:
            raise BackendError(
                f'{path} cannot be written ({error}); make room or set {FOLDER_VARIABLE}'
            ) from error
        finally:
            partial.unlink(missing_ok=True)
    return path


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
