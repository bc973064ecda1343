"""What the node tells about itself: diagnostics, a status for each camera."""

from collections.abc import Mapping, Sequence
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from .camera import Camera
from .counters import PERCENTILES, Snapshot
from .explanations import explain_silence
from ..inference import Backend

SILENCE_S = 5.0
_EXPLAIN_EVERY_S = 60.0
# The state of a change of the model; what is being loaded, or what failed, follows.
IDLE, LOADING, FAILED = 'idle', 'loading', 'failed'


class Reporter:
    """Publishes diagnostics, and explains a silence, each time it is asked to."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._before: dict[Camera, Snapshot] = {}
        self._before_s = time.monotonic()

    def report(
        self, state: str, cameras: Sequence[Camera], backend: Backend | None, swap: str
    ) -> None:
        """Report on the time since the last call."""
        now_s = time.monotonic()
        now = {camera: camera.counters.snapshot() for camera in cameras}
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        for camera in cameras:
            before = self._before.get(camera, now[camera])
            elapsed_s = now_s - self._before_s
            message.status.append(
                self._status(camera, state, now[camera], before, elapsed_s, backend, swap)
            )
        self._before, self._before_s = now, now_s
        self._publisher.publish(message)

    def _status(
        self,
        camera: Camera,
        state: str,
        now: Snapshot,
        before: Snapshot,
        elapsed_s: float,
        backend: Backend | None,
        swap: str,
    ) -> DiagnosticStatus:
        rates_hz = (
            (now.received - before.received) / elapsed_s,
            (now.published - before.published) / elapsed_s,
        )
        silent_s = time.monotonic() - now.last_received_s if state == 'active' else 0.0
        silent_s = silent_s if silent_s >= SILENCE_S else 0.0
        if silent_s:
            self._node.get_logger().warning(
                explain_silence(self._node, camera.topic, camera.transport, silent_s),
                throttle_duration_sec=_EXPLAIN_EVERY_S,
            )
        level, text = judge(state, camera.topic, rates_hz[1], now, before, silent_s, swap)
        name = f'{self._node.get_fully_qualified_name().lstrip("/")}: segmentation'
        name += f' of {camera.name}' if camera.name else ''
        return diagnose(name, level, text, rates_hz, now, backend, swap)


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
    name: str,
    level: bytes,
    text: str,
    rates_hz: tuple[float, float],
    now: Snapshot,
    backend: Backend | None,
    swap: str,
) -> DiagnosticStatus:
    """Return the status of a camera; rates are of frames in and out."""
    values = {
        'swap': swap,
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
    return DiagnosticStatus(
        level=level,
        name=name,
        message=text,
        hardware_id=backend.device if backend else '',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def loading(asked: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """Return the state of loading a model, told by the parameters in which it differs."""
    changes = (f'{name} {value!r}' for name, value in asked.items() if value != before[name])
    return f'{LOADING} {", ".join(changes)}'
