"""The recipe of a training run: one YAML file, read strictly into frozen dataclasses."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from ..errors import DataError

OPTIMIZERS = ('sgd', 'adamw')


@dataclass(frozen=True)
class Source:
    """
    One domain of the training data.

    :param layout: a layout of ``evaluation.datasets``, or ``scenes`` for rendered streets.
    :param root: folder, relative to the data folder given on the command line.
    :param weight: share of the samples drawn from here, relative to the other sources.
    :param scale: lowest and highest random scale, of the files' own pixels.
    """

    layout: str
    root: str = ''
    split: str = 'train'
    weight: float = 1.0
    scale: tuple[float, float] = (0.5, 2.0)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run but the data themselves."""

    name: str
    network: str
    backbone: str
    sources: tuple[Source, ...]
    validation: tuple[Source, ...] = ()
    taxonomy: str = 'cityscapes'
    initial: str = ''
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    input_height: int = 512
    input_width: int = 1024
    crop_height: int = 384
    crop_width: int = 512
    batch: int = 8
    steps: int = 4000
    optimizer: str = 'sgd'
    learning_rate: float = 0.01
    backbone_rate: float = 1.0
    weight_decay: float = 5e-4
    warmup_steps: int = 100
    poly_power: float = 0.9
    ohem_probability: float = 0.7
    ohem_share: float = 0.0625
    loss_stride: int = 1
    aspect: float = 1.25
    ema: float = 0.999
    precision: str = 'fp32'
    seed: int = 0
    about: dict[str, Any] = field(default_factory=dict)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; raises DataError naming unknown and missing keys."""
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f'the recipe {path} cannot be read: {error}') from error
    if not isinstance(content, dict):
        raise DataError(f'the recipe {path} holds {type(content).__name__}; expected a mapping')
    _check_keys(path, content, Recipe, ('name', 'network', 'backbone', 'sources'))
    for key in ('sources', 'validation'):
        content[key] = tuple(_source(path, entry) for entry in content.get(key, ()))
    for key in ('mean', 'std'):
        if key in content:
            content[key] = tuple(content[key])
    recipe = Recipe(**content)
    if recipe.optimizer not in OPTIMIZERS:
        raise DataError(
            f'{path}: optimizer is {recipe.optimizer!r}; expected one of {", ".join(OPTIMIZERS)}'
        )
    return recipe


def _source(path: Path, entry: dict) -> Source:
    _check_keys(path, entry, Source, ('layout',))
    if 'scale' in entry:
        entry['scale'] = tuple(entry['scale'])
    return Source(**entry)


def _check_keys(path: Path, entry: dict, kind: type, required: tuple[str, ...]) -> None:
    known = [item.name for item in fields(kind)]
    unknown = [key for key in entry if key not in known]
    missing = [key for key in required if key not in entry]
    if unknown or missing:
        raise DataError(
            f'{path}: missing keys {missing}, unknown keys {unknown}; '
            f'expected of {kind.__name__.lower()}: {", ".join(known)}'
        )
