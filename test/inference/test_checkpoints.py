"""Files of weights: what is read, and that nothing in them is ever run."""

from pathlib import Path
import pickle

import pytest
from sfnet_ros.errors import CheckpointError
from sfnet_ros.inference.checkpoints import read_state
from sfnet_ros.networks import class_count, from_official_names
import torch


class Malicious:
    """Leaves a file behind when it is unpickled by a loader that trusts it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return {'module.head.conv_last.1.weight': torch.zeros(11, 4, 1, 1), 'other': torch.ones(3)}


def test_official_and_bare_files_are_read(tmp_path: Path, state: dict) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], 0.1, momentum=0.9)
    official = {
        'state_dict': state,
        'optimizer': optimizer.state_dict(),
        'epoch': 3,
        'mean_iu': 0.79,
        'command': 'train.py',
    }
    for name, content in (('official.pth', official), ('bare.pth', state)):
        torch.save(content, tmp_path / name)
        found = read_state(tmp_path / name)
        assert found.keys() == state.keys()
        assert torch.equal(found['other'], state['other'])
        assert class_count(from_official_names(found)) == 11


def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, state: dict) -> None:
    trace, path = tmp_path / 'trace', tmp_path / 'bad.pth'
    torch.save({'state_dict': state, 'command': Malicious(trace)}, path)
    with pytest.raises(CheckpointError, match=r'bad.pth is refused: .*run code.*weights_only|run'):
        read_state(path)
    assert not trace.exists()


def test_plain_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / 'trace', tmp_path / 'bad.pth'
    path.write_bytes(pickle.dumps(Malicious(trace)))
    with pytest.raises(CheckpointError, match='bad.pth'):
        read_state(path)
    assert not trace.exists()


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize('kept', [0, 10, 200])
def test_truncated_files_are_refused(
    tmp_path: Path, model_folder: Path, suffix: str, kept: int
) -> None:
    path = tmp_path / f'short{suffix}'
    if suffix == '.pth':
        torch.save({'weight': torch.ones(1000)}, path)
        whole = path.read_bytes()
    else:
        whole = (model_folder / 'weights.safetensors').read_bytes()
    path.write_bytes(whole[:kept])
    with pytest.raises(CheckpointError, match=r'short\.(pth|safetensors)'):
        read_state(path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([1, 2], 'holds list; expected a dict of tensors'),
        ({}, 'holds dict; expected a dict of tensors'),
        ({'epoch': 3}, "'epoch' is int; expected a dict of tensors"),
        ({3: torch.ones(2)}, '3 is Tensor; expected a dict of tensors by name'),
    ],
)
def test_files_without_weights_are_refused(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=message):
        read_state(tmp_path / 'x.pth')
