"""The part of ``sfnet evaluate`` that needs ROS, which is a process of its own."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
import json
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any

from ..errors import DataError
from ..evaluation.models import Setup
from ..evaluation.online import failure
from ..evaluation.samples import SourceSpec

_DEFAULTS = ('', 0, 'auto')


def check_online(setup: Setup) -> None:
    """Raise DataError when there is no ROS, or the node cannot do what is asked for."""
    if setup.scales or setup.flip:
        raise DataError('the node does not average; leave out --online, or --scales and --flip')
    if find_spec('rclpy') is None:
        raise DataError(
            '--online needs ROS 2, and rclpy is not installed here: source its setup.bash, or '
            "pip install '.[ros]'"
        )


def play_online(specs: Sequence[SourceSpec], setup: Setup, node: str) -> list[dict[str, Any]]:
    """
    Play every source to a node in real time; return what came of it, in the same order.

    :param node: full name of a running segmenter, '' for one that is started with the model.
    """
    return [_play(spec, setup, node) for spec in specs]


def _play(spec: SourceSpec, setup: Setup, node: str) -> dict[str, Any]:
    model = {key: value for key, value in setup.model.items() if value not in _DEFAULTS}
    request = {'spec': asdict(spec), 'model': model, 'node': node, 'count_in': setup.count_in}
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / 'request.json', Path(folder) / 'outcome.json'
        asked.write_text(json.dumps(request), encoding='utf-8')
        command = [sys.executable, '-m', 'sfnet_ros.ros.online', str(asked), str(answered)]
        # What the node and the player say goes to standard error: figures stand alone.
        code = subprocess.run(command, stdout=2).returncode
        if not answered.is_file():
            return failure(spec, f'the online evaluation ended with code {code}, see above')
        return json.loads(answered.read_text(encoding='utf-8'))
