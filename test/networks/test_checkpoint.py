"""Published checkpoints load strictly, and what does not fit is said."""

from collections.abc import Callable
import re

import pytest
from sfnet_ros.errors import CheckpointError
from sfnet_ros.networks import (
    create_network,
    from_official_names,
    identify,
    load_state,
    official_names,
    PAIRS,
    SegmentationNetwork,
)
import torch
from torch import Tensor

State = dict[str, Tensor]
# The second names of STDC1's features, as published: stage, then the index in the whole list.
_STAGES = {0: 'x2', 1: 'x4', 2: 'x8', 3: 'x8', 4: 'x16', 5: 'x16', 6: 'x32', 7: 'x32'}


def meta_network(network: str, backbone: str, num_classes: int = 19) -> SegmentationNetwork:
    with torch.device('meta'):
        return create_network(network, backbone, num_classes)


def second_name(key: str) -> str:
    match = re.match(r'backbone\.features\.(\d+)\.', key)
    if match is None:
        return key
    return key.replace(match[0], f'backbone.{_STAGES[int(match[1])]}.0.{match[1]}.')


def published(network: SegmentationNetwork) -> State:
    """Return a state dict as a published SFNet-Lite STDC1 file has it, every value another."""
    state = {
        key: torch.rand(value.shape) if value.is_floating_point() else torch.tensor(7)
        for key, value in official_names(network.state_dict()).items()
    }
    state |= {second_name(key): value.clone() for key, value in state.items()}
    dead = ['backbone.conv_last.conv.weight', 'backbone.fc.weight', 'backbone.bn.running_mean']
    dead += ['backbone.linear.weight', 'head.dsn.0.weight', 'head.dsn.4.bias']
    return state | {key: torch.rand(3) for key in dead}


@pytest.fixture(scope='module')
def network() -> SegmentationNetwork:
    return create_network('sfnet_lite', 'stdc1')


@pytest.fixture
def state(network: SegmentationNetwork) -> State:
    return published(network)


def without(state: State, pattern: str) -> State:
    return {key: value for key, value in state.items() if not re.search(pattern, key)}


def assert_loaded(network: SegmentationNetwork, state: State) -> None:
    for key, value in official_names(network.state_dict()).items():
        assert torch.equal(value, state[key]), key


@pytest.mark.parametrize(
    'change',
    [
        pytest.param(lambda state: state, id='as published'),
        pytest.param(lambda state: {f'module.{k}': v for k, v in state.items()}, id='module.'),
        pytest.param(lambda state: without(state, r'\.x\d+\.0\.'), id='first names alone'),
        pytest.param(lambda state: without(state, r'\.features\.'), id='second names alone'),
        pytest.param(lambda state: without(state, r'\.(fc|linear|dsn)\.'), id='dead keys gone'),
        pytest.param(lambda state: dict(reversed(state.items())), id='another order'),
        pytest.param(lambda state: from_official_names(state), id='our names'),
    ],
)
def test_published_state_loads(
    network: SegmentationNetwork, state: State, change: Callable[[State], State]
) -> None:
    load_state(network, change(state))
    assert_loaded(network, state)


def test_missing_batch_counts_are_harmless(network: SegmentationNetwork, state: State) -> None:
    kept = {k: v.clone() for k, v in network.state_dict().items() if k.endswith('_tracked')}
    load_state(network, without(state, 'num_batches_tracked'))
    after = network.state_dict()
    assert kept
    assert all(torch.equal(after[key], value) for key, value in kept.items())
    assert torch.equal(after['backbone.features.3.conv_list.1.conv.weight'],
                       state['backbone.features.3.conv_list.1.conv.weight'])  # fmt: skip


def test_dead_lateral_of_lite_on_resnet18_is_ignored() -> None:
    network = create_network('sfnet_lite', 'resnet18')
    state = official_names(network.state_dict())
    state['head.fpn_in.2.0.weight'] = torch.rand(128, 512, 1, 1)
    load_state(network, state)


def test_deep_supervision_loads_and_is_not_asked_for() -> None:
    supervised = create_network('sfnet_dsn', 'df1')
    state = official_names(supervised.state_dict())
    assert 'head.dsn.1.4.weight' in state
    plain = create_network('sfnet', 'df1')
    load_state(plain, state)
    assert_loaded(plain, state)
    with pytest.raises(CheckpointError, match=r'missing \(head\.dsn\.0\.0\.weight; '):
        load_state(supervised, official_names(plain.state_dict()))


