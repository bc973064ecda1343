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
        choices=('ids', 'logits'),
        default='ids',
        help='ids: uint8 at the input size; logits: float32, before the last upsampling',
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
    export_onnx(build_graph(choice), options.onnx, options.output, options.batch)
    print(
        f'{options.onnx}: opset {OPSET}, images {options.batch}x{facts.input_height}x'
        f'{facts.input_width}x3 uint8 RGB in, {options.output} out, classes of {facts.taxonomy}'
    )
    return 0
