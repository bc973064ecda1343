"""``sfnet evaluate``: accuracy on a labelled data set."""

import argparse
from functools import partial
import json
from pathlib import Path

from tqdm import tqdm

from .segment import add_model_arguments, load_model
from ..evaluation.accuracy import measure, SCALES, summary
from ..evaluation.datasets import find_pairs, LAYOUTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet evaluate``."""
    parser.add_argument('source', type=Path, help='folder of the data set')
    parser.add_argument('--layout', choices=tuple(LAYOUTS), default='folder')
    parser.add_argument('--split', default='', help='such as val; what the layout calls it')
    parser.add_argument(
        '--scales',
        type=float,
        nargs='*',
        metavar='SCALE',
        help='average the logits over these scales of the input size, as the papers do '
        f'(without numbers: {" ".join(map(str, SCALES))}); torch backend',
    )
    parser.add_argument(
        '--flip', action='store_true', help='average with the mirrored image; torch backend'
    )
    parser.add_argument('--json', type=Path, help='write the figures to this file')
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the figures by class, and write them as JSON where asked."""
    averaged = options.scales is not None or options.flip
    if averaged:
        options.backend = 'torch'
    backend = load_model(options)
    infer = None
    if averaged:
        scales = (1.0,) if options.scales is None else tuple(options.scales) or SCALES
        infer = partial(backend.infer_averaged, scales=scales, flip=options.flip)
    pairs = find_pairs(options.layout, options.source, options.split)
    matrix = measure(backend, tqdm(pairs, desc=options.layout, unit='image'), infer)
    result = summary(matrix, pairs[0].taxonomy)
    for name, iou in result['iou'].items():
        print(f'{name:16} {iou:7.2%}')
    print(f'{"mIoU":16} {result["miou"]:7.2%}')
    print(f'{"pixel accuracy":16} {result["pixel_accuracy"]:7.2%}')
    print(f'{len(pairs)} images, {backend.facts.name} on {backend.name} {backend.precision}')
    if options.json:
        content = {'model': backend.facts.name, 'images': len(pairs), **result}
        options.json.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    return 0
