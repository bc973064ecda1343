"""``sfnet benchmark``: the backends of this machine side by side."""

import argparse
import json
from pathlib import Path
import sys

import numpy as np
from tqdm import tqdm

from . import benchmark_node
from .. import inference
from ..errors import BackendError
from ..inference.benchmark import Configuration, Contender, EAGER

_DEFAULT = ('torch:fp32', 'torch:bf16', 'openvino:fp32', 'openvino:bf16')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet benchmark``."""
    parser.add_argument(
        '--runs',
        nargs='+',
        default=list(_DEFAULT),
        metavar='BACKEND:PRECISION',
        help=f'what to compare with plain PyTorch (default: {" ".join(_DEFAULT)})',
    )
    parser.add_argument('--weights', default='', help='model name or model folder')
    parser.add_argument('--size', default='', metavar='HEIGHTxWIDTH', help='input of the network')
    parser.add_argument('--rounds', type=int, default=10, help='turns of each')
    parser.add_argument('--frames', type=int, help='frames in a turn (2, with --node 30)')
    parser.add_argument(
        '--node',
        nargs='?',
        const='auto',
        metavar='BACKEND:PRECISION',
        help='what the node adds to a backend, from the camera to the mask, instead of --runs',
    )
    benchmark_node.add_arguments(parser)
    parser.add_argument('--json', type=Path, help='write the figures to this file')


def run(options: argparse.Namespace) -> int:
    """Print a table, and write the figures as JSON where asked."""
    if options.node:
        return benchmark_node.run(options)
    height, width = _size(options.size)
    contenders = []
    for name in (EAGER, *options.runs):
        backend, _, precision = name.partition(':')
        if backend != EAGER and backend not in inference.BACKENDS:
            raise BackendError(
                f'{name!r} names no backend; expected BACKEND:PRECISION with one of '
                f'{", ".join(inference.BACKENDS)}'
            )
        configuration = Configuration(backend, precision or 'auto', options.weights, height, width)
        try:
            contender = Contender(configuration)
            contenders.append((contender, contender.read()))
        except BackendError as error:
            print(f'left out: {error}', file=sys.stderr)
    for _ in tqdm(range(options.rounds), desc='benchmark', unit='round'):
        for contender, _ in contenders:
            contender.run(options.frames or 2)
    results = [facts | contender.close() | _figures(contender) for contender, facts in contenders]
    _print(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + '\n', encoding='utf-8')
    return 0


def _figures(contender: Contender) -> dict[str, float]:
    times_ms = np.array(contender.times_s) * 1000
    low, median, high = np.percentile(times_ms, (5, 50, 95))
    return {
        'frames': len(times_ms),
        'p05_ms': round(float(low), 2),
        'median_ms': round(float(median), 2),
        'p95_ms': round(float(high), 2),
        'frames_per_s': round(1000 / float(median), 2),
    }


def _print(results: list[dict]) -> None:
    if not results:
        return
    height, width = results[0]['input_size']
    print(
        f'{results[0]["model"]} at {height}x{width}, image to ids; {results[0]["frames"]} frames'
    )
    columns = ('median ms', 'p05', 'p95', 'frames/s', 'speed-up', 'ids equal', 'peak MB')
    print(f'{"backend":18}' + ''.join(f'{column:>11}' for column in columns))
    eager_ms = next((r['median_ms'] for r in results if r['backend'] == EAGER), None)
    for result in results:
        speed_up = f'{eager_ms / result["median_ms"]:.1f}x' if eager_ms else '-'
        print(
            f'{result["backend"] + " " + result["precision"]:18}{result["median_ms"]:>11.1f}'
            f'{result["p05_ms"]:>11.1f}{result["p95_ms"]:>11.1f}{result["frames_per_s"]:>11.1f}'
            f'{speed_up:>11}{result["agreement"]:>11.2%}{result["memory_mb"]:>11.0f}'
        )


def _size(text: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    height, _, width = text.partition('x')
    if not (height.isdecimal() and width.isdecimal()):
        raise BackendError(f'size is {text!r}; expected HEIGHTxWIDTH, such as 512x1024')
    return int(height), int(width)
