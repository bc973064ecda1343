"""``sfnet export``: a model as an ONNX file, or ready in the cache for a runtime."""

import argparse
from pathlib import Path
import sys

import numpy as np
from tqdm import tqdm

from .segment import add_choice_arguments, load_model, model_arguments
from ..errors import BackendError, DataError, ImageError
from ..evaluation.frames import open_frames
from ..inference import choose_model, ModelChoice, PRECISIONS
from ..inference.pixels import fit

_RUNTIMES = ('tensorrt', 'openvino')
# Of a source to quantise by; more of them change little.
_MOST_IMAGES = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet export``."""
    parser.add_argument('--onnx', type=Path, metavar='FILE', help='file to write')
    parser.add_argument(
        '--tensorrt',
        action='store_true',
        help='build the engine for the GPU of this machine ahead of time (minutes), and check it',
    )
    parser.add_argument(
        '--openvino', action='store_true', help='convert ahead of time for the CPU, and check it'
    )
    parser.add_argument(
        '--output',
        nargs='+',
        choices=('ids', 'logits', 'flow'),
        default=['ids'],
        help='of the ONNX file; ids: uint8 at the input size; logits: float32, before the last '
        'upsampling; flow: float32, what the finest alignment module learnt',
    )
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        default='auto',
        help='of a file: fp32 (auto) or fp16, half except where that changes ids; of a runtime: '
        'its own, where int8 needs --images once',
    )
    parser.add_argument(
        '--images',
        metavar='SOURCE',
        help='with --precision int8 and --openvino or --tensorrt: images, video or rosbag2 like '
        'what the camera sees, to quantise by',
    )
    parser.add_argument('--topic', default='', help='images of a bag (default: most messages)')
    parser.add_argument(
        '--batch',
        type=int,
        default=1,
        metavar='N',
        help='images at a time in the ONNX file, and the most in an engine: for a node, how many '
        'cameras it has',
    )
    add_choice_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Make what was asked for, and say what it is."""
    runtimes = [name for name in _RUNTIMES if getattr(options, name)]
    if not (options.onnx or runtimes):
        raise BackendError(
            'found nothing to export to; expected --onnx FILE, --tensorrt or --openvino'
        )
    if options.images and (len(runtimes) != 1 or options.precision != 'int8'):
        raise BackendError(
            'found --images, which only quantising reads; expected --precision int8 and one of '
            '--openvino and --tensorrt'
        )
    if options.batch < 1:
        raise BackendError(f'found --batch {options.batch}; expected 1 or more')
    if options.onnx:
        _write(options)
    if options.images:
        _quantise(options, runtimes[0])
    for options.backend in runtimes:
        backend = load_model(options, options.batch)
        print(f'{backend.name} {backend.precision} is ready: {backend.reason}')
        backend.close()
    return 0


def _write(options: argparse.Namespace) -> None:
    from ..inference.export import export_onnx, OPSET
    from ..inference.export import PRECISIONS as allowed
    from ..inference.graph import build_graph

    precision = 'fp32' if options.precision == 'auto' else options.precision
    if precision not in allowed:
        raise BackendError(
            f'precision of the ONNX file is {precision}; expected one of {", ".join(allowed)}'
        )
    choice = _choice(options)
    facts = choice.facts
    outputs = export_onnx(
        build_graph(choice), options.onnx, options.output, options.batch, precision
    )
    print(
        f'{options.onnx}: opset {OPSET}, {precision}, images {options.batch}x'
        f'{facts.input_height}x{facts.input_width}x3 uint8 RGB in, {", ".join(outputs)} '
        f'out, classes of {facts.taxonomy}'
    )


def _choice(options: argparse.Namespace) -> ModelChoice:
    return choose_model(*model_arguments(options))


def _quantise(options: argparse.Namespace, runtime: str) -> None:
    if runtime == 'tensorrt':
        from ..inference.backends.tensorrt_files import quantise
    else:
        try:
            from ..inference.backends.openvino_files import quantise
        except ImportError as error:
            raise BackendError(
                f'openvino cannot be imported ({error}): pip install openvino'
            ) from error
    choice = _choice(options)
    size = (choice.facts.input_height, choice.facts.input_width)
    quantise(choice, spread_images(options.images, options.topic, size))


def spread_images(source: str, topic: str, size: tuple[int, int]) -> list[np.ndarray]:
    """Return frames from all over a source as the network sees them, 1 x h x w x 3 uint8 RGB."""
    frames = open_frames(source, topic)
    step = max(len(frames) / _MOST_IMAGES, 1)
    images: list[np.ndarray] = []
    tried = 0
    for number, frame in enumerate(tqdm(frames, desc='reading', unit='frame')):
        if number < round(tried * step) or tried == _MOST_IMAGES:
            continue
        tried += 1
        try:
            images.append(fit(frame.rgb()[None], size))
        except ImageError as error:
            tqdm.write(f'frame {number} is left out: {error}', file=sys.stderr)
    if not images:
        raise DataError(f'{source} has no whole image among {tried}; expected at least one')
    return images
