"""``sfnet export``: a model as an ONNX file, or ready in the cache for a runtime."""

import argparse
from pathlib import Path

from .segment import add_choice_arguments, load_model
from ..errors import BackendError
from ..inference import choose_model

_RUNTIMES = ('tensorrt', 'openvino')


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
        choices=('auto', 'fp32', 'bf16', 'fp16'),
        default='auto',
        help='of a file: fp32 (auto) or fp16, half except where that changes ids; of a runtime: '
        'its own',
    )
    parser.add_argument('--batch', type=int, default=1, help='images at a time in the ONNX file')
    add_choice_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Make what was asked for, and say what it is."""
    runtimes = [name for name in _RUNTIMES if getattr(options, name)]
    if not (options.onnx or runtimes):
        raise BackendError(
            'found nothing to export to; expected --onnx FILE, --tensorrt or --openvino'
        )
    if options.onnx:
        _write(options)
    for options.backend in runtimes:
        backend = load_model(options)
        print(f'{backend.name} {backend.precision} is ready: {backend.reason}')
        backend.close()
    return 0


def _write(options: argparse.Namespace) -> None:
    from ..inference.export import export_onnx, OPSET, PRECISIONS
    from ..inference.graph import build_graph

    precision = 'fp32' if options.precision == 'auto' else options.precision
    if precision not in PRECISIONS:
        raise BackendError(
            f'precision of the ONNX file is {precision}; expected one of {", ".join(PRECISIONS)}'
        )
    choice = choose_model(
        options.weights,
        options.network,
        options.backbone,
        options.dataset,
        options.input_height,
        options.input_width,
    )
    facts = choice.facts
    export_onnx(build_graph(choice), options.onnx, options.output, options.batch, precision)
    print(
        f'{options.onnx}: opset {OPSET}, {precision}, images {options.batch}x'
        f'{facts.input_height}x{facts.input_width}x3 uint8 RGB in, {", ".join(options.output)} '
        f'out, classes of {facts.taxonomy}'
    )
