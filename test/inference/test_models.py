"""Facts of models: read strictly, refused with a reason."""

from dataclasses import replace
from pathlib import Path

import pytest
from sfnet_ros import networks
from sfnet_ros.errors import ModelError
from sfnet_ros.inference.models import (
    BACKBONE_NAMES,
    file_sha256,
    models_folder,
    NETWORK_NAMES,
    read_facts,
    shipped_models,
    write_facts,
)
import yaml


def test_names_are_those_of_the_networks() -> None:
    assert set(NETWORK_NAMES) == set(networks.NETWORKS)
    assert set(BACKBONE_NAMES) == set(networks.BACKBONES)


def test_facts_survive_writing_and_reading(model_folder: Path, tmp_path: Path) -> None:
    facts = replace(read_facts(model_folder), mean=(0.1, 0.2, 0.3), about={'licence': 'ours'})
    write_facts(tmp_path, facts)
    assert read_facts(tmp_path) == facts


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('network', 'unet', "network is 'unet'; expected one of sfnet_lite"),
        ('backbone', 'vgg', "backbone is 'vgg'; expected one of resnet18"),
        ('taxonomy', 'moon', "taxonomy is 'moon'; expected one of cityscapes"),
        ('channel_order', 'brg', "channel_order is 'brg'; expected one of rgb, bgr"),
        ('input_height', 0, 'input_height is 0; expected a whole number of pixels'),
        ('input_width', '512', "input_width is '512'; expected a whole number"),
        ('std', [1, 0, 1], 'std is .* expected three numbers above zero'),
        ('mean', [1, 2], 'mean is .* expected three numbers'),
        ('mean', 'grey', "mean is 'grey'; expected three numbers"),
        ('colour', 1, r"unknown keys \['colour'\]"),
    ],
)
def test_wrong_facts_are_refused(
    model_folder: Path, tmp_path: Path, key: str, value: object, message: str
) -> None:
    content = yaml.safe_load((model_folder / 'model.yaml').read_text())
    (tmp_path / 'model.yaml').write_text(yaml.safe_dump(content | {key: value}))
    with pytest.raises(ModelError, match=message):
        read_facts(tmp_path)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, 'holds no model.yaml; expected a model folder'),
        ('', 'holds NoneType; expected a mapping'),
        ('a: [', 'cannot be read'),
        ('name: x', "missing keys .*'network'"),
    ],
)
def test_unreadable_facts_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / 'model.yaml').write_text(text)
    with pytest.raises(ModelError, match=message):
        read_facts(tmp_path)


def test_every_shipped_model_is_whole() -> None:
    found = list(shipped_models())
    assert found, f'no models in {models_folder()}'
    for folder, facts in found:
        weights = folder / facts.weights
        assert folder.name == facts.name
        assert weights.stat().st_size < 30e6
        assert file_sha256(weights) == facts.sha256
        assert {'data', 'licence', 'accuracy', 'limits'} <= set(facts.about)
