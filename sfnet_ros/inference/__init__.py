"""Image to class ids: model choice, backends and the seam between them."""

from .backends import Backend
from .choice import choose_model, ModelChoice, with_input_size
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
    'choose_model',
    'load',
]

BACKENDS = ('auto', 'torch')
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
    choice = choose_model(weights, network, backbone, dataset)
    facts = with_input_size(choice.facts, input_height, input_width)
    try:
        from .backends.torch import TorchBackend
    except ImportError as error:
        raise BackendError(
            f'the torch backend needs PyTorch, which cannot be imported ({error}); '
            'install it with: pip install torch'
        ) from error
    reason = 'asked for' if backend == 'torch' else 'the only backend of this version'
    return TorchBackend(ModelChoice(facts, choice.weights, choice.verified), precision, reason)
