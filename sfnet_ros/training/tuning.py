"""Fine-tuning: a model that exists and a folder of labelled images to a recipe that fits both."""

from contextlib import suppress
from dataclasses import replace
import math
from pathlib import Path
from typing import Any

import torch

from .config import Recipe, Source
from .sources import list_files
from ..errors import DataError
from ..evaluation.contents import contents
from ..evaluation.datasets import read_image
from ..inference.backends.torch import computes_bf16
from ..inference.choice import choose_model
from ..inference.models import ModelFacts

FEWEST_IMAGES = 5
_HELD_BACK = 0.2
_BATCH = 8
_OWN = ' The images that it was fine-tuned with have one of their own.'
# Every image is seen about this often, within bounds that suit 50 as well as 5000 images.
_EPOCHS, _LEAST_STEPS, _MOST_STEPS = 60, 200, 4000


def tuning_recipe(
    weights: str,
    data: Path,
    name: str,
    labels_taxonomy: str = '',
    taxonomy: str = '',
    steps: int = 0,
) -> Recipe:
    """
    Choose how a model is adapted to a folder of one's own images.

    The folder holds ``images/`` and ``labels/`` or ``masks/``, or ``train/`` and ``val/`` with
    these in them. Without ``val/`` the last fifth of the images, by name, is held back: of a drive
    that is another stretch of road. The statistics of the norms are frozen and the backbone learns
    at a tenth of the rate, because few images would pull both away from what many have taught.

    :param weights: a model as ``choose_model`` takes it.
    :param labels_taxonomy: what the labels are in; empty: the classes to learn.
    :param taxonomy: the classes to learn; empty: those of the model.
    :param steps: 0 leaves it to the number of images.
    :raises DataError: when there are too few images, or the model cannot be trained on.
    """
    facts = choose_model(weights).facts
    if facts.channel_order != 'rgb':
        raise DataError(f'{facts.name} sees blue first; expected a model of channel_order rgb')
    source, validation = _sources(data, labels_taxonomy or taxonomy or facts.taxonomy)
    files = list_files(source, data)
    count = len(files)
    source = replace(source, scale=_scale([file.image for file in files], facts))
    return Recipe(
        name=name,
        network=facts.network,
        backbone=facts.backbone,
        sources=(source,),
        validation=(validation,),
        taxonomy=taxonomy or facts.taxonomy,
        initial=weights,
        mean=facts.mean,
        std=facts.std,
        input_height=facts.input_height,
        input_width=facts.input_width,
        crop_height=_crop(0.75 * facts.input_height),
        crop_width=_crop(0.5 * facts.input_width),
        batch=_BATCH,
        steps=steps or min(_MOST_STEPS, max(_LEAST_STEPS, _EPOCHS * count // _BATCH)),
        optimizer='adamw',
        learning_rate=5e-4,
        backbone_rate=0.1,
        weight_decay=0.02,
        warmup_steps=20,
        loss_stride=2,
        class_uniform=0.25,
        freeze_norms=True,
        ema=0.99,
        precision='bf16' if torch.cuda.is_available() or computes_bf16() else 'fp32',
        about=_about(facts, f'{count} labelled images of {data.resolve().name}'),
    )


def _sources(data: Path, taxonomy: str) -> tuple[Source, Source]:
    """Return what is learnt from, and what is held back to measure with."""
    split = 'train' if (data / 'train').is_dir() else ''
    source = Source('folder', '', split, taxonomy=taxonomy)
    count = _count(source, data)
    if count < FEWEST_IMAGES:
        raise DataError(
            f'{data} holds {count} images; expected {FEWEST_IMAGES} or more, and some tens to see '
            'a gain: label more of them'
        )
    if (data / 'val').is_dir():
        held = replace(source, split='val')
        _count(held, data)
        return source, held
    learnt = 1 - _HELD_BACK
    return replace(source, part=(0.0, learnt)), replace(source, part=(learnt, 1.0))


def _count(source: Source, data: Path) -> int:
    """Count the images; raises DataError where none has labels: these are named otherwise."""
    files = list_files(source, data)
    if not any(file.labels and file.labels.is_file() for file in files):
        folder, name = data / source.split, files[0].image
        raise DataError(
            f'none of the {len(files)} images in {folder} has labels; found {contents(folder)}; '
            f'expected labels/{name.stem}.png or masks/{name.stem}.png for images/{name.name}, '
            'and so on'
        )
    return len(files)


def _about(facts: ModelFacts, images: str) -> dict[str, Any]:
    """Say what the model will have learnt from: all that the one before has, then the images."""
    before = facts.about.get('data') or [f'what {facts.name} was trained on']
    licence = str(facts.about.get('licence') or f'That of {facts.name}.').removesuffix(_OWN)
    return {
        'data': [*([before] if isinstance(before, str) else before), f'then {images}'],
        'fine_tuned_from': facts.name,
        'licence': f'{licence}{_OWN}',
        'recipe': 'recipe.yaml',
    }


def _scale(images: list[Path], facts: ModelFacts) -> tuple[float, float]:
    """Return by how much to resize: crops show things as large as the network will see them."""
    height, width = _size(images)
    factor = math.sqrt(facts.input_height * facts.input_width / (height * width))
    return round(0.7 * factor, 4), round(1.6 * factor, 4)


def _size(images: list[Path]) -> tuple[int, ...]:
    """Return height and width of the first image that can be read; ``survey`` tells of others."""
    for path in images[:-1]:
        with suppress(DataError):
            return read_image(path).shape[:2]
    return read_image(images[-1]).shape[:2]


def _crop(extent: float) -> int:
    return max(64, round(extent / 32) * 32)
