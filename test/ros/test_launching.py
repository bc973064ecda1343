from pathlib import Path

import pytest
from sfnet_ros.ros import launching, transport


@pytest.fixture
def defaults(tmp_path: Path) -> dict[str, str]:
    """Return the default of every argument, with a params file that exists."""
    params_file = tmp_path / 'segment.yaml'
    params_file.write_text('/**:\n  ros__parameters: {}\n')
    return {argument.name: argument.default for argument in launching.arguments(params_file)}


def test_defaults_leave_every_parameter_to_the_params_file(defaults: dict[str, str]) -> None:
    plan = launching.plan(defaults, {})
    assert plan.parameters == {}
    assert (plan.name, plan.namespace, plan.log_level) == ('segmenter', '', 'info')
    assert plan.respawn is False
    assert plan.params_file == Path(defaults['params_file'])


def test_every_default_is_a_choice_and_every_argument_described() -> None:
    for argument in launching.arguments(Path('x.yaml')):
        assert argument.description.endswith('.') or ';' in argument.description
        assert not argument.choices or argument.default in argument.choices


def test_chosen_parameters_have_the_types_of_the_node(defaults: dict[str, str]) -> None:
    chosen = {
        'network': 'sfnet_lite',
        'backbone': 'stdc1',
        'dataset': 'camvid',
        'weights': '123',
        'backend': 'torch',
        'precision': 'fp32',
        'input_height': '512',
        'input_width': '0',
        'image_transport': 'raw',
        'output_ids': 'autoware',
        'output_size': 'network',
        'autostart': 'false',
    }
    parameters = launching.plan({**defaults, **chosen}, {}).parameters
    typed = {**chosen, 'input_height': 512, 'input_width': 0, 'autostart': False}
    assert parameters == typed
    assert {name: type(value) for name, value in parameters.items()} == {
        name: type(value) for name, value in typed.items()
    }


@pytest.mark.parametrize(
    ('image', 'transport', 'topic', 'parameter'),
    [
        ('image', '', 'image', None),
        ('/camera/image_raw', '', '/camera/image_raw', None),
        ('/camera/image_raw', 'raw', '/camera/image_raw', 'raw'),
        ('/camera/image_raw', 'compressed', '/camera/image_raw', 'compressed'),
        ('/camera/image_raw/compressed', '', '/camera/image_raw', 'compressed'),
        ('cam/image/compressed', 'compressed', 'cam/image', 'compressed'),
    ],
)
def test_both_image_topics_are_remapped(
    defaults: dict[str, str], image: str, transport: str, topic: str, parameter: str | None
) -> None:
    plan = launching.plan({**defaults, 'image': image, 'image_transport': transport}, {})
    *images, info = plan.remappings
    assert images == [('image', topic), ('image/compressed', f'{topic}/compressed')]
    assert info == ('camera_info', '/'.join([*topic.split('/')[:-1], 'camera_info']))
    assert plan.parameters.get('image_transport') == parameter


def test_each_of_several_cameras_is_remapped(defaults: dict[str, str]) -> None:
    chosen = {'cameras': 'front, rig/left,', 'image': 'image_raw', 'camera_info': 'info'}
    plan = launching.plan({**defaults, **chosen}, {})
    assert plan.parameters == {'cameras': ['front', 'rig/left']}
    assert plan.remappings == [
        ('front/image', 'front/image_raw'),
        ('front/image/compressed', 'front/image_raw/compressed'),
        ('front/camera_info', 'front/info'),
        ('rig/left/image', 'rig/left/image_raw'),
        ('rig/left/image/compressed', 'rig/left/image_raw/compressed'),
        ('rig/left/camera_info', 'rig/left/info'),
    ]


@pytest.mark.parametrize(
    ('chosen', 'message'),
    [
        (
            {'cameras': 'a,b', 'image': '/c/image'},
            "is '/c/image', which is one topic for 2 cameras",
        ),
        ({'cameras': 'a', 'camera_info': '/info'}, "is '/info', which is one topic"),
        ({'input_height': '12x'}, "input_height is '12x'; expected a whole number of pixels"),
        ({'input_width': '-5'}, "input_width is '-5'; expected a whole number of pixels"),
        ({'image': ''}, "image is ''; expected a topic"),
        ({'image': '/compressed'}, "image is '/compressed'; expected a topic"),
        (
            {'image': '/a/compressed', 'image_transport': 'raw'},
            'image_transport is raw; expected image:=/a for raw',
        ),
        ({'params_file': '/nowhere/x.yaml'}, "params_file is '/nowhere/x.yaml', where no file"),
        ({'params_file': ''}, 'expected a YAML file'),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(
    defaults: dict[str, str], chosen: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        launching.plan({**defaults, **chosen}, {})


@pytest.mark.parametrize(
    ('choice', 'environ', 'environment', 'notes'),
    [
        ('auto', {}, {}, []),
        ('auto', {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'}, {}, []),
        (
            'receive',
            {},
            {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4?sockets_size=4MB'},
            ['FASTDDS_BUILTIN_TRANSPORTS=UDPv4?sockets_size=4MB (transport:=receive)'],
        ),
        (
            'none',
            {},
            {'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT'},
            ['FASTDDS_BUILTIN_TRANSPORTS=DEFAULT (transport:=none)'],
        ),
        (
            'receive',
            {'FASTDDS_BUILTIN_TRANSPORTS': 'SHM'},
            {},
            [
                'FASTDDS_BUILTIN_TRANSPORTS=SHM was set before and is kept: '
                'transport:=receive does nothing'
            ],
        ),
    ],
)
def test_transport(
    defaults: dict[str, str],
    choice: str,
    environ: dict[str, str],
    environment: dict[str, str],
    notes: list[str],
) -> None:
    plan = launching.plan({**defaults, 'transport': choice}, environ)
    assert (plan.environment, plan.notes) == (environment, notes)


def test_the_transports_are_those_of_the_node() -> None:
    assert tuple(launching.TRANSPORTS) == transport.CHOICES
    environ: dict[str, str] = {}
    transport.prepare(environ, 'receive')
    assert environ[transport.VARIABLE] == launching.TRANSPORTS['receive']


def test_the_rest_is_handed_on(defaults: dict[str, str]) -> None:
    chosen = {'name': 'eye', 'namespace': '/front', 'log_level': 'debug', 'respawn': 'true'}
    plan = launching.plan({**defaults, **chosen}, {})
    assert (plan.name, plan.namespace, plan.log_level) == ('eye', '/front', 'debug')
    assert plan.respawn is True
