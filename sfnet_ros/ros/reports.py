"""What the node tells about itself: diagnostics, a status for each camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import resource
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions

from .camera import Camera
from .counters import PERCENTILES, Snapshot
from .explanations import explain_silence
from ..inference import Backend

PERIOD_S = 1.0
SILENCE_S = 5.0
_EXPLAIN_EVERY_S = 60.0
# The state of a change of the model; what is being loaded, or what failed, follows.
IDLE, LOADING, FAILED = 'idle', 'loading', 'failed'
_MEMORY = Path('/proc/self/statm')


@dataclass(frozen=True)
class NodeState:
    """
    What all cameras of the node have in common.

    :param lifecycle: unconfigured, inactive or active.
    :param swap: the state of a change of the model.
    :param failure: why the last transition failed, '' otherwise.
    :param flow_note: why there is no flow where someone asked for it, '' otherwise.
    """

    lifecycle: str
    backend: Backend | None
    swap: str
    failure: str = ''
    flow_note: str = ''


class Reporter:
    """Publishes diagnostics, and explains a silence, each time it is asked to."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(
            DiagnosticArray,
            '/diagnostics',
            10,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._before: dict[Camera, Snapshot] = {}
        self._before_s = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last report is old."""
        return time.monotonic() - self._before_s >= PERIOD_S

    def report(self, node: NodeState, cameras: Sequence[Camera]) -> None:
        """Report on the time since the last call."""
        now_s = time.monotonic()
        now = {camera: camera.counters.snapshot() for camera in cameras}
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        for camera in cameras:
            before = self._before.get(camera, now[camera])
            elapsed_s = now_s - self._before_s
            message.status.append(self._status(camera, node, now[camera], before, elapsed_s))
        self._before, self._before_s = now, now_s
        self._publisher.publish(message)

    def _status(
        self,
        camera: Camera,
        node: NodeState,
        now: Snapshot,
        before: Snapshot,
        elapsed_s: float,
    ) -> DiagnosticStatus:
        rates_hz = (
            (now.received - before.received) / elapsed_s,
            (now.published - before.published) / elapsed_s,
        )
        silent_s = time.monotonic() - now.last_received_s if node.lifecycle == 'active' else 0.0
        silent_s = silent_s if silent_s >= SILENCE_S else 0.0
        if silent_s:
            self._node.get_logger().warning(
                explain_silence(self._node, camera.topic, camera.transport, silent_s),
                throttle_duration_sec=_EXPLAIN_EVERY_S,
            )
        level, text = judge(node, camera.topic, rates_hz[1], now, before, silent_s)
        name = f'{self._node.get_fully_qualified_name().lstrip("/")}: segmentation'
        name += f' of {camera.name}' if camera.name else ''
        return diagnose(name, level, text, rates_hz, now, node)


def judge(
    node: NodeState, topic: str, rate_hz: float, now: Snapshot, before: Snapshot, silent_s: float
) -> tuple[bytes, str]:
    """
    Return the level of the diagnostics and a line that says why.

    :param silent_s: how long no image has come, 0 while it is not yet worth a warning.
    """
    fresh = {cause: count - before.drops[cause] for cause, count in now.drops.items()}
    if node.failure:
        return DiagnosticStatus.ERROR, node.failure
    if node.lifecycle != 'active':
        state = node.swap if node.swap.startswith(LOADING) else node.lifecycle
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
    if node.swap.startswith(FAILED):
        return DiagnosticStatus.WARN, f'serving the model before the change, which {node.swap}'
    if fresh['unwanted'] and now.published == before.published:
        return DiagnosticStatus.OK, 'idle: no one subscribed to a mask or picture'
    return DiagnosticStatus.OK, f'{rate_hz:.1f} frames/s'


def diagnose(
    name: str,
    level: bytes,
    text: str,
    rates_hz: tuple[float, float],
    now: Snapshot,
    node: NodeState,
) -> DiagnosticStatus:
    """Return the status of a camera; rates are of frames in and out."""
    backend = node.backend
    values = {
        'state': node.lifecycle,
        'swap': node.swap,
        'frames in': now.received,
        'frames out': now.published,
        'rate in [1/s]': f'{rates_hz[0]:.2f}',
        'rate out [1/s]': f'{rates_hz[1]:.2f}',
        **{
            f'{stage} p{percent} [ms]': f'{value:.1f}'
            for stage, values in now.percentiles_ms.items()
            for percent, value in zip(PERCENTILES, values, strict=True)
        },
        'age [s]': f'{now.age_s:.3f}',
        **{f'dropped {cause}': count for cause, count in now.drops.items()},
        'memory [MB]': memory_mb(),
    }
    if node.flow_note:
        values['no flow'] = node.flow_note
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
        if (device_mb := backend.memory_mb()) is not None:
            values['device memory [MB]'] = f'{device_mb:.0f}'
    return DiagnosticStatus(
        level=level,
        name=name,
        message=text,
        hardware_id=backend.device if backend else '',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def loading(asked: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """Return the state of loading a model, told by the parameters in which it differs."""
    changes = [f'{name} {value!r}' for name, value in asked.items() if value != before[name]]
    return f'{LOADING} {", ".join(changes) or "the default model"}'


def memory_mb() -> str:
    """Return what the process holds in memory now, '' where the system does not say."""
    try:
        pages = int(_MEMORY.read_text().split()[1])
    except OSError:
        return ''
    return f'{pages * resource.getpagesize() / 2**20:.0f}'