def test_auxiliary_layer_of_srnet_moves_under_the_head() -> None:
    state = official_names(meta_network('srnet', 'resnet50').state_dict())
    assert 'aux_layer.aux.4.weight' in state
    assert 'layer3.5.conv2.weight' in state
    assert 'head.aux.4.weight' in from_official_names(state)


@pytest.mark.parametrize(('name', 'backbone'), PAIRS)
def test_names_translate_there_and_back(name: str, backbone: str) -> None:
    ours = meta_network(name, backbone).state_dict()
    there = official_names(ours)
    assert len(there) == len(ours)
    assert list(from_official_names(there)) == list(ours)


def test_second_names_must_agree(network: SegmentationNetwork, state: State) -> None:
    state['backbone.x16.0.4.conv_list.0.conv.weight'] += 1
    before = network.state_dict()['backbone.features.0.conv.weight'].clone()
    with pytest.raises(CheckpointError, match=r'\.x16\.0\.4\.\S+ and the other name of'):
        load_state(network, state)
    assert torch.equal(network.state_dict()['backbone.features.0.conv.weight'], before)


def dropped(state: State) -> None:
    del state['head.ppm.bottleneck.0.weight']


def added(state: State) -> None:
    state['head.fpn_in.3.0.weight'] = torch.rand(2)


def reshaped(state: State) -> None:
    state['head.conv_last.1.weight'] = torch.rand(11, 128, 1, 1)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (dropped, r'229 found, 1 missing \(head\.ppm\.bottleneck\.0\.weight\).*get it again'),
        (added, r'230 tensors expected .* 1 unknown \(head\.fpn_in\.3\.0\.weight\)'),
        (
            reshaped,
            r'1 of another shape \(head\.conv_last\.1\.weight: found \(11, 128, 1, 1\), '
            r'expected \(19, 128, 1, 1\)\)',
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_loaded(
    network: SegmentationNetwork, state: State, damage: Callable[[State], None], message: str
) -> None:
    state = {k: v for k, v in from_official_names(state).items() if k in network.state_dict()}
    damage(state)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_state(network, state)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ('asked', 'num_classes', 'message'),
    [
        (('sfnet', 'resnet18'), 19, 'they are those of sfnet_lite on stdc1 with 19 classes'),
        (('sfnet_lite_convgate', 'stdc1'), 19, 'those of sfnet_lite on stdc1 with 19 classes'),
        (('sfnet_lite', 'stdc1'), 11, r'expected \(11, .*those of sfnet_lite .* 19 classes'),
    ],
)
def test_wrong_network_is_told_the_right_one(
    state: State, asked: tuple[str, str], num_classes: int, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_state(create_network(*asked, num_classes), state)


def test_part_of_another_network_is_told_the_nearest(state: State) -> None:
    part = without(state, 'flow_gate')
    with pytest.raises(CheckpointError, match='nearest is sfnet_lite on stdc1 .* complete file'):
        load_state(create_network('sfnet', 'stdc1'), part)


@pytest.mark.parametrize(
    'state',
    [{}, {'fc.weight': torch.zeros(10, 4)}, {'head.conv_last.1.weight': torch.tensor(1.0)}],
)
def test_foreign_weights_are_near_to_nothing(network: SegmentationNetwork, state: State) -> None:
    with pytest.raises(CheckpointError, match='no network of this package is near'):
        load_state(network, state)


@pytest.mark.parametrize(
    ('name', 'backbone', 'num_classes'),
    [
        ('sfnet_lite_convgate', 'stdc2', 11),
        ('sfnet_dsn', 'resnet18', 65),
        ('sfnet', 'df2', 19),
        ('fpn', 'efficientnet_lite0', 19),
        ('srnet', 'resnet50', 19),
    ],
)
def test_weights_are_identified(name: str, backbone: str, num_classes: int) -> None:
    state = official_names(meta_network(name, backbone, num_classes).state_dict())
    matches = identify(state)
    assert matches[0] == (name, backbone, num_classes, 1.0)
    assert len(matches) == len(PAIRS)
    shares = [match.share for match in matches]
    assert shares == sorted(shares, reverse=True)
