"""
A recording through the running node in real time; ``sfnet evaluate --online`` starts this process.

The request is a JSON file, and so is what comes of it. Three processes take part: the node, the
player as its camera, and this one, which receives the masks. The clock is the same for all three,
as they run on one machine.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import json
import math
import os
from pathlib import Path
import re
import subprocess
import sys
import tempfile
import time
from typing import Any
import zlib

import numpy as np
import rclpy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from . import transport
from .processes import running
from .recorder import Recorder
from ..errors import DataError, SfnetError
from ..evaluation.frames import open_frames
from ..evaluation.online import compare_masks, failure, outcome, Played
from ..evaluation.samples import SourceSpec

_READY_TIMEOUT_S = 120.0
# A node that runs already says so at once.
_FOUND_TIMEOUT_S = 5.0
_SETTLE_TIMEOUT_S = 30.0
_REPORT_TIMEOUT_S = 5.0
_QUIET = ('--log-level', 'warn')
_STAGE = re.compile(r'(\w+) (p\d+) \[ms\]')


def main(arguments: list[str]) -> int:
    """Answer the request in the first file by an outcome in the second; returns the exit code."""
    request = json.loads(Path(arguments[0]).read_text(encoding='utf-8'))
    spec = SourceSpec(**request['spec'])
    if not request['node']:
        # A node and a camera on the user's own graph would not be told from ours. A domain,
        # because the range LOCALHOST would keep Fast DDS from taking the transport settings.
        os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    transport.prepare(os.environ)
    try:
        result = _evaluate(spec, request)
    except SfnetError as error:
        result = failure(spec, str(error))
    except KeyboardInterrupt:
        return 130
    Path(arguments[1]).write_text(json.dumps(result), encoding='utf-8')
    return 0


class Receiver(Recorder):
    """
    Remembers when the first mask of each stamp came, and on request the masks, compressed.

    :param segmenter: the full name of the node.
    """

    def __init__(self, segmenter: str, keep: bool) -> None:
        self.received_s: dict[int, float] = {}
        self.count = 0
        self._keep = keep
        self._masks: dict[int, tuple[int, bytes]] = {}
        super().__init__(segmenter, overlays=False)

    def take_label(self, message: Image) -> None:
        """Note the time of a mask."""
        now_s, stamp = time.monotonic(), message.header.stamp
        stamp_ns = stamp.sec * 10**9 + stamp.nanosec
        self.count += 1
        if stamp_ns in self.received_s:
            return
        self.received_s[stamp_ns] = now_s
        if self._keep:
            # A hundredth of the memory for a few milliseconds, and after the time was noted.
            self._masks[stamp_ns] = message.width, zlib.compress(message.data, 1)

    def mask(self, stamp_ns: int) -> np.ndarray | None:
        """Return the mask of a stamp, H x W uint8 ids, if one came."""
        if stamp_ns not in self._masks:
            return None
        width, data = self._masks[stamp_ns]
        return np.frombuffer(zlib.decompress(data), np.uint8).reshape(-1, width)

    def wait_for_report(self) -> Mapping[str, str]:
        """Return what the node says of itself; raises SfnetError when it says nothing."""
        deadline_s = time.monotonic() + _REPORT_TIMEOUT_S
        while not self.values:
            if time.monotonic() > deadline_s:
                raise SfnetError(
                    f'no /diagnostics came from the segmenter within {_REPORT_TIMEOUT_S:g} s; '
                    'expected one each second: is its name right (--node)?'
                )
            self.spin(0.1)
        return dict(self.values)


def _evaluate(spec: SourceSpec, request: Mapping[str, Any]) -> dict[str, Any]:
    frames = open_frames(spec.path, spec.topic)
    kind = 'compressed' if frames.compressed else 'raw'
    player = [str(Path(spec.path).expanduser())]
    player += ['--topic', frames.topic] if frames.topic else []
    name = request['node'] or '/segmenter'
    # Ctrl-C raises KeyboardInterrupt, whatever is being waited for.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    receiver = Receiver(name, keep=bool(spec.labels or spec.label_topic))
    try:
        with _segmenter(request, kind) as segmenter:
            before = _wait(receiver, name, segmenter)
            published = _play(player, name, receiver, segmenter)
            receiver.wait_until_settled(_SETTLE_TIMEOUT_S)
    finally:
        receiver.destroy_node()
        rclpy.try_shutdown()
    stamps = [stamp_ns for stamp_ns, _ in published]
    sums = compare_masks(spec, stamps, receiver.mask, receiver.taxonomy, request['count_in'])
    return outcome(spec, _played(published, receiver, before), sums)


@contextmanager
def _segmenter(request: Mapping[str, Any], kind: str) -> Iterator[subprocess.Popen | None]:
    """Run a node with the model that is asked for, unless one runs already."""
    if request['node']:
        yield None
        return
    parameters = {**request['model'], 'image_transport': kind}
    arguments = [part for key, value in parameters.items() for part in ('-p', f'{key}:={value}')]
    with running('start', '--ros-args', *arguments, *_QUIET) as process:
        yield process


def _wait(receiver: Receiver, name: str, segmenter: subprocess.Popen | None) -> Mapping[str, str]:
    """Wait for the node, and return what it says of itself before anything is played."""
    try:
        timeout_s = _READY_TIMEOUT_S if segmenter else _FOUND_TIMEOUT_S
        receiver.wait_until_ready(timeout_s, segmenter)
    except SfnetError as error:
        if segmenter:
            raise
        raise SfnetError(
            f'found no active segmenter of the name {name}; expected a full name as `ros2 node '
            'list` shows it here, of a node with one camera (--node)'
        ) from error
    return receiver.wait_for_report()


def _play(
    arguments: list[str], name: str, receiver: Receiver, segmenter: subprocess.Popen | None
) -> list[tuple[int, float]]:
    """Play a recording while masks are received; return stamp and time of each frame."""
    namespace = name.rpartition('/')[0] or '/'
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / 'times'
        remapping = ('--ros-args', '-r', f'__ns:={namespace}', *_QUIET)
        with running('player', *arguments, '--times', str(times), *remapping) as player:
            while player.poll() is None:
                receiver.spin(0.05)
                if segmenter and segmenter.poll() is not None:
                    raise SfnetError('the segmenter ended while it was played to, see its log')
        if player.returncode:
            raise DataError(f'the player ended with exit code {player.returncode}, see above')
        rows = (line.split() for line in times.read_text(encoding='ascii').splitlines())
        return [(int(stamp_ns), int(sent_ns) / 1e9) for stamp_ns, sent_ns in rows]


def _played(
    published: list[tuple[int, float]], receiver: Receiver, before: Mapping[str, str]
) -> Played:
    """Put together what happened since the node's report before; its stages are its latest."""
    after = receiver.values
    stages: dict[str, dict[str, float]] = {}
    for key, value in after.items():
        # They are nan before the first frame.
        if (match := _STAGE.fullmatch(key)) and math.isfinite(float(value)):
            stages.setdefault(match[1], {})[f'{match[2]}_ms'] = float(value)

    def since(key: str) -> int:
        return int(after[key]) - int(before[key])

    return Played(
        published,
        receiver.received_s,
        receiver.count,
        since('frames in'),
        since('frames out'),
        {key.removeprefix('dropped '): since(key) for key in after if key.startswith('dropped ')},
        {key: after.get(key, '') for key in ('model', 'backend', 'device', 'precision')},
        stages,
    )


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
