"""Read weight files: our safetensors and the checkpoints of others, never running their code."""

from pathlib import Path
import pickle
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
import torch
from torch import Tensor

from .choice import ModelChoice
from .models import file_sha256
from .. import taxonomies
from ..errors import CheckpointError
from ..networks import class_count, from_official_names


def read_state(path: Path) -> dict[str, Tensor]:
    """
    Return the state dict in a file, on the CPU; keys are as the file has them.

    Read are safetensors, and PyTorch files that hold a state dict, bare or under ``state_dict``
    beside an optimizer's state, as the official trainer writes them.

    :raises CheckpointError: for a damaged file, or one that needs code to be run.
    """
    try:
        if path.suffix == '.safetensors':
            return load_file(path)
        content = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f'{path} is refused: it is damaged, or holds objects beside tensors and plain '
            f'containers, which would run code when loaded ({_first_line(error)}); expected a '
            'state dict: save it again with torch.save(model.state_dict(), ...)'
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f'{path} cannot be read, it is truncated or no checkpoint ({_first_line(error)}); '
            'expected a safetensors or PyTorch file: copy or download it again'
        ) from error
    return _tensors(path, content)


def read_weights(choice: ModelChoice) -> dict[str, Tensor]:
    """
    Read the weights of a model, in our names.

    :raises CheckpointError: when the file is not the one of the facts, or was trained for another
        number of classes.
    """
    facts, path = choice.facts, choice.weights
    if choice.verified and (found := file_sha256(path)) != facts.sha256:
        raise CheckpointError(
            f'{path} has sha256 {found[:12]}..., expected {facts.sha256[:12]}... as model.yaml '
            'says: the file is damaged or was replaced; restore it or import it again'
        )
    state = from_official_names(read_state(path))
    check_classes(path, state, facts.taxonomy)
    return state


def check_classes(path: Path, state: dict[str, Tensor], taxonomy: str) -> None:
    """Raise CheckpointError when weights in our names were trained for other classes."""
    found, expected = class_count(state), len(taxonomies.get(taxonomy).classes)
    if found and found != expected:
        raise CheckpointError(
            f'{path} was trained for {found} classes, but {taxonomy} has {expected}; '
            'set dataset to the taxonomy of the weights'
        )


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    state = content.get('state_dict', content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state:
        raise CheckpointError(
            f'{path} holds {type(state).__name__}; expected a dict of tensors by name'
        )
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f'{path}: {key!r} is {type(value).__name__}; expected a dict of tensors by name, '
                'bare or under "state_dict"'
            )
    return state


def _first_line(error: Exception) -> str:
    return str(error).strip().partition('\n')[0][:200]
