"""Image to class ids: model choice, backends and the seam between them."""

from pathlib import Path
import sys

from .backends import Backend, Prediction
from .choice import choose_model, ModelChoice
from .models import BACKBONE_NAMES, ModelFacts, NETWORK_NAMES
from ..errors import BackendError

__all__ = [
    'BACKBONE_NAMES',
    'BACKENDS',
    'Backend',
    'ModelChoice',
    'ModelFacts',
    'NETWORK_NAMES',
    'PRECISIONS',
    'Prediction',
    'choose_model',
    'load',
]

# Where it is found, the import of OpenVINO forks the process and sends a report to its makers.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]

BACKENDS = ('auto', 'openvino', 'torch')
PRECISIONS = ('auto', 'fp32', 'bf16', 'fp16')


def load(
    weights: str = '',
    network: str = '',
    backbone: str = '',
    dataset: str = '',
    input_height: int = 0,
    input_width: int = 0,
    backend: str = 'auto',
    precision: str = 'auto',
) -> Backend:
    """
    Load a model onto the best runtime at hand; empty and zero arguments leave it to the model.

    :param weights: '' for a shipped model, its name, a model folder, or a checkpoint file.
    :param dataset: the taxonomy the weights were trained for.
    :param input_height, input_width: the size that the network sees, in pixels.
    :raises ModelError: when no model fits, or its files are damaged.
    :raises BackendError: when the backend cannot be used.
    """
    for title, value, allowed in (
        ('backend', backend, BACKENDS),
        ('precision', precision, PRECISIONS),
    ):
        if value not in allowed:
            raise BackendError(f'{title} is {value!r}; expected one of {", ".join(allowed)}')
    choice = choose_model(weights, network, backbone, dataset, input_height, input_width)
    if backend != 'auto':
        return _OPENERS[backend](choice, precision, 'asked for')
    skipped = ''
    for open_backend in _OPENERS.values():
        try:
            return open_backend(choice, precision, f'{skipped}first that works')
        except BackendError as error:
            skipped += f'{error}; '
    raise BackendError(f'no backend can be used: {skipped.rstrip("; ")}')


def _open_openvino(choice: ModelChoice, precision: str, reason: str) -> Backend:
    if reason != 'asked for' and _has_cuda():
        raise BackendError('openvino is left out, because PyTorch has a CUDA device')
    try:
        from .backends.openvino import OpenVINOBackend
    except ImportError as error:
        raise BackendError(
            f'openvino cannot be imported ({error}): pip install openvino'
        ) from error
    return OpenVINOBackend(choice, precision, reason)


def _open_torch(choice: ModelChoice, precision: str, reason: str) -> Backend:
    try:
        from .backends.torch import TorchBackend
    except ImportError as error:
        raise BackendError(f'PyTorch cannot be imported ({error}): pip install torch') from error
    return TorchBackend(choice, precision, reason)


def _has_cuda() -> bool:
    """Ask PyTorch only where there is a driver: its import takes seconds that a CPU can spare."""
    if not any(Path(device).exists() for device in ('/dev/nvidiactl', '/dev/nvhost-gpu')):
        return False
    try:
        from .backends.torch import has_cuda
    except ImportError:
        return False
    return has_cuda()


# In the order that auto tries them.
_OPENERS = {'openvino': _open_openvino, 'torch': _open_torch}
