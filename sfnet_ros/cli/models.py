"""``sfnet models``: what there is to run."""

import argparse
from pathlib import Path

import yaml

from ..inference.models import read_facts, shipped_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet models``."""
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    actions.add_parser('list', help='one line for every shipped model')
    show = actions.add_parser('show', help='all facts of one model')
    show.add_argument('model', help='name of a shipped model, or a model folder')


def run(options: argparse.Namespace) -> int:
    """Print the table or the facts."""
    if options.action == 'show':
        shipped = {facts.name: folder for folder, facts in shipped_models()}
        facts = read_facts(shipped.get(options.model, Path(options.model)))
        print(yaml.safe_dump(vars(facts), sort_keys=False, width=99).rstrip())
        return 0
    print(f'{"name":36} {"network":12} {"backbone":18} {"taxonomy":11} {"input":10} {"weights"}')
    for _, facts in shipped_models():
        size = f'{facts.input_height}x{facts.input_width}'
        print(
            f'{facts.name:36} {facts.network:12} {facts.backbone:18} {facts.taxonomy:11} '
            f'{size:10} {facts.parameters / 1e6:.2f} M'
        )
    return 0
