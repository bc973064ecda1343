"""``sfnet export``: a model as an ONNX file, for runtimes of one's own."""

import argparse
from pathlib import Path

from .segment import add_choice_arguments
from ..inference import choose_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet export``."""
    parser.add_argument('--onnx', type=Path, required=True, metavar='FILE', help='file to write')
    parser.add_argument(
        '--output',
        nargs='+',
        choices=('ids', 'logits', 'flow'),
        default=['ids'],
        help='ids: uint8 at the input size; logits: float32, before the last upsampling; flow: '
        'float32, what the finest alignment module learnt',
    )
    parser.add_argument(
        '--precision',
        choices=('fp32', 'fp16'),
        default='fp32',
        help='fp16: half, but float32 where half changes ids (for TensorRT)',
    )
    parser.add_argument('--batch', type=int, default=1, help='images at a time')
    add_choice_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Write the file and say what it takes and gives."""
    from ..inference.export import export_onnx, OPSET
    from ..inference.graph import build_graph

    choice = choose_model(
        options.weights,
        options.network,
        options.backbone,
        options.dataset,
        options.input_height,
        options.input_width,
    )
    facts = choice.facts
    graph = build_graph(choice)
    export_onnx(graph, options.onnx, options.output, options.batch, options.precision)
    print(
        f'{options.onnx}: opset {OPSET}, images {options.batch}x{facts.input_height}x'
        f'{facts.input_width}x3 uint8 RGB in, {", ".join(options.output)} out, classes of '
        f'{facts.taxonomy}, {options.precision}'
    )
    return 0
