"""A copied bag tells of damage to the bag, and of nothing else."""

from pathlib import Path

import pytest
from sfnet_ros.cli.bag_copy import copied_bag
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation.frames import IMAGE
from sfnet_ros.scenes.bag import write_street_bag


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Write a bag of one image and its labels."""
    write_street_bag(tmp_path / 'bag', frames=1, size=(48, 64))
    return tmp_path / 'bag'


def test_what_fails_beside_the_bag_is_not_blamed_on_it(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match='no memory is left on the GPU'):
        with copied_bag(source, tmp_path / 'out') as bag:
            for _ in bag:
                raise RuntimeError('no memory is left on the GPU')


def test_a_message_that_is_cut_short_is_damage(source: Path, tmp_path: Path) -> None:
    with copied_bag(source, tmp_path / 'out') as bag:
        data = next(data for _, msgtype, _, data in bag if msgtype == IMAGE)
        assert bag.message(data, IMAGE).height == 48
        with pytest.raises(DataError, match=f'{source} cannot be copied .* expected a whole'):
            bag.message(data[:9], IMAGE)
