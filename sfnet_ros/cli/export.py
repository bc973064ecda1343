"""``sfnet export``: a model as an ONNX file, for runtimes of one's own."""

import argparse
from pathlib import Path

from ..inference import choose_model
from ..inference.choice import ModelChoice, with_input_size


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
    parser.add_argument('--weights', default='', help='model name, model folder or checkpoint')
    parser.add_argument('--network', default='')
    parser.add_argument('--backbone', default='')
    parser.add_argument('--dataset', default='', help='taxonomy of the weights')
    parser.add_argument('--input-height', type=int, default=0, metavar='PIXELS')
    parser.add_argument('--input-width', type=int, default=0, metavar='PIXELS')


def run(options: argparse.Namespace) -> int:
    """Write the file and say what it takes and gives."""
    from ..inference.export import export_onnx, OPSET
    from ..inference.graph import build_graph

    choice = choose_model(options.weights, options.network, options.backbone, options.dataset)
    facts = with_input_size(choice.facts, options.input_height, options.input_width)
    graph = build_graph(ModelChoice(facts, choice.weights, choice.verified))
    export_onnx(graph, options.onnx, options.output, options.batch)
    print(
        f'{options.onnx}: opset {OPSET}, images {options.batch}x{facts.input_height}x'
        f'{facts.input_width}x3 uint8 RGB in, {options.output} out, classes of {facts.taxonomy}'
    )
    return 0
