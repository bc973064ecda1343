"""``sfnet benchmark --node``: what the ROS part costs, as a table."""

import argparse
import json
import subprocess
import sys
from typing import Any

from ..errors import BackendError

_MODULE = 'sfnet_ros.ros.roundtrip'
_WIDTH = 36


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that only ``--node`` has."""
    group = parser.add_argument_group('with --node')
    group.add_argument('--image-size', default='1024x2048', metavar='HEIGHTxWIDTH')
    group.add_argument('--encoding', default='rgb8', help='rgb8, bgr8, mono8 or jpeg')
    group.add_argument('--rate', default='0', help='frames/s; 0: 3/4 of what the backend can')


def run(options: argparse.Namespace) -> int:
    """Let the measurement run in its own process, print a table, write JSON where asked."""
    backend, _, precision = options.node.partition(':')
    arguments = {
        '--image-size': options.image_size,
        '--encoding': options.encoding,
        '--rate': options.rate,
        '--weights': (options.weights or [''])[0],
        '--size': options.sizes[0] or '0x0',
        '--backend': backend,
        '--precision': precision or 'auto',
        '--rounds': str(options.rounds),
        '--frames': str(options.frames or 30),
    }
    # In a process: what ROS needs counts before it starts, and this command works without ROS.
    done = subprocess.run(
        [sys.executable, '-m', _MODULE, *(part for item in arguments.items() for part in item)],
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise BackendError(
            f'{_MODULE} ended with exit code {done.returncode}, see above; expected ROS 2 or its '
            "pip packages (pip install 'sfnet_ros[ros]') and arguments that it knows"
        )
    figures = json.loads(done.stdout.splitlines()[-1])
    _print(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + '\n', encoding='utf-8')
    return 0


def _print(figures: dict[str, Any]) -> None:
    size, seen = ('{}x{}'.format(*figures[key]) for key in ('image_size', 'input_size'))
    print(
        f'{figures["model"]} on {figures["backend"]} {figures["precision"]}; images {size} '
        f'{figures["encoding"]}, the network sees {seen}'
    )
    print(f'{"":{_WIDTH}}{"p50":>9}{"p95":>9}')
    for title, key in (
        ('camera to mask through the node, ms', 'node_ms'),
        ('bare call of the backend, ms', 'bare_ms'),
        ('added by ROS, ms', 'added_ms'),
    ):
        print(f'{title:{_WIDTH}}{figures[key]["p50"]:>9.1f}{figures[key]["p95"]:>9.1f}')
    stages = ', '.join(f'{name} {value:.1f}' for name, value in figures['stages_ms'].items())
    rows = {
        'of it in the node, p50 in ms': stages,
        f'without a mask at {figures["rate_hz"]:.1f} frames/s': '{lost} of {sent}',
        'lost on the way to the node': '{lost_on_the_way} of {published}',
        'throughput': '{node_per_s:.1f} of {bare_per_s:.1f} frames/s, {throughput:.1%}',
    }
    for title, text in rows.items():
        print(f'{title:{_WIDTH}}  {text.format(**figures)}')
