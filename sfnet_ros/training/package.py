"""From a trained network to a model folder that the node can load."""

from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from .config import Recipe
from .. import inference
from ..evaluation.accuracy import measure, summary
from ..evaluation.datasets import find_pairs
from ..inference.models import file_sha256, ModelFacts, write_facts

WEIGHTS_FILE = 'weights.safetensors'


def write_package(network: nn.Module, recipe: Recipe, data: Path, folder: Path) -> ModelFacts:
    """
    Write weights and facts, then measure the folder as written and add the accuracy to the facts.

    :param data: the folder that the roots of the recipe's validation sources are relative to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / WEIGHTS_FILE
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    save_file(state, weights)
    weights.chmod(0o644)
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
        about=recipe.about,
    )
    write_facts(folder, facts)
    facts = replace(facts, about=facts.about | {'accuracy': _accuracy(folder, recipe, data)})
    write_facts(folder, facts)
    return facts


def _accuracy(folder: Path, recipe: Recipe, data: Path) -> dict:
    backend = inference.load(str(folder), backend='torch', precision='fp32')
    results = {}
    for source in recipe.validation:
        pairs = find_pairs(source.layout, data / source.root, source.split)
        result = summary(measure(backend, pairs), pairs[0].taxonomy)
        results[f'{source.layout} {source.split}'] = {'images': len(pairs)} | result
    backend.close()
    return results
