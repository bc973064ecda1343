"""From a trained network to a model folder that the node can load."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
import shutil
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from .config import Recipe, Source, write_recipe
from .sources import list_files
from .. import inference, taxonomies
from ..errors import DataError
from ..evaluation.accuracy import measure, summary
from ..evaluation.layouts import LabelledFile
from ..inference.models import file_sha256, ModelFacts, write_facts

WEIGHTS_FILE, RECIPE_FILE = 'weights.safetensors', 'recipe.yaml'


def write_package(
    network: nn.Module,
    recipe: Recipe,
    data: Path,
    folder: Path,
    about: Mapping[str, Any] | None = None,
) -> ModelFacts:
    """
    Write weights, facts and recipe, then measure the folder as written and add the accuracy.

    :param data: the folder that the roots of the recipe's validation sources are relative to.
    :param about: what to tell beside what the recipe does.
    :raises DataError: when the folder cannot be written.
    """
    with _writing_told(folder):
        facts = _write(network, recipe, folder, recipe.about | dict(about or {}))
    about = facts.about | {'accuracy': accuracy(str(folder), recipe, data)}
    facts = replace(facts, about=about)
    with _writing_told(folder):
        write_facts(folder, facts)
    return facts


def accuracy(weights: str, recipe: Recipe, data: Path) -> dict[str, dict]:
    """Measure a model on every validation source of a recipe: its name to images and figures."""
    backend = inference.load(weights, backend='torch', precision='fp32')
    results = {}
    for source in recipe.validation:
        pairs = [
            LabelledFile(file.image, file.labels, file.taxonomy)
            for file in list_files(source, data)
            if file.labels is not None
        ]
        result = summary(measure(backend, pairs), pairs[0].taxonomy)
        results[_title(source)] = {'images': len(pairs)} | result
    backend.close()
    return results


def _write(network: nn.Module, recipe: Recipe, folder: Path, about: dict[str, Any]) -> ModelFacts:
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / WEIGHTS_FILE
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    save_file(state, weights)
    weights.chmod(0o644)
    if recipe.taxonomy.endswith(taxonomies.TABLE_SUFFIX):
        shutil.copy(recipe.taxonomy, folder)
    facts = ModelFacts(
        name=recipe.name,
        network=recipe.network,
        backbone=recipe.backbone,
        taxonomy=recipe.taxonomy,
        input_height=recipe.input_height,
        input_width=recipe.input_width,
        weights=WEIGHTS_FILE,
        sha256=file_sha256(weights),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        mean=recipe.mean,
        std=recipe.std,
        about=about,
    )
    write_facts(folder, facts)
    write_recipe(folder / RECIPE_FILE, recipe)
    return facts


@contextmanager
def _writing_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise DataError(
            f'the model cannot be written to {folder} ({error}); make room, or make it writable: '
            'the same command goes on, nothing of the training is lost'
        ) from error


def _title(source: Source) -> str:
    # Any images are a folder; the other layouts are data sets of that name.
    root = source.root if source.layout == 'folder' else ''
    first, last = source.part
    part = '' if (first, last) == (0, 1) else f'{first:.0%} to {last:.0%}'
    return ' '.join(filter(None, (source.layout, root, source.split, part)))
