"""Why no image comes, or no mask: what is seen on the graph, and what to do about it."""

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind, QoSProfile
from rclpy.topic_endpoint_info import TopicEndpointInfo

# How the graph says that there is no deadline; some middlewares have it a little shorter.
_INFINITE_NS = 2**62
# An end of a topic is seen before the name of its node; until then the graph calls it so.
_NAMELESS = '_NODE_NAME_UNKNOWN_'
_NAMES_EVERY_S = 0.5
_NAMES_TRIES = 10
IMAGE_TYPES = {'raw': 'sensor_msgs/msg/Image', 'compressed': 'sensor_msgs/msg/CompressedImage'}


def explain_silence(node: Node, topic: str, transport: str, silent_s: float) -> str:
    """Return why no image may have come: who publishes what, how, and what to do about it."""
    start = f'no image on {topic} for {silent_s:.0f} s: '
    expected = IMAGE_TYPES[transport]
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return f'{start}no one publishes it. {_other_topics(node, topic)}'
    seen = f'{len(publishers)} publisher(s) seen: {"; ".join(map(_describe, publishers))}. '
    if all(publisher.topic_type != expected for publisher in publishers):
        return (
            f'{start}{seen}Expected type {expected}: set image_transport to raw or compressed as '
            'the topic is, or remap image to another topic'
        )
    return (
        f'{start}{seen}If the camera runs, its images get lost on the way: set '
        "FASTDDS_BUILTIN_TRANSPORTS='DEFAULT?sockets_size=4MB' for the camera driver, or start "
        'this node with transport:=receive; a reliable override of this subscription does not '
        'match a best-effort camera'
    )


def warn_of_incompatible(
    node: Node, topic: str, event: Any, explain: Callable[[Node, str, str], str]
) -> None:
    """
    Log what an incompatible-QoS event means, as soon as the names of both sides are known.

    :param explain: one of the two functions below.
    """
    policy = qos_policy_name_from_kind(event.last_policy_kind)
    tries = iter(range(_NAMES_TRIES))

    def attempt() -> None:
        text = explain(node, topic, policy)
        if _NAMELESS not in text or next(tries, None) is None:
            node.destroy_timer(timer)
            node.get_logger().warning(text)

    # Simulated time may stand still.
    timer = node.create_timer(
        _NAMES_EVERY_S, attempt, clock=Clock(clock_type=ClockType.STEADY_TIME)
    )


def explain_incompatible_publisher(node: Node, topic: str, policy: str) -> str:
    """Return what a publisher that our subscription does not match means, and what to do."""
    return (
        f'a publisher on {topic} offers a quality of service that this subscription does not '
        f'accept ({policy}): no image will come from it. {_both_sides(node, topic)}. Expected is '
        'best effort and volatile, which match every publisher: remove '
        f'qos_overrides.{topic}.subscription.*'
    )


def explain_incompatible_subscription(node: Node, topic: str, policy: str) -> str:
    """Return what a subscriber that our publisher does not match means, and what to do."""
    return (
        f'a subscriber on {topic} asks for a quality of service that is not offered ({policy}): '
        f'it will get nothing. {_both_sides(node, topic)}. Let it ask for volatile, or change '
        f'what is offered by qos_overrides.{topic}.publisher.*'
    )


def _both_sides(node: Node, topic: str) -> str:
    publishers = '; '.join(map(_describe, node.get_publishers_info_by_topic(topic)))
    subscribers = '; '.join(map(_describe, node.get_subscriptions_info_by_topic(topic)))
    return f'Offered: {publishers or "nothing any more"}. Asked for: {subscribers or "nothing"}'


def _other_topics(node: Node, topic: str) -> str:
    found = sorted(
        name
        for name, types in node.get_topic_names_and_types()
        if set(types) & set(IMAGE_TYPES.values()) and name != topic
        if node.count_publishers(name) and '/segmentation/' not in name
    )
    if not found:
        return 'No other topic has images either: start the camera, or check ROS_DOMAIN_ID'
    return f'Topics with images are {", ".join(found)}: remap image to one of them'


def _describe(endpoint: TopicEndpointInfo) -> str:
    qos: QoSProfile = endpoint.qos_profile
    name = f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'
    kinds = [qos.reliability.name.lower(), qos.durability.name.lower()]
    # The other two that may keep ends apart, where they are not the defaults.
    if 0 < qos.deadline.nanoseconds < _INFINITE_NS:
        kinds.append(f'deadline {qos.deadline.nanoseconds / 1e9:g} s')
    if qos.liveliness.name.startswith('MANUAL'):
        kinds.append(f'liveliness {qos.liveliness.name.lower()}')
    return f'{name} ({endpoint.topic_type}, {", ".join(kinds)})'
