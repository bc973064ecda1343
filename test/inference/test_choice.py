"""Which weights are meant: names, folders, files, and what does not fit."""

from pathlib import Path

import pytest
from sfnet_ros.errors import ModelError
from sfnet_ros.inference.choice import choose_model, with_input_size
from sfnet_ros.inference.models import DEFAULT_MODEL


def test_nothing_asked_gives_the_default_model() -> None:
    assert choose_model().facts.name == DEFAULT_MODEL


def test_a_folder_and_a_shipped_name_are_found(model_folder: Path) -> None:
    assert choose_model(str(model_folder)).weights == model_folder / 'weights.safetensors'
    assert choose_model(DEFAULT_MODEL).facts.name == DEFAULT_MODEL


def test_a_checkpoint_needs_network_and_backbone(model_folder: Path) -> None:
    path = str(model_folder / 'weights.safetensors')
    with pytest.raises(ModelError, match='does not say its network; set network to one of'):
        choose_model(path)
    with pytest.raises(ModelError, match='does not say its backbone; set backbone to one of'):
        choose_model(path, network='sfnet_lite')
    choice = choose_model(path, network='sfnet_lite', backbone='stdc1')
    assert (choice.facts.taxonomy, choice.verified) == ('cityscapes', False)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            {'network': 'srnet'},
            'no weights are shipped for network srnet; shipped are: sfnet_lite',
        ),
        ({'weights': 'nowhere'}, "weights is 'nowhere': no such folder and no shipped model"),
        ({'weights': '/nowhere/a.pth'}, 'no such file'),
        ({'weights': '/nowhere'}, 'no such folder'),
    ],
)
def test_what_does_not_exist_is_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        choose_model(**arguments)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'network': 'sfnet'}, 'have network sfnet_lite, but sfnet was asked for'),
        ({'backbone': 'resnet18'}, 'have backbone stdc1, but resnet18 was asked for'),
        ({'dataset': 'camvid'}, 'have taxonomy cityscapes, but camvid was asked for'),
    ],
)
def test_weights_of_something_else_are_refused(
    model_folder: Path, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        choose_model(str(model_folder), **arguments)


def test_the_input_size_is_the_models_own_unless_given(model_folder: Path) -> None:
    facts = choose_model(str(model_folder)).facts
    assert with_input_size(facts, 0, 0) == facts
    changed = with_input_size(facts, 96, 0)
    assert (changed.input_height, changed.input_width) == (96, 128)
    with pytest.raises(ModelError, match='input_width is 8; expected'):
        with_input_size(facts, 0, 8)
