"""Models that become one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sfnet_ros import inference
from sfnet_ros.cli import main
from sfnet_ros.errors import ModelError
from sfnet_ros.inference.averaging import average_models
from sfnet_ros.inference.models import file_sha256, read_facts, write_facts

FILE = 'weights.safetensors'


@pytest.fixture
def pair(make_model: Callable[..., Path]) -> list[Path]:
    """Make two models, of which the second went on from the first."""
    one, other = make_model('model0'), make_model('model1')
    rng = np.random.default_rng(0)
    weights = {
        key: value + rng.normal(0, 0.01, value.shape).astype(value.dtype)
        if value.dtype.kind == 'f'
        else value
        for key, value in load_file(other / FILE).items()
    }
    save_file(weights, other / FILE)
    write_facts(other, replace(read_facts(other), sha256=file_sha256(other / FILE)))
    return [one, other]


def test_weights_are_averaged_by_their_shares(
    pair: list[Path], tmp_path: Path, picture: np.ndarray
) -> None:
    facts = average_models(pair, [3, 1], tmp_path / 'both')
    one, other, both = (load_file(folder / FILE) for folder in (*pair, tmp_path / 'both'))
    assert both.keys() == one.keys()
    different = 0
    for key, value in both.items():
        assert value.dtype == one[key].dtype
        if value.dtype.kind == 'f':
            assert np.allclose(value, 0.75 * one[key] + 0.25 * other[key], atol=1e-6), key
            different += not np.array_equal(one[key], other[key])
    assert different
    assert facts == read_facts(tmp_path / 'both')
    shares = [(row['name'], row['share']) for row in facts.about['averaged']]
    assert shares == [('model0', 0.75), ('model1', 0.25)]
    # The node's own check of the checksum, and a pass through the network.
    backend = inference.load(str(tmp_path / 'both'), backend='torch', precision='fp32')
    assert backend.infer(picture[None]).shape == (1, *picture.shape[:2])


def test_the_command_takes_shares(
    pair: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / 'both'
    assert main(['models', 'average', str(pair[0]), f'{pair[1]}:3', '--output', str(output)]) == 0
    assert 'the average of 2' in capsys.readouterr().out
    assert [row['share'] for row in read_facts(output).about['averaged']] == [0.25, 0.75]
    assert main(['models', 'average', str(pair[0]), 'x:y', '--output', str(tmp_path / 'n')]) == 1
    assert 'x:y is no model with a share; expected FOLDER' in capsys.readouterr().err


def test_what_does_not_belong_together_is_refused(
    pair: list[Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    target = tmp_path / 'new'
    grey = make_model('grey', mean=(0.4, 0.4, 0.4))
    with pytest.raises(ModelError, match='model0 and grey differ in mean; expected models of'):
        average_models([pair[0], grey], [1, 1], target)
    with pytest.raises(ModelError, match='found 1 models'):
        average_models(pair[:1], [1], target)
    with pytest.raises(ModelError, match='shares above zero'):
        average_models(pair, [1, 0], target)
    with pytest.raises(ModelError, match='exists; expected a new folder'):
        average_models(pair, [1, 1], grey)
    (pair[1] / FILE).write_bytes(b'damaged')
    with pytest.raises(
        ModelError, match=r'has sha256 .*, expected .* as model.yaml says: .* restore it'
    ):
        average_models(pair, [1, 1], target)
    assert not list(tmp_path.glob('*new*'))
