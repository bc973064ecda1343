"""Image to class ids: model choice, backends and the seam between them."""

from collections.abc import Callable
from functools import partial
import sys

import cv2

from .backends import Backend, Prediction, Progress
from .choice import choose_model, ModelChoice
from .cuda import has_device_file
from .models import BACKBONE_NAMES, ModelFacts, NETWORK_NAMES
from ..errors import BackendError, EngineMissingError

__all__ = [
    'BACKBONE_NAMES',
    'BACKENDS',
    'Backend',
    'ModelChoice',
    'ModelFacts',
    'NETWORK_NAMES',
    'PRECISIONS',
    'Prediction',
    'Progress',
    'choose_model',
    'load',
]

# Where it is found, the import of OpenVINO forks the process and sends a report to its makers.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]

BACKENDS = ('auto', 'tensorrt', 'openvino', 'torch')
PRECISIONS = ('auto', 'fp32', 'bf16', 'fp16', 'int8')
# Opens a model in a precision, for a reason.
_Opener = Callable[[ModelChoice, str, str], Backend]


def load(
    weights: str = '',
    network: str = '',
    backbone: str = '',
    dataset: str = '',
    input_height: int = 0,
    input_width: int = 0,
    backend: str = 'auto',
    precision: str = 'auto',
    build: bool = True,
    progress: Progress | None = None,
    checked: bool = True,
    batch: int = 1,
) -> Backend:
    """
    Load a model onto the best runtime at hand; empty and zero arguments leave it to the model.

    :param weights: '' for a shipped model, its name, a model folder, or a checkpoint file.
    :param dataset: the taxonomy the weights were trained for.
    :param input_height, input_width: the size that the network sees, in pixels.
    :param backend: ``auto`` takes the first that works of tensorrt, torch on a GPU, openvino and
        torch; its ``reason`` says why those before were not taken.
    :param precision: ``int8`` is never chosen by itself: ``sfnet export`` makes its file.
    :param build: False: ``auto`` passes over a backend that would have to build its engine first,
        which takes minutes, and what is loaded instead is ``provisional``.
    :param progress: told, while an engine is built, what is being done and the share that is done.
    :param checked: False: a precision is used whatever the parity check finds. Only to time
        networks that are not trained, whose ids hang on the last bit.
    :param batch: the most images at once that an engine is built for; others take any number.
    :raises ModelError: when no model fits, or its files are damaged.
    :raises BackendError: when the backend cannot be used.
    """
    _check('backend', backend, BACKENDS)
    _check('precision', precision, PRECISIONS)
    choice = choose_model(weights, network, backbone, dataset, input_height, input_width)
    tensorrt = partial(_open_tensorrt, progress=progress, checked=checked, batch=batch)
    openers: dict[str, _Opener] = {
        'tensorrt': partial(tensorrt, build=True),
        'openvino': partial(_open_openvino, checked=checked),
        'torch': partial(_open_torch, checked=checked),
    }
    if backend != 'auto':
        return _opened(openers[backend], choice, precision, 'asked for')
    if not has_device_file():
        steps = [openers['openvino'], openers['torch']]
        return _first_that_works(steps, choice, precision, 'no NVIDIA GPU was found; ')
    steps = [
        partial(tensorrt, build=build),
        partial(_open_torch_on_gpu, checked=checked),
        openers['openvino'],
        partial(_open_torch, checked=checked, device='cpu'),
    ]
    return _first_that_works(steps, choice, precision)


def _check(title: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BackendError(f'{title} is {value!r}; expected one of {", ".join(allowed)}')


def _first_that_works(
    steps: list[_Opener], choice: ModelChoice, precision: str, skipped: str = ''
) -> Backend:
    """Open the first that can be; ``skipped`` begins the reasons for those that were not."""
    missing = False
    for open_backend in steps:
        try:
            loaded = _opened(open_backend, choice, precision, f'{skipped}first that works')
        except BackendError as error:
            skipped += f'{error}; '
            missing = missing or isinstance(error, EngineMissingError)
        else:
            loaded.provisional = missing
            return loaded
    raise BackendError(f'no backend can be used: {skipped.rstrip("; ")}')


def _opened(open_backend: _Opener, choice: ModelChoice, precision: str, reason: str) -> Backend:
    """Open a backend; raises BackendError also for what runtimes raise where memory is short."""
    try:
        return open_backend(choice, precision, reason)
    except (RuntimeError, MemoryError, cv2.error) as error:
        # A GPU that PyTorch was not built for among them: its kernels are missing.
        facts = choice.facts
        what = str(error).strip().partition('\n')[0] or type(error).__name__
        raise BackendError(
            f'{facts.name} cannot be run at {facts.input_height}x{facts.input_width} ({what}); '
            'expected a runtime that knows the device, and memory enough: set a smaller '
            'input_height and input_width, or use another backend'
        ) from error


def _open_tensorrt(
    choice: ModelChoice,
    precision: str,
    reason: str,
    build: bool,
    progress: Progress | None,
    checked: bool,
    batch: int,
) -> Backend:
    from .backends.tensorrt import TensorRTBackend

    return TensorRTBackend(choice, precision, reason, build, progress, checked, batch)


def _open_openvino(choice: ModelChoice, precision: str, reason: str, checked: bool) -> Backend:
    try:
        from .backends.openvino import OpenVINOBackend
    except ImportError as error:
        raise BackendError(
            f'openvino cannot be imported ({error}): pip install openvino'
        ) from error
    return OpenVINOBackend(choice, precision, reason, checked)


def _open_torch(
    choice: ModelChoice, precision: str, reason: str, checked: bool, device: str = ''
) -> Backend:
    try:
        from .backends.torch import TorchBackend
    except ImportError as error:
        raise BackendError(f'PyTorch cannot be imported ({error}): pip install torch') from error
    return TorchBackend(choice, precision, reason, device, checked)


def _open_torch_on_gpu(choice: ModelChoice, precision: str, reason: str, checked: bool) -> Backend:
    """Only for where there is a GPU: the import of PyTorch takes seconds that a CPU can spare."""
    try:
        from .backends.torch import has_cuda
    except ImportError as error:
        raise BackendError(f'PyTorch cannot be imported ({error}): pip install torch') from error
    if not has_cuda():
        raise BackendError('PyTorch cannot use the GPU here: install a build with CUDA')
    return _open_torch(choice, precision, reason, checked, 'cuda')
