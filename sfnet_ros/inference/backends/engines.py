"""
Engines of TensorRT: which library there is, how one is built, and the file that it is kept in.

TensorRT 10 and 11 and TensorRT-RTX have in common all that is used here. The network is strongly
typed: precision is what the ONNX file says, and no flag of the builder changes it.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
import hashlib
from importlib import import_module
from importlib.util import find_spec
import json
from pathlib import Path
import re
import signal
import threading
from typing import Any

from . import Progress
from ..cuda import Device
from ...errors import BackendError

# In the order they are tried: a full TensorRT knows more GPUs than TensorRT-RTX. The last one is
# how TensorRT-RTX is called where only its bindings were installed.
LIBRARIES = ('tensorrt', 'tensorrt_rtx', 'tensorrt_rtx_bindings')
_LEAST_VERSION = (10, 3)
_LEAST_VERSION_RTX = (1, 0)
_INSTALL = 'pip install tensorrt (on a Jetson it is part of JetPack 6.1 and later)'


def installed() -> list[str]:
    """Return which libraries there seem to be, without importing one."""
    return [name for name in LIBRARIES if find_spec(name)]


def find_library() -> Any:
    """
    Import the first TensorRT that is installed and works; only call it where there is a GPU.

    :raises BackendError: when there is none, or why each cannot be imported or is too old.
    """
    problems = []
    for name in installed():
        try:
            return _checked(import_module(name))
        except BackendError as error:
            problems.append(str(error))
        except Exception as error:  # a broken installation may raise anything
            problems.append(
                f'{name} is installed but cannot be imported ({error}); install it again: '
                f'{_INSTALL}'
            )
    raise BackendError('; '.join(problems) or f'TensorRT is not installed: {_INSTALL}')


def _checked(library: Any) -> Any:
    version = str(getattr(library, '__version__', 'unknown'))
    least = _LEAST_VERSION_RTX if 'rtx' in library.__name__ else _LEAST_VERSION
    found = tuple(int(number) for number in re.findall(r'\d+', version)[:2])
    if found < least:
        raise BackendError(
            f'{library.__name__} is version {version}; expected {least[0]}.{least[1]} or newer: '
            f'{_INSTALL}'
        )
    return library


@cache
def logger(library: Any) -> Any:
    """Return the one logger that a process may have; ``errors`` holds what went wrong last."""

    class Logger(library.ILogger):
        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=3)

        def log(self, severity: Any, message: str) -> None:
            if severity in (library.ILogger.ERROR, library.ILogger.INTERNAL_ERROR):
                self.errors.append(message.strip()[:200])

        def reason(self) -> str:
            return '; '.join(self.errors) or 'no reason was given'

    return Logger()


def create(library: Any, kind: str) -> Any:
    """
    Return a new ``Builder`` or ``Runtime`` of TensorRT, which asks the driver for its version.

    :raises BackendError: when TensorRT cannot work with it.
    """
    log = logger(library)
    log.errors.clear()
    try:
        return getattr(library, kind)(log)
    except TypeError as error:
        # What the bindings say of a null pointer.
        raise BackendError(
            f'{library.__name__} {library.__version__} does not start ({log.reason()}); '
            'expected a driver for the CUDA that it was built with: compare nvidia-smi, update '
            'the driver, or install another TensorRT'
        ) from error


def build_engine(
    library: Any,
    model: Path,
    memory_mb: int = 0,
    progress: Progress | None = None,
    batch: int = 1,
) -> bytes:
    """
    Build the engine of an ONNX file for the GPU at hand, which takes minutes with TensorRT.

    :param memory_mb: what the layers may use beside weights and features, 0 for all there is.
    :param batch: the most images at once, of a file that leaves this open.
    :raises BackendError: when the file cannot be parsed, or no engine comes of it.
    """
    # All of it stays referenced to the end: the builder uses them without owning them.
    builder, log = create(library, 'Builder'), logger(library)
    flag = 1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flag)
    parser = library.OnnxParser(network, log)
    if not parser.parse_from_file(str(model)):
        errors = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise BackendError(
            f'{library.__name__} {library.__version__} cannot read the exported model: '
            f'{"; ".join(errors)[:500]}; use another version, or another backend'
        )
    config = builder.create_builder_config()
    _limit_batch(builder, network, config, batch)
    if memory_mb:
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, memory_mb << 20)
    monitor = _monitor(library, progress) if progress else None
    if monitor:
        config.progress_monitor = monitor
    if batch == 1 and hasattr(library.BuilderFlag, 'REQUIRE_USER_ALLOCATION'):
        # Of TensorRT-RTX: an engine that may ask for memory while it runs cannot be recorded.
        config.set_flag(library.BuilderFlag.REQUIRE_USER_ALLOCATION)
    with _heeding_interrupts(monitor):
        plan = builder.build_serialized_network(network, config)
    if monitor and monitor.interruption:
        raise monitor.interruption
    if plan is None:
        raise BackendError(
            f'{library.__name__} {library.__version__} built no engine ({log.reason()}); free '
            'memory of the GPU, or use another version or backend'
        )
    if progress:
        progress('engine built', 1.0)
    return bytes(plan)


def _limit_batch(builder: Any, network: Any, config: Any, batch: int) -> None:
    """Let the engine take one image, whose kernels are made for that, or any number up to some."""
    images = network.get_input(0)
    size = tuple(images.shape)[1:]
    if batch == 1:
        images.shape = (1, *size)
        return
    profile = builder.create_optimization_profile()
    # Quickest where all are there at once: it is then that time is short.
    profile.set_shape(images.name, (1, *size), (batch, *size), (batch, *size))
    config.add_optimization_profile(profile)


def _monitor(library: Any, progress: Progress) -> Any:
    class Monitor(library.IProgressMonitor):
        """
        Phases lie within each other: each counts for its part of a step of the one around.

        TensorRT prints what is raised here and goes on: ``interruption`` keeps what is to be
        raised afterwards, and the step that is completed next ends the build.
        """

        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)
            self.phases: dict[str, list[Any]] = {}
            self.share = 0.0
            self.interruption: BaseException | None = None

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self.phases[phase] = [parent, max(steps, 1), 0]
            self.tell(phase)

        def step_complete(self, phase: str, step: int) -> bool:
            if phase in self.phases:
                self.phases[phase][2] = step + 1
                self.tell(phase)
            return self.interruption is None

        def phase_finish(self, phase: str) -> None:
            self.phases.pop(phase, None)

        def tell(self, phase: str) -> None:
            share, at = 0.0, phase
            while at in self.phases:
                parent, steps, done = self.phases[at]
                share, at = min((done + share) / steps, 1.0), parent
            # A finished phase is forgotten before its parent counts it.
            self.share = max(self.share, share)
            try:
                progress(phase, self.share)
            except Exception as error:  # whoever shows the progress may fail in any way
                self.interruption = error

    return Monitor()


@contextmanager
def _heeding_interrupts(monitor: Any) -> Iterator[None]:
    """
    Let Ctrl-C end a build, and soon.

    Python would raise it wherever TensorRT calls back, where it is only printed.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if monitor is None or not ours or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        monitor.interruption = KeyboardInterrupt()

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def identity(library: Any, device: Device) -> dict[str, str]:
    """Return what a plan is good for beside its model: this very version on this kind of GPU."""
    return {
        'runtime': library.__name__,
        'version': str(library.__version__),
        'device': device.name,
        'capability': device.capability,
    }


def write_plan(path: Path, plan: bytes, made_for: dict[str, str]) -> None:
    """Write a plan behind a line of JSON that says what it is."""
    header = made_for | {'sha256': hashlib.sha256(plan).hexdigest()}
    path.write_bytes(json.dumps(header).encode() + b'\n' + plan)


def read_plan(path: Path, expected: dict[str, str]) -> bytes:
    """
    Read a plan back; a damaged one could crash the runtime and never reaches it.

    :raises BackendError: when it is damaged, or made for something else.
    """
    line, _, plan = path.read_bytes().partition(b'\n')
    try:
        header = dict(json.loads(line))
    except (ValueError, TypeError):
        header = {}
    for key, value in (expected | {'sha256': hashlib.sha256(plan).hexdigest()}).items():
        if header.get(key) != value:
            raise BackendError(
                f'the engine {path} has {key} {header.get(key)!r}, expected {value!r}: it is '
                'damaged or of another machine; delete it'
            )
    return plan
