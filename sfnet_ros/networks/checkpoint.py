"""
Official key names: strict translation of published state dicts into ours.

Ours are the official names with two changes: the stages of a ResNet stand under ``backbone.`` and
the auxiliary layer of SRNet under ``head.``, and what no forward pass runs (second names of one
tensor, dead layers) is not kept.
"""

from collections.abc import Mapping
from functools import lru_cache
import re
from typing import NamedTuple

import torch
from torch import nn, Tensor

from .network import create_network, PAIRS
from ..errors import CheckpointError

# In official files, but never run by any official forward pass, in training or after.
_DEAD = (
    re.compile(r'backbone\.(conv_last|fc|bn|linear)\.'),  # STDC's classifier
    re.compile(r'head\.fpn_in\.2\.'),  # SFNet-Lite on ResNet-18
    re.compile(r'head\.dsn\.'),  # SFNet-Lite; training only elsewhere
)
_STDC_ALIAS = re.compile(r'backbone\.x(?:2|4|8|16|32)\.0\.(\d+)\.')
_CLASSIFIERS = ('head.conv_last.1.weight', 'head.final.4.weight')
_RESNET_STEM = re.compile(r'^(conv1|bn1)\.')
_RESNET_STAGE = re.compile(r'layer[0-4]\.')


def from_official_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """
    Rename the keys of a published state dict to ours; no key is dropped but exact duplicates.

    One ``module.`` prefix is taken off, ResNet stages move under ``backbone.``, the auxiliary
    layer of SRNet under ``head.``, and the second names of STDC's tensors are folded into the
    first.

    :raises CheckpointError: when two names of one tensor hold different values.
    """
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        name = _our_name(key)
        twin = renamed.get(name)
        if twin is not None and not torch.equal(twin, value):
            raise CheckpointError(
                f'{key} and the other name of {name} hold different values, but are one tensor in '
                'the published network: the file is damaged or was edited, get it again'
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

    :raises CheckpointError: naming what is missing, unknown or of another shape, and the network
        that the weights fit better.
    """
    expected = network.state_dict()
    found = from_official_names(state)
    if problems := _problems(expected, found):
        raise CheckpointError(
            f'the weights do not fit this network: {problems}; {_remedy(_shapes(expected), found)}'
        )
    network.load_state_dict(_used(expected, found), strict=True)


def load_backbone(backbone: nn.Module, state: Mapping[str, Tensor]) -> None:
    """
    Load a published ImageNet classifier into the backbone of a network, strictly.

    Read are the official files of the deep-stem ResNets, DF1, DF2, STDC1 and STDC2; their
    classifiers are left out. The backbone is unchanged when an error is raised.

    :raises CheckpointError: naming what is missing, unknown or of another shape.
    """
    found = from_official_names(
        {
            f'backbone.{_RESNET_STEM.sub(_stem_stage, key.removeprefix("module."))}': value
            for key, value in state.items()
        }
    )
    expected = {f'backbone.{key}': value for key, value in backbone.state_dict().items()}
    if problems := _problems(expected, found):
        raise CheckpointError(
            f'the ImageNet weights do not fit this backbone: {problems}; expected the file of '
            'the same backbone from the authors of SFNet'
        )
    used = _used(expected, found)
    backbone.load_state_dict({key.removeprefix('backbone.'): used[key] for key in used})


def _stem_stage(match: re.Match) -> str:
    return 'layer0.0.' if match[1] == 'conv1' else 'layer0.1.'


def _used(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what is expected with the values found; a missing counter keeps its own."""
    return {key: found.get(key, value) for key, value in expected.items()}


def _problems(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Return what is wrong with the found tensors, or ''."""
    unknown = [key for key in found if key not in expected and not _is_dead(key)]
    missing = [
        key for key in expected if key not in found and not key.endswith('num_batches_tracked')
    ]
    reshaped = [
        f'{key}: found {tuple(found[key].shape)}, expected {tuple(value.shape)}'
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    listed = [
        f'{len(keys)} {title} ({"; ".join(keys[:3])}{"; ..." if len(keys) > 3 else ""})'
        for title, keys in (
            ('missing', missing),
            ('unknown', unknown),
            ('of another shape', reshaped),
        )
        if keys
    ]
    if not listed:
        return ''
    return f'of {len(expected)} tensors expected and {len(found)} found, {", ".join(listed)}'


class Match(NamedTuple):
    """How well weights fit a network: ``share`` is that of tensors alike, 1.0 when all are."""

    network: str
    backbone: str
    num_classes: int
    share: float


def identify(state: Mapping[str, Tensor]) -> list[Match]:
    """Rank all networks of this package by how well a state dict fits them, the best first."""
    state = from_official_names(state)
    num_classes = class_count(state) or 19
    found = _shapes(state)
    ranked = []
    for name, backbone in PAIRS:
        expected = _expected_shapes(name, backbone, num_classes)
        match = Match(name, backbone, num_classes, _share(expected, found))
        ranked.append((match.share, len(expected), match))
    # Of two that fit alike, the one that uses more of the file is meant.
    ranked.sort(key=lambda entry: entry[:2], reverse=True)
    return [match for _, _, match in ranked]


def class_count(state: Mapping[str, Tensor]) -> int:
    """Return the number of classes of a state dict in our names; 0 if it has no classifier."""
    for key in _CLASSIFIERS:
        if key in state and state[key].ndim:
            return len(state[key])
    return 0


# Making all of them takes two seconds, and a node may be given wrong weights more than once.
@lru_cache(maxsize=2 * len(PAIRS))
def _expected_shapes(name: str, backbone: str, num_classes: int) -> dict[str, tuple[int, ...]]:
    with torch.device('meta'):
        return _shapes(create_network(name, backbone, num_classes).state_dict())


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {
        key: tuple(value.shape)
        for key, value in state.items()
        if not key.endswith('num_batches_tracked')
    }


def _share(expected: Mapping[str, tuple], found: Mapping[str, tuple]) -> float:
    """Return the share of tensors alike among all that are expected, or found and not dead."""
    alike = expected.items() & found.items()
    relevant = expected.keys() | {key for key in found if not _is_dead(key)}
    return len(alike) / len(relevant)


def _remedy(expected: Mapping[str, tuple], found: Mapping[str, Tensor]) -> str:
    best = identify(found)[0]
    name = f'{best.network} on {best.backbone} with {best.num_classes} classes'
    if best.share == 1:
        return f'they are those of {name}: ask for exactly that'
    if best.share < 0.5:
        return 'no network of this package is near; expected the weights of one of them'
    if best.share > _share(expected, _shapes(found)):
        return (
            f'no network fits them, nearest is {name} ({best.share:.0%} of the tensors): ask for '
            'that network, with a complete file'
        )
    return 'no other network is nearer, so the file is damaged or was edited: get it again'


def _our_name(key: str) -> str:
    name = _STDC_ALIAS.sub(r'backbone.features.\1.', key.removeprefix('module.'))
    if _RESNET_STAGE.match(name):
        return f'backbone.{name}'
    return name.replace('aux_layer.aux.', 'head.aux.', 1)


def _is_dead(key: str) -> bool:
    return any(pattern.match(key) for pattern in _DEAD)
