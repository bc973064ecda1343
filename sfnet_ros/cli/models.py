"""``sfnet models``: what there is to run, and how to bring in what others trained."""

import argparse
from pathlib import Path

import yaml

from .. import taxonomies
from ..errors import ModelError
from ..inference.models import BACKBONE_NAMES, NETWORK_NAMES, read_facts, shipped_models
from ..inference.zoo import PUBLISHED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``sfnet models``."""
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    listing = actions.add_parser('list', help='models at hand, and what can be imported')
    listing.set_defaults(act=_list)
    show = actions.add_parser('show', help='all facts of one model')
    show.add_argument('model', help='name of a shipped model, or a model folder')
    show.set_defaults(act=_show)
    importing = actions.add_parser(
        'import', help='make a model folder of a checkpoint, e.g. one of the authors of SFNet'
    )
    importing.add_argument('checkpoint', type=Path, help='.pth, .pt, .tar or .safetensors')
    importing.add_argument('--network', required=True, choices=NETWORK_NAMES)
    importing.add_argument('--backbone', required=True, choices=BACKBONE_NAMES)
    importing.add_argument(
        '--dataset', required=True, choices=taxonomies.NAMES, help='taxonomy of the weights'
    )
    importing.add_argument(
        '--output', type=Path, help='folder to make (default: ./<network>_<backbone>_<dataset>)'
    )
    importing.set_defaults(act=_import)
    averaging = actions.add_parser(
        'average', help='make one model of several, such as the last stages of a training'
    )
    averaging.add_argument(
        'models', nargs='+', metavar='FOLDER[:SHARE]', help='how much it counts; 1 if not said'
    )
    averaging.add_argument('--output', type=Path, required=True, help='folder to make')
    averaging.set_defaults(act=_average)


def run(options: argparse.Namespace) -> int:
    """Run the chosen action."""
    return options.act(options)


def _list(options: argparse.Namespace) -> int:
    print('At hand:')
    for _, facts in shipped_models():
        scores = facts.about.get('accuracy', {})
        accuracy = ', '.join(f'{name} {score["miou"]:.1%}' for name, score in scores.items())
        print(
            f'  {facts.name}: {facts.network} + {facts.backbone} for {facts.taxonomy}, '
            f'{facts.input_height}x{facts.input_width}, {facts.parameters / 1e6:.2f} M parameters'
            f'\n    mIoU: {accuracy or "not measured"}'
        )
    print('\nPublished by the authors of SFNet (Cityscapes mIoU; cost at 1024x2048):')
    print(f'  {"network":12}{"backbone":11}{"mIoU":>6}{"GMAC":>9}  {"source":22}weights for')
    for row in PUBLISHED:
        score = f'{row.miou:.1f}' if row.miou else '-'
        source = f'{row.source} {row.split}'.strip()
        print(
            f'  {row.network:12}{row.backbone:11}{score:>6}{row.gmac:>9.1f}  {source:22}'
            f'{", ".join(row.checkpoints) or "-"}'
        )
    print('\nBring their files in with: sfnet models import FILE --network ... --backbone ...')
    return 0


def _show(options: argparse.Namespace) -> int:
    shipped = {facts.name: folder for folder, facts in shipped_models()}
    facts = read_facts(shipped.get(options.model, Path(options.model)))
    content = {key: list(value) if isinstance(value, tuple) else value
               for key, value in vars(facts).items()}  # fmt: skip
    print(yaml.safe_dump(content, sort_keys=False, width=99).rstrip())
    return 0


def _import(options: argparse.Namespace) -> int:
    from ..inference.importing import import_checkpoint

    name = f'{options.network}_{options.backbone}_{options.dataset}'
    folder = options.output or Path(name)
    facts = import_checkpoint(
        options.checkpoint, options.network, options.backbone, options.dataset, folder
    )
    print(
        f'{folder}: {facts.network} + {facts.backbone} for {facts.taxonomy}, '
        f'{facts.parameters / 1e6:.2f} M parameters, '
        f'input {facts.input_height}x{facts.input_width}\n'
        f'Use it with the parameter weights:={folder.resolve()}'
    )
    return 0


def _average(options: argparse.Namespace) -> int:
    from ..inference.averaging import average_models

    folders, shares = zip(*map(_weighted, options.models), strict=True)
    facts = average_models(folders, shares, options.output)
    print(f'{options.output}: {facts.network} + {facts.backbone}, the average of {len(folders)}')
    return 0


def _weighted(text: str) -> tuple[Path, float]:
    name, colon, share = text.rpartition(':')
    try:
        return (Path(name), float(share)) if colon else (Path(text), 1.0)
    except ValueError as error:
        raise ModelError(
            f'{text} is no model with a share; expected FOLDER or FOLDER:SHARE, such as '
            'runs/last:0.6'
        ) from error
