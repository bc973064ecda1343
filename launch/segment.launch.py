"""Start the segmenter: ros2 launch sfnet_ros segment.launch.py image:=/camera/image_raw."""

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, Shutdown
from launch.events.process import ProcessExited
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from sfnet_ros.ros import launching

# Beside this folder in a checkout and in every installation.
ARGUMENTS = launching.arguments(Path(__file__).resolve().parents[1] / 'config' / 'segment.yaml')


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the actions that start the node the way the arguments say."""
    chosen = {
        argument.name: context.launch_configurations[argument.name] for argument in ARGUMENTS
    }
    plan = launching.plan(chosen, os.environ)
    node = Node(
        package='sfnet_ros',
        executable='segmenter',
        name=plan.name,
        namespace=plan.namespace,
        parameters=[
            str(plan.params_file),
            # Typed, because launch would read a text such as 123 as a number.
            {
                name: ParameterValue(
                    value, value_type=list[str] if isinstance(value, list) else type(value)
                )
                for name, value in plan.parameters.items()
            },
        ],
        remappings=plan.remappings,
        ros_arguments=['--log-level', plan.log_level],
        additional_env=plan.environment,
        output='screen',
        respawn=plan.respawn,
        respawn_delay=2.0,
        on_exit=None if plan.respawn else stop,
    )
    return [*(LogInfo(msg=note) for note in plan.notes), node]


def stop(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End the launch with its node, but not twice: that would be an error of its own."""
    if context.is_shutdown:
        return None
    return Shutdown(reason=f'the segmenter ended with exit code {event.returncode}')


def generate_launch_description() -> LaunchDescription:
    """Return the launch description."""
    declared = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
