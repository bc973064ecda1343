"""One model of several that were trained from one another."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import shutil

import numpy as np
from safetensors.numpy import save_file

from .checkpoints import read_weights
from .choice import choose_model
from .models import file_sha256, ModelFacts, new_folder, write_facts
from .. import taxonomies
from ..errors import ModelError

# What must be the same for weights to mean the same, beside the classes.
_EQUAL = ('network', 'backbone', 'mean', 'std', 'channel_order')


def average_models(folders: Sequence[Path], shares: Sequence[float], folder: Path) -> ModelFacts:
    """
    Average the weights of models, which is no slower than one of them and often better than each.

    That holds for models of one origin, such as the last stages of a training run or runs from
    the same initialisation (Wortsman et al., "Model soups", ICML 2022, section 2).

    :param shares: how much each counts; only their ratios matter.
    :param folder: is made, and must not exist; what is not averaged is that of the first.
    :raises ModelError: when the models are not alike, or one of them is not whole.
    """
    if len(folders) < 2 or min(shares) <= 0:
        raise ModelError(
            f'found {len(folders)} models with the shares {list(shares)}; expected two or more, '
            'and shares above zero'
        )
    choices = [choose_model(str(path)) for path in folders]
    facts = [choice.facts for choice in choices]
    for other in facts[1:]:
        _check_alike(facts[0], other)
    weights = [read_weights(choice) for choice in choices]
    averaged = {key: _mean([each[key].numpy() for each in weights], shares) for key in weights[0]}
    with new_folder(folder) as partial:
        save_file(averaged, partial / facts[0].weights)
        if facts[0].taxonomy.endswith(taxonomies.TABLE_SUFFIX):
            shutil.copy(facts[0].taxonomy, partial)
        result = replace(
            facts[0],
            name=folder.name,
            sha256=file_sha256(partial / facts[0].weights),
            about={
                'averaged': [
                    {'name': fact.name, 'sha256': fact.sha256, 'share': share / sum(shares)}
                    for fact, share in zip(facts, shares, strict=True)
                ]
            },
        )
        write_facts(partial, result)
    return result


def _check_alike(one: ModelFacts, other: ModelFacts) -> None:
    different = [key for key in _EQUAL if getattr(one, key) != getattr(other, key)]
    if taxonomies.get(one.taxonomy).classes != taxonomies.get(other.taxonomy).classes:
        different.append('classes')
    if different:
        raise ModelError(
            f'{one.name} and {other.name} differ in {", ".join(different)}; expected models of '
            'the same network, classes and images, trained from one another'
        )


def _mean(arrays: Sequence[np.ndarray], shares: Sequence[float]) -> np.ndarray:
    """Return the mean in the type of the first; of counters, the first."""
    if arrays[0].dtype.kind != 'f':
        return arrays[0]
    return np.average(arrays, axis=0, weights=shares).astype(arrays[0].dtype)
