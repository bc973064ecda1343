"""
A test double for the names of launch and launch_ros that our launch file uses.

It is written for these tests and is not launch: it declares, checks choices and resolves, and
starts nothing. test_real_launch.py checks against the real one where that is installed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
import importlib.util
from pathlib import Path
import sys
from types import ModuleType
from typing import Any

import pytest

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'segment.launch.py'


class LaunchDescriptionEntity:
    """Base of everything in a launch description."""


@dataclass
class LaunchContext:
    """Values of the arguments, and whether the launch is ending."""

    launch_configurations: dict[str, str] = field(default_factory=dict)
    is_shutdown: bool = False


@dataclass
class LaunchDescription(LaunchDescriptionEntity):
    """A list of entities."""

    entities: list[LaunchDescriptionEntity]


@dataclass
class DeclareLaunchArgument(LaunchDescriptionEntity):
    """An argument; a value outside its choices is refused, as in launch."""

    name: str
    default_value: str | None = None
    description: str | None = None
    choices: list[str] | None = None

    def execute(self, context: LaunchContext) -> None:
        """Set the default where nothing was given, and check."""
        if self.default_value is None and self.name not in context.launch_configurations:
            raise RuntimeError(f'Required launch argument "{self.name}" was not provided.')
        value = context.launch_configurations.setdefault(self.name, self.default_value or '')
        if self.choices is not None and value not in self.choices:
            raise RuntimeError(f'Argument "{self.name}" provided value "{value}" is not valid.')


@dataclass
class OpaqueFunction(LaunchDescriptionEntity):
    """A function that returns more entities."""

    function: Callable[[LaunchContext], list[LaunchDescriptionEntity] | None]


@dataclass
class LogInfo(LaunchDescriptionEntity):
    """A line for the log."""

    msg: str


@dataclass
class Shutdown(LaunchDescriptionEntity):
    """The end of the launch."""

    reason: str


@dataclass
class ProcessExited:
    """The event that a process ended."""

    returncode: int


@dataclass
class ParameterValue:
    """A value with its type."""

    value: Any
    value_type: type

    def __post_init__(self) -> None:
        """Refuse a value of another type."""
        # list[str] is a type of its own.
        if type(self.value) is not getattr(self.value_type, '__origin__', self.value_type):
            raise TypeError(f'{self.value!r} is no {self.value_type}')


@dataclass(kw_only=True)
class Node(LaunchDescriptionEntity):
    """A process of a ROS executable; any keyword launch_ros does not have is a TypeError."""

    package: str
    executable: str
    name: str | None = None
    namespace: str | None = None
    parameters: list[Any] = field(default_factory=list)
    remappings: list[tuple[str, str]] = field(default_factory=list)
    ros_arguments: list[str] = field(default_factory=list)
    additional_env: dict[str, str] | None = None
    output: str = 'log'
    respawn: bool = False
    respawn_delay: float | None = None
    on_exit: Callable[[ProcessExited, LaunchContext], Any] | None = None


MODULES: dict[str, tuple[type, ...]] = {
    'launch': (LaunchContext, LaunchDescription, LaunchDescriptionEntity),
    'launch.actions': (DeclareLaunchArgument, LogInfo, OpaqueFunction, Shutdown),
    'launch.events': (),
    'launch.events.process': (ProcessExited,),
    'launch_ros': (),
    'launch_ros.actions': (Node,),
    'launch_ros.parameter_descriptions': (ParameterValue,),
}


def load_launch_file() -> ModuleType:
    """Return the launch file as a module, loaded with whatever launch is importable."""
    spec = importlib.util.spec_from_file_location('segment_launch', LAUNCH_FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Resolved:
    """What a launch would do: the lines it logs and the one node that it starts."""

    log: list[str]
    node: Node


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the launch file, loaded over the test double."""
    for name, classes in MODULES.items():
        module = ModuleType(name)
        for class_ in classes:
            setattr(module, class_.__name__, class_)
        monkeypatch.setitem(sys.modules, name, module)
    return load_launch_file()


@pytest.fixture
def resolve(launch_file: ModuleType) -> Callable[..., Resolved]:
    """Return a function from the values of arguments to what the launch would do."""

    def run(**given: str) -> Resolved:
        context = LaunchContext(dict(given))
        description = launch_file.generate_launch_description()
        *arguments, opaque = description.entities
        for argument in arguments:
            argument.execute(context)
        unknown = given.keys() - {argument.name for argument in arguments}
        assert not unknown, f'not declared: {unknown}'
        *log, node = opaque.function(context)
        return Resolved([line.msg for line in log], node)

    return run
