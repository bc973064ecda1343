"""
Official key names: strict translation of published state dicts into ours.

Ours are the official names with two changes: the stages of a ResNet stand under ``backbone.``, and
what no forward pass runs (tensors of training, second names of one tensor, dead layers) is not kept.
"""

from collections.abc import Mapping
import re

import torch
from torch import nn, Tensor

from ..errors import CheckpointError

# In official files, but never run by any official forward pass, in training or after.
_DEAD = (
    re.compile(r'backbone\.(conv_last|fc|bn|linear)\.'),  # STDC's classifier
    re.compile(r'head\.fpn_in\.2\.'),  # SFNet-Lite on ResNet-18
    re.compile(r'head\.dsn\.'),  # SFNet-Lite; training only elsewhere
)
_STDC_ALIAS = re.compile(r'backbone\.x(?:2|4|8|16|32)\.0\.(\d+)\.')
_RESNET_STAGE = re.compile(r'layer[0-4]\.')


def from_official_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """
    Rename the keys of a published state dict to ours; no key is dropped but exact duplicates.

    One ``module.`` prefix is taken off, ResNet stages move under ``backbone.``, the auxiliary layer
    of SRNet under ``head.``, and the second names of STDC's tensors are folded into the first.

    :raises CheckpointError: when two names of one tensor hold different values.
    """
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        name = _our_name(key)
        twin = renamed.get(name)
        if twin is not None and not torch.equal(twin, value):
            raise CheckpointError(
                f'{key} and its second name {name} hold different values; they are one tensor in '
                'the published network, so the file is damaged or was edited'
            )
        renamed[name] = value
    return renamed


def official_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of our state dict to the official ones (no second names, no dead layers)."""
    return {
        key.removeprefix('backbone.')
        if _RESNET_STAGE.match(key.removeprefix('backbone.'))
        else key.replace('head.aux.', 'aux_layer.aux.', 1): value
        for key, value in state.items()
    }


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """
    Load a state dict of ours or a published one into a network of this package, strictly.

    Every key must be used or be known as never run; a missing ``num_batches_tracked`` is harmless.
    The network is unchanged when an error is raised.

    :raises CheckpointError: naming what is missing, unknown or of another shape.
    """
    expected = network.state_dict()
    found = from_official_names(state)
    used = {key: value for key, value in found.items() if key in expected}
    unknown = [key for key in found if key not in expected and not _is_dead(key)]
    missing = [
        key for key in expected if key not in found and not key.endswith('num_batches_tracked')
    ]
    reshaped = [
        f'{key}: found {tuple(value.shape)}, expected {tuple(expected[key].shape)}'
        for key, value in used.items()
        if value.shape != expected[key].shape
    ]
    problems = [
        f'{len(keys)} {title} ({"; ".join(keys[:3])}{"; ..." if len(keys) > 3 else ""})'
        for title, keys in (
            ('missing', missing),
            ('unknown', unknown),
            ('of another shape', reshaped),
        )
        if keys
    ]
    if problems:
        raise CheckpointError(
            f'the weights do not fit this network: of {len(expected)} tensors expected and '
            f'{len(found)} found, {", ".join(problems)}'
        )
    network.load_state_dict(expected | used, strict=True)


def _our_name(key: str) -> str:
    name = _STDC_ALIAS.sub(r'backbone.features.\1.', key.removeprefix('module.'))
    if _RESNET_STAGE.match(name):
        return f'backbone.{name}'
    return name.replace('aux_layer.aux.', 'head.aux.', 1)


def _is_dead(key: str) -> bool:
    return any(pattern.match(key) for pattern in _DEAD)
