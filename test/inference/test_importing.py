"""Checkpoints of others become model folders, or nothing at all."""

from pathlib import Path

import numpy as np
import pytest
from sfnet_ros import inference
from sfnet_ros.errors import CheckpointError, ModelError
from sfnet_ros.inference.importing import import_checkpoint
from sfnet_ros.networks import create_network, official_names
import torch


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """Write a checkpoint as the official trainer does: prefix, optimizer, dead layers, aliases."""
    torch.manual_seed(0)
    network = create_network('sfnet_lite', 'stdc1', 11)
    state = official_names(network.state_dict())
    state |= {
        key.replace('features.0.', 'x2.0.0.'): value
        for key, value in state.items()
        if 'backbone.features.0.' in key
    }
    state['backbone.linear.weight'] = torch.zeros(1000, 1024)
    state['head.dsn.0.weight'] = torch.zeros(128, 128, 3, 3)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    torch.save(
        {
            'state_dict': {f'module.{key}': value for key, value in state.items()},
            'optimizer': optimizer.state_dict(),
            'epoch': 119,
            'mean_iu': 0.7381,
            'command': 'train.py --arch ...',
        },
        tmp_path / 'official.pth',
    )
    return tmp_path / 'official.pth'


def test_an_official_checkpoint_becomes_a_model(official: Path, picture: np.ndarray) -> None:
    folder = official.parent / 'new' / 'imported'
    facts = import_checkpoint(official, 'sfnet_lite', 'stdc1', 'camvid', folder)
    assert (facts.input_height, facts.input_width) == (720, 960)
    assert facts.about['imported_from'] == 'official.pth'
    assert sorted(path.name for path in folder.parent.rglob('*')) == [
        'imported',
        'model.yaml',
        'weights.safetensors',
    ]
    ours = inference.load(str(folder), input_height=64, input_width=96)
    theirs = inference.load(
        str(official), 'sfnet_lite', 'stdc1', 'camvid', input_height=64, input_width=96
    )
    assert ours.facts.taxonomy == 'camvid'
    assert np.array_equal(ours.infer(picture[None]), theirs.infer(picture[None]))


@pytest.mark.parametrize(
    ('network', 'backbone', 'dataset', 'message'),
    [
        ('sfnet', 'stdc1', 'camvid', 'do not fit'),
        ('sfnet_lite', 'stdc2', 'camvid', 'do not fit'),
        ('sfnet_lite', 'stdc1', 'cityscapes', 'trained for 11 classes, but cityscapes has 19'),
    ],
)
def test_what_does_not_fit_leaves_nothing(
    official: Path, network: str, backbone: str, dataset: str, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(official, network, backbone, dataset, official.parent / 'model')
    assert [path.name for path in official.parent.iterdir()] == ['official.pth']


def test_a_full_disk_leaves_nothing(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder appears by one rename, after everything is in it."""

    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('sfnet_ros.inference.importing.write_facts', full)
    with pytest.raises(OSError, match='No space left'):
        import_checkpoint(official, 'sfnet_lite', 'stdc1', 'camvid', official.parent / 'model')
    assert [path.name for path in official.parent.iterdir()] == ['official.pth']


def test_other_files_and_folders_are_refused(official: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='exists; expected a new folder'):
        import_checkpoint(official, 'sfnet_lite', 'stdc1', 'camvid', tmp_path)
    with pytest.raises(ModelError, match=r'nothing\.pth does not exist'):
        import_checkpoint(tmp_path / 'nothing.pth', 'sfnet', 'df1', 'camvid', tmp_path / 'm')
    torch.save({'conv1.0.weight': torch.zeros(1), 'fc.weight': torch.zeros(1)}, tmp_path / 'i.pth')
    with pytest.raises(CheckpointError, match="backbone trained on ImageNet .* 'initial'"):
        import_checkpoint(tmp_path / 'i.pth', 'sfnet', 'resnet18', 'camvid', tmp_path / 'm')
