"""The launch file over the test double of conftest.py: declared arguments and started node."""

import ast
from collections.abc import Callable
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sfnet_ros.ros import launching
import yaml

ROOT = Path(__file__).resolve().parents[2]
PARAMS_FILE = ROOT / 'config' / 'segment.yaml'


def commands() -> dict[str, str]:
    """Return the console scripts that setup.py installs."""
    for node in ast.parse((ROOT / 'setup.py').read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == 'COMMANDS':
            return ast.literal_eval(node.value)
    raise AssertionError('setup.py has no COMMANDS')


def node_parameters() -> ModuleType:
    """Return the node's parameters, where ROS is installed."""
    pytest.importorskip('rclpy')
    return importlib.import_module('sfnet_ros.ros.parameters')


def test_every_argument_is_declared_with_description_and_choices(launch_file: ModuleType) -> None:
    *declared, _ = launch_file.generate_launch_description().entities
    assert [
        (entry.name, entry.default_value, entry.description, tuple(entry.choices or ()))
        for entry in declared
    ] == [
        (argument.name, argument.default, argument.description, argument.choices)
        for argument in launching.arguments(PARAMS_FILE)
    ]


def test_defaults(resolve: Callable[..., Any]) -> None:
    resolved = resolve()
    node = resolved.node
    assert resolved.log == []
    assert node.package == 'sfnet_ros'
    assert node.executable in commands()
    assert (node.name, node.namespace) == ('segmenter', '')
    assert node.parameters == [str(PARAMS_FILE), {}]
    assert [name for name, _ in node.remappings] == ['image', 'image/compressed', 'camera_info']
    assert all(name == topic for name, topic in node.remappings)
    assert node.ros_arguments == ['--log-level', 'info']
    assert PARAMS_FILE.is_file()


def test_every_parameter_is_one_that_the_node_declares(resolve: Callable[..., Any]) -> None:
    specs = {spec.name: spec for spec in node_parameters().SPECS}
    chosen = {
        'network': 'sfnet_lite',
        'backbone': 'stdc1',
        'dataset': 'cityscapes',
        'weights': 'x',
        'backend': 'torch',
        'precision': 'fp32',
        'input_height': '256',
        'input_width': '512',
        'image_transport': 'raw',
        'output_ids': 'autoware',
        'output_size': 'network',
        'autostart': 'true',
    }
    _, parameters = resolve(**chosen).node.parameters
    assert set(parameters) == set(chosen)
    for name, parameter in parameters.items():
        assert parameter.value_type is type(specs[name].default)
        assert node_parameters().problem(name, parameter.value) == ''


def test_the_choices_are_those_of_the_node() -> None:
    specs = {spec.name: spec for spec in node_parameters().SPECS}
    for argument in launching.arguments(PARAMS_FILE):
        spec = specs.get(argument.name)
        if spec is not None and spec.choices:
            assert set(argument.choices) == {'', *spec.choices}


def test_the_params_file_holds_parameters_of_a_node_in_any_namespace() -> None:
    content = yaml.safe_load(PARAMS_FILE.read_text())
    assert list(content) == ['/**']
    names = {spec.name for spec in node_parameters().SPECS}
    assert set(content['/**']['ros__parameters']) <= names


def test_what_was_chosen_reaches_the_node(
    resolve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('FASTDDS_BUILTIN_TRANSPORTS', raising=False)
    params_file = tmp_path / 'mine.yaml'
    params_file.write_text('/**:\n  ros__parameters: {}\n')
    resolved = resolve(
        image='/camera/image_raw',
        image_transport='compressed',
        params_file=str(params_file),
        weights='123',
        input_height='256',
        autostart='false',
        name='eye',
        namespace='/front',
        log_level='warn',
        transport='receive',
    )
    node = resolved.node
    file, parameters = node.parameters
    assert file == str(params_file)
    assert {name: value.value for name, value in parameters.items()} == {
        'weights': '123',
        'input_height': 256,
        'image_transport': 'compressed',
        'autostart': False,
    }
    assert node.remappings == [
        ('image', '/camera/image_raw'),
        ('image/compressed', '/camera/image_raw/compressed'),
        ('camera_info', '/camera/camera_info'),
    ]
    assert (node.name, node.namespace) == ('eye', '/front')
    assert node.ros_arguments == ['--log-level', 'warn']
    assert node.additional_env == {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4?sockets_size=4MB'}
    assert resolved.log == [
        'FASTDDS_BUILTIN_TRANSPORTS=UDPv4?sockets_size=4MB (transport:=receive)'
    ]


def test_several_cameras_are_a_list(resolve: Callable[..., Any]) -> None:
    node = resolve(cameras='front,left', image='image_raw').node
    assert node.parameters[1]['cameras'].value == ['front', 'left']
    assert node.parameters[1]['cameras'].value_type == list[str]
    assert node_parameters().problem('cameras', ['front', 'left']) == ''
    assert ('left/image', 'left/image_raw') in node.remappings


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'network': 'nope'}, 'Argument "network" provided value "nope" is not valid'),
        ({'image_transport': 'theora'}, 'Argument "image_transport"'),
        ({'autostart': 'yes'}, 'Argument "autostart"'),
        ({'input_width': 'wide'}, "input_width is 'wide'"),
    ],
)
def test_a_bad_value_stops_the_launch(
    resolve: Callable[..., Any], given: dict[str, str], message: str
) -> None:
    with pytest.raises((RuntimeError, ValueError), match=message):
        resolve(**given)


def test_the_launch_ends_with_its_node_and_only_once(
    resolve: Callable[..., Any], launch_file: ModuleType
) -> None:
    from launch import LaunchContext  # the test double
    from launch.actions import Shutdown
    from launch.events.process import ProcessExited

    node = resolve().node
    ended = node.on_exit(ProcessExited(returncode=1), LaunchContext())
    assert isinstance(ended, Shutdown)
    assert ended.reason == 'the segmenter ended with exit code 1'
    assert node.on_exit(ProcessExited(returncode=0), LaunchContext(is_shutdown=True)) is None


def test_a_node_that_is_started_again_does_not_end_the_launch(resolve: Callable[..., Any]) -> None:
    node = resolve(respawn='true').node
    assert node.respawn is True
    assert node.on_exit is None
