"""``sfnet train``: a recipe, or a model to start from, and data to a model folder."""

import argparse
from pathlib import Path
import shutil
import sys
from typing import TYPE_CHECKING

from .. import taxonomies
from ..errors import DataError

if TYPE_CHECKING:
    from ..training.config import Recipe

# A model that is right less often than this says nothing, or is misunderstood.
_STRANGE = 0.3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet train``."""
    parser.add_argument('recipe', type=Path, nargs='?', help='YAML file, as models/*/recipe.yaml')
    parser.add_argument(
        '--data', type=Path, required=True,
        help="folder of the recipe's roots; with --from: of images/ and labels/ or masks/",
    )  # fmt: skip
    parser.add_argument(
        '--output', type=Path, help='folder of checkpoints and the model (default: runs/<name>)'
    )
    parser.add_argument(
        '--save-every', type=_count, default=100, metavar='STEPS', help='checkpoint interval'
    )
    parser.add_argument(
        '--tensorboard', action='store_true', help='also write events for TensorBoard'
    )
    tuning = parser.add_argument_group('fine-tuning, without a recipe')
    tuning.add_argument(
        '--from', dest='weights', default='', metavar='MODEL',
        help='model to adapt: the name of a shipped one, or a model folder',
    )  # fmt: skip
    tuning.add_argument('--steps', type=_count, default=0, help='default: by the number of images')
    tuning.add_argument(
        '--labels-taxonomy', default='', choices=('', *taxonomies.NAMES), metavar='NAME',
        help='what the ids or colours of the labels mean (default: the classes to learn)',
    )  # fmt: skip
    tuning.add_argument(
        '--classes', default='', metavar='NAMES',
        help='classes of your own: names in the order of their ids (road,kerb,grass), or a CSV '
        'file with the columns id, name, red, green, blue (default: the classes of the model)',
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Train, or resume, and write ``<output>/model``; under torchrun with all its processes."""
    from ..training.package import write_package
    from ..training.survey import survey
    from ..training.team import joined_team
    from ..training.train import train

    recipe, output = _recipe(options)
    places, before = None, {}
    with joined_team() as team:
        if team.leads:
            places = survey(recipe, options.data)
            if options.weights:
                before = _before(options, recipe, output)
        network = train(
            recipe, options.data, output, options.save_every, team, options.tensorboard, places
        )
    if not team.leads:
        return 0
    facts = write_package(network, recipe, options.data, output / 'model', before)
    _print(facts.about['accuracy'], 'now' if options.weights else '')
    _warn_if_worse(before.get('accuracy_before', {}), facts.about['accuracy'])
    print(f'model written to {output / "model"}')
    return 0


def _before(options: argparse.Namespace, recipe: 'Recipe', output: Path) -> dict[str, dict]:
    """Leave the recipe for the user, and say how good the model is that will be adapted."""
    from ..training.config import write_recipe
    from ..training.package import accuracy
    from ..training.train import CHECKPOINT

    # A run that goes on has left it, and one that may not go on must not lose it.
    if not (output / CHECKPOINT).is_file():
        write_recipe(output / 'recipe.yaml', recipe)
    # A model that knows other classes has no figures in these.
    if options.classes:
        return {}
    results = accuracy(options.weights, recipe, options.data)
    _print(results, 'before')
    for name, result in results.items():
        if result['pixel_accuracy'] < _STRANGE:
            print(
                f'{name}: the model is right on {result["pixel_accuracy"]:.0%} of the pixels. If '
                'it should know such images, the labels mean something else than '
                f'{recipe.validation[0].taxonomy}: name it by --labels-taxonomy',
                file=sys.stderr,
            )
    return {'accuracy_before': results}


def _recipe(options: argparse.Namespace) -> 'tuple[Recipe, Path]':
    """Return what to train by, and the output folder, which is made."""
    from ..training.config import read_recipe
    from ..training.tuning import tuning_recipe

    if bool(options.recipe) == bool(options.weights):
        raise DataError(
            'expected a recipe to train by, or --from MODEL to fine-tune, and found '
            f'{"both" if options.recipe else "neither"}; give one of them'
        )
    if options.recipe:
        for name in ('steps', 'labels_taxonomy', 'classes'):
            if value := getattr(options, name):
                raise DataError(
                    f'--{name.replace("_", "-")} is {value}, and the recipe {options.recipe} is '
                    'given; expected it with --from alone: change the recipe'
                )
        recipe = read_recipe(options.recipe)
        return recipe, _made(options.output or Path('runs') / recipe.name)
    output = _made(options.output or Path('runs') / f'{Path(options.weights).name}_tuned')
    recipe = tuning_recipe(
        options.weights, options.data, output.name, options.labels_taxonomy,
        _taxonomy(options.classes, output), options.steps,
    )  # fmt: skip
    return recipe, output


def _made(output: Path) -> Path:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f'{output} cannot be made ({error.strerror}); expected a folder to write into: name '
            'another --output'
        ) from error
    return output


def _taxonomy(classes: str, output: Path) -> str:
    """
    Return the table of the classes asked for, written into the output folder; '' for none.

    :raises DataError: when a run that may go on has learnt others: its table shall not be lost.
    """
    from ..training.train import CHECKPOINT

    if not classes:
        return ''
    table, drawn = output / 'classes.csv', classes.endswith(taxonomies.TABLE_SUFFIX)
    names = [name.strip() for name in classes.split(',')]
    if drawn:
        names = list(taxonomies.get(classes).classes)
    if table.is_file() and (output / CHECKPOINT).is_file():
        if (known := list(taxonomies.get(str(table)).classes)) != names:
            raise DataError(
                f'--classes is {",".join(names)}, but {output} has learnt {",".join(known)}; give '
                'another output folder, or these classes to go on'
            )
    elif not drawn:
        taxonomies.write_table(table, names)
    elif not (table.is_file() and table.samefile(classes)):
        shutil.copy(classes, table)
    return str(table)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{number} is too few; expected 1 or more')
    return number


def _warn_if_worse(before: dict[str, dict], now: dict[str, dict]) -> None:
    """Say on stderr where fine-tuning lost more than it brought, and what may help."""
    for name in before:
        if (left := now[name]['miou']) < (had := before[name]['miou']):
            print(
                f'{name}: the model was better before, mIoU {had:.3f} and now {left:.3f}; look at '
                'samples.png for labels that are wrong, give more images or fewer --steps, or '
                'keep the model that you had',
                file=sys.stderr,
            )


def _print(results: dict[str, dict], when: str) -> None:
    for name, result in results.items():
        print(
            f'{name}{when and f", {when}"}: mIoU {result["miou"]:.3f}, '
            f'pixel accuracy {result["pixel_accuracy"]:.3f}'
        )
