"""What the node tells about itself: diagnostics, and why no image comes."""

from collections.abc import Mapping
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.topic_endpoint_info import TopicEndpointInfo

from .counters import Counters, PERCENTILES, Snapshot
from ..inference import Backend

SILENCE_S = 5.0
_EXPLAIN_EVERY_S = 60.0
# The state of a change of the model; what is being loaded, or what failed, follows.
IDLE, LOADING, FAILED = 'idle', 'loading', 'failed'
IMAGE_TYPES = {'raw': 'sensor_msgs/msg/Image', 'compressed': 'sensor_msgs/msg/CompressedImage'}


class Reporter:
    """Publishes diagnostics, and explains a silence, each time it is asked to."""

    def __init__(self, node: Node, counters: Counters) -> None:
        self._node = node
        self._counters = counters
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._before = counters.snapshot()
        self._before_s = time.monotonic()

    def report(
        self, state: str, topic: str, transport: str, backend: Backend | None, swap: str
    ) -> None:
        """Report on the time since the last call; topic and transport are of the images."""
        now_s, now, before = time.monotonic(), self._counters.snapshot(), self._before
        elapsed_s = now_s - self._before_s
        self._before, self._before_s = now, now_s
        rates_hz = (
            (now.received - before.received) / elapsed_s,
            (now.published - before.published) / elapsed_s,
        )
        silent_s = now_s - now.last_received_s if state == 'active' else 0.0
        silent_s = silent_s if silent_s >= SILENCE_S else 0.0
        if silent_s:
            self._node.get_logger().warning(
                explain_silence(self._node, topic, transport, silent_s),
                throttle_duration_sec=_EXPLAIN_EVERY_S,
            )
        level, text = judge(state, topic, rates_hz[1], now, before, silent_s, swap)
        self._publisher.publish(diagnose(self._node, level, text, rates_hz, now, backend, swap))


def judge(
    state: str,
    topic: str,
    rate_hz: float,
    now: Snapshot,
    before: Snapshot,
    silent_s: float,
    swap: str,
) -> tuple[bytes, str]:
    """
    Return the level of the diagnostics and a line that says why.

    :param silent_s: how long no image has come, 0 while it is not yet worth a warning.
    :param swap: the state of a change of the model.
    """
    fresh = {cause: count - before.drops[cause] for cause, count in now.drops.items()}
    if state != 'active':
        return DiagnosticStatus.WARN, f'{state}: images are not read'
    if fresh['failed']:
        return DiagnosticStatus.ERROR, f'{fresh["failed"]} frames failed, see the log'
    if silent_s:
        return DiagnosticStatus.WARN, f'no image on {topic} for {silent_s:.0f} s'
    if fresh['malformed']:
        return DiagnosticStatus.WARN, f'{fresh["malformed"]} malformed images, see the log'
    if fresh['too old'] and now.published == before.published:
        return DiagnosticStatus.WARN, (
            f'all frames are older than max_age_s, the latest {now.age_s:.1f} s: raise it, or set '
            'use_sim_time where the stamps are those of a simulation or a bag'
        )
    if swap.startswith(FAILED):
        return DiagnosticStatus.WARN, f'serving the model before the change, which {swap}'
    if fresh['unwanted'] and now.published == before.published:
        return DiagnosticStatus.OK, 'idle: no one subscribed to an output'
    return DiagnosticStatus.OK, f'{rate_hz:.1f} frames/s'


def diagnose(
    node: Node,
    level: bytes,
    text: str,
    rates_hz: tuple[float, float],
    now: Snapshot,
    backend: Backend | None,
    swap: str,
) -> DiagnosticArray:
    """Return the diagnostics message; rates are of frames in and out."""
    values = {
        'swap': swap,
        'frames in': now.received,
        'frames out': now.published,
        'rate in [1/s]': f'{rates_hz[0]:.2f}',
        'rate out [1/s]': f'{rates_hz[1]:.2f}',
        **{
            f'{name} p{percent} [ms]': f'{value:.1f}'
            for name, values in now.percentiles_ms.items()
            for percent, value in zip(PERCENTILES, values, strict=True)
        },
        'age [s]': f'{now.age_s:.3f}',
        **{f'dropped {cause}': count for cause, count in now.drops.items()},
    }
    if backend:
        values |= {
            'backend': backend.name,
            'reason': backend.reason,
            'device': backend.device,
            'precision': backend.precision,
            'model': backend.facts.name,
            'network': backend.facts.network,
            'backbone': backend.facts.backbone,
            'taxonomy': backend.facts.taxonomy,
            'input size': f'{backend.input_size[1]} x {backend.input_size[0]}',
        }
    status = DiagnosticStatus(
        level=level,
        name=f'{node.get_fully_qualified_name().lstrip("/")}: segmentation',
        message=text,
        hardware_id=backend.device if backend else '',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = node.get_clock().now().to_msg()
    return message


def loading(asked: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """Return the state of loading a model, told by the parameters in which it differs."""
    changes = (f'{name} {value!r}' for name, value in asked.items() if value != before[name])
    return f'{LOADING} {", ".join(changes)}'


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


def explain_incompatible_qos(topic: str, policy: str) -> str:
    """Return what a publisher that does not match means, and what to do."""
    return (
        f'a publisher on {topic} offers a quality of service that this subscription does not '
        f'accept ({policy}): no image will come from it. Expected is best effort and volatile, '
        f'which match every publisher: remove qos_overrides.{topic}.subscription.*'
    )


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


def _describe(publisher: TopicEndpointInfo) -> str:
    qos: QoSProfile = publisher.qos_profile
    name = f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'
    kind = f'{qos.reliability.name.lower()}, {qos.durability.name.lower()}'
    return f'{name} ({publisher.topic_type}, {kind})'
