"""``sfnet train``: a recipe and a data folder to a model folder."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet train``."""
    parser.add_argument('recipe', type=Path, help='YAML file, as models/*/recipe.yaml')
    parser.add_argument('--data', type=Path, required=True, help="folder of the recipe's roots")
    parser.add_argument(
        '--output', type=Path, help='folder of checkpoints and the model (default: runs/<name>)'
    )
    parser.add_argument(
        '--save-every', type=int, default=250, metavar='STEPS', help='checkpoint interval'
    )
    parser.add_argument(
        '--tensorboard', action='store_true', help='also write events for TensorBoard'
    )


def run(options: argparse.Namespace) -> int:
    """Train, or resume, and write ``<output>/model``; under torchrun with all its processes."""
    from ..training.config import read_recipe
    from ..training.package import write_package
    from ..training.team import joined_team
    from ..training.train import train

    recipe = read_recipe(options.recipe)
    output = options.output or Path('runs') / recipe.name
    with joined_team() as team:
        network = train(
            recipe, options.data, output, options.save_every, team, options.tensorboard
        )
    if not team.leads:
        return 0
    facts = write_package(network, recipe, options.data, output / 'model')
    for name, result in facts.about['accuracy'].items():
        print(f'{name}: mIoU {result["miou"]:.3f}, pixel accuracy {result["pixel_accuracy"]:.3f}')
    print(f'model written to {output / "model"}')
    return 0
