"""``sfnet benchmark``: the backends of this machine side by side."""

import argparse
from contextlib import ExitStack
import json
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from . import benchmark_node
from .benchmark_inputs import write_frames, write_random_model
from .speed_chart import speed_chart
from .. import inference
from ..errors import BackendError, DataError, SfnetError
from ..inference.benchmark import Configuration, Contender, EAGER
from ..inference.cuda import has_device_file
from ..networks import create_network

_ON_CPU = ('torch:fp32', 'torch:bf16', 'openvino:fp32', 'openvino:bf16')
# On a GPU torch means that as well.
_ON_GPU = ('tensorrt:fp32', 'tensorrt:fp16', 'torch:fp32', 'torch:fp16', 'openvino:bf16')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet benchmark``."""
    default = list(_ON_GPU if has_device_file() else _ON_CPU)
    parser.add_argument(
        '--runs',
        nargs='+',
        default=default,
        metavar='BACKEND:PRECISION',
        help=f'what to compare with plain PyTorch (default: {" ".join(default)})',
    )
    parser.add_argument(
        '--weights', nargs='+', default=[], metavar='MODEL', help='model names or model folders'
    )
    parser.add_argument(
        '--networks',
        nargs='+',
        default=[],
        metavar='NETWORK/BACKBONE',
        help='networks to time with random weights, whose ids are not trusted to agree',
    )
    parser.add_argument(
        '--sizes', nargs='+', default=[''], metavar='HEIGHTxWIDTH', help='inputs of the network'
    )
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument('--image', metavar='FILE', help='picture to time on')
    pictures.add_argument(
        '--bag', metavar='SOURCE', help='bag, video or folder: time on frames spread over it'
    )
    parser.add_argument('--topic', default='', help='images of a bag (default: most messages)')
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
    parser.add_argument(
        '--svg', type=Path, help='draw speed against cost (billions of multiply-adds) here'
    )


def run(options: argparse.Namespace) -> int:
    """Print a table for every model and size, and write figures and picture where asked."""
    _check(options)
    if options.node:
        return benchmark_node.run(options)
    results = []
    with TemporaryDirectory(prefix='sfnet_benchmark.') as folder:
        groups = _groups(options, Path(folder))
        with tqdm(total=len(groups) * options.rounds, desc='benchmark', unit='round') as progress:
            for group in groups:
                found = _measured(group, options.rounds, options.frames or 2, progress)
                progress.clear()
                _print(found)
                results += found
    if not results:
        raise BackendError(
            'nothing of this can be run, see above; expected at least one backend and model'
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + '\n', encoding='utf-8')
    if options.svg:
        options.svg.write_text(speed_chart(results), encoding='utf-8')
    return 0


def _check(options: argparse.Namespace) -> None:
    """Find now what would end it after minutes of measuring."""
    for name in ('rounds', 'frames'):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise BackendError(f'found --{name} {value}; expected 1 or more')
    for file in filter(None, (options.json, options.svg)):
        if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
            raise DataError(f'{file} cannot be written; expected a file in a writable folder')


def _groups(options: argparse.Namespace, folder: Path) -> list[list[Configuration]]:
    """Return what is timed side by side; files that it needs are written into the folder."""
    sizes = [_size(text) for text in options.sizes]
    runs = [_run(name) for name in (EAGER, *options.runs)]
    images = [options.image] if options.image else []
    if options.bag:
        images = write_frames(options.bag, options.topic, folder)
    models = [(weights, True) for weights in options.weights]
    networks = dict.fromkeys(options.networks)
    models += [(str(write_random_model(name, folder)), False) for name in networks]
    return [
        [Configuration(*names, weights, *size, tuple(images), checked) for names in runs]
        for weights, checked in models or [('', True)]
        for size in sizes
    ]


def _measured(group: list[Configuration], rounds: int, frames: int, progress: tqdm) -> list[dict]:
    """Time configurations in turns; those that cannot run are named and left out."""
    with ExitStack() as ending:
        contenders = []
        for configuration in group:
            # It may have to convert the model first, or to build an engine, which takes minutes.
            progress.set_postfix_str(f'loading {configuration.backend} {configuration.precision}')
            contender = Contender(configuration)
            ending.callback(contender.end)
            try:
                contenders.append((contender, contender.read()))
            except SfnetError as error:
                print(f'left out: {error}', file=sys.stderr)
        progress.set_postfix_str('')
        for _ in range(rounds):
            for contender, _ in contenders:
                contender.run(frames)
            progress.update()
        results = [
            facts | contender.finish() | _figures(contender) for contender, facts in contenders
        ]
    eager_ms = next((result['median_ms'] for result in results if _is_eager(result)), None)
    for result in results:
        result['speed_up'] = round(eager_ms / result['median_ms'], 2) if eager_ms else None
        result['gmac'] = _gmac(result)
    return results


def _gmac(result: dict) -> float:
    """Count the multiply-adds of one frame, in billions, without weights or memory."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    network, backbone = result['network'].split('/')
    with torch.device('meta'), torch.no_grad(), FlopCounterMode(display=False) as counter:
        create_network(network, backbone).eval()(torch.empty(1, 3, *result['input_size']))
    return round(counter.get_total_flops() / 2e9, 2)


def _run(name: str) -> tuple[str, str]:
    backend, _, precision = name.partition(':')
    if backend != EAGER and backend not in inference.BACKENDS:
        raise BackendError(
            f'{name!r} names no backend; expected BACKEND:PRECISION with one of '
            f'{", ".join(inference.BACKENDS)}'
        )
    if precision and precision not in inference.PRECISIONS:
        raise BackendError(
            f'{name!r} names no precision; expected BACKEND:PRECISION with one of '
            f'{", ".join(inference.PRECISIONS)}'
        )
    return backend, precision or 'auto'


def _is_eager(result: dict) -> bool:
    return result['backend'] == EAGER


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
        f'{results[0]["model"]} at {height}x{width} ({results[0]["gmac"]:g} GMAC), image to ids; '
        f'{results[0]["frames"]} frames'
    )
    columns = ('median ms', 'p05', 'p95', 'frames/s', 'speed-up', 'ids equal', 'peak MB')
    print(f'{"backend":18}' + ''.join(f'{column:>11}' for column in columns))
    for result in results:
        speed_up = f'{result["speed_up"]:.1f}x' if result['speed_up'] else '-'
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
