"""From what the user asked for to one model: which weights, with which facts."""

from dataclasses import dataclass, replace
from pathlib import Path

from .models import (
    BACKBONE_NAMES,
    ModelFacts,
    models_folder,
    NETWORK_NAMES,
    read_facts,
    shipped_models,
)
from ..errors import ModelError

CHECKPOINT_SUFFIXES = ('.pth', '.pt', '.tar', '.safetensors')
OFFICIAL_INPUT_SIZE = (1024, 2048)


@dataclass(frozen=True)
class ModelChoice:
    """Facts and the file of the weights; ``verified`` files must have the sha256 of the facts."""

    facts: ModelFacts
    weights: Path
    verified: bool


def choose_model(
    weights: str = '',
    network: str = '',
    backbone: str = '',
    dataset: str = '',
    input_height: int = 0,
    input_width: int = 0,
) -> ModelChoice:
    """
    Find the weights that fit; an empty string and zero ask for nothing.

    :param weights: '' for a shipped model, the name of one, a model folder, or a checkpoint file.
    :param dataset: the taxonomy the weights were trained for.
    :param input_height, input_width: the size that the network sees, in pixels.
    :raises ModelError: when there is none, its file is missing, or it is not what network,
        backbone or dataset say.
    """
    choice = _chosen(weights, network, backbone, dataset)
    if not choice.weights.is_file():
        raise ModelError(
            f'the weights {choice.weights} of model {choice.facts.name} are missing; restore the '
            'file'
        )
    return replace(choice, facts=with_input_size(choice.facts, input_height, input_width))


def _chosen(weights: str, network: str, backbone: str, dataset: str) -> ModelChoice:
    wanted = {'network': network, 'backbone': backbone, 'taxonomy': dataset}
    if weights.endswith(CHECKPOINT_SUFFIXES):
        return _checkpoint(Path(weights).expanduser(), wanted)
    if weights:
        folder = _folder(weights)
        facts = read_facts(folder)
        for key, value in wanted.items():
            if value and getattr(facts, key) != value:
                raise ModelError(
                    f'the weights {weights} have {key} {getattr(facts, key)}, but {value} was '
                    'asked for; ask for neither or for what the weights are'
                )
        return ModelChoice(facts, folder / facts.weights, verified=True)
    available = []
    for folder, facts in shipped_models():
        if all(getattr(facts, key) == value for key, value in wanted.items() if value):
            return ModelChoice(facts, folder / facts.weights, verified=True)
        available.append(f'{facts.network} + {facts.backbone} for {facts.taxonomy}')
    asked = ', '.join(f'{key} {value}' for key, value in wanted.items() if value)
    raise ModelError(
        f'no weights are shipped for {asked or "anything"}; shipped are: '
        f'{"; ".join(available) or "none"}. Give weights: a model folder or a checkpoint file'
    )


def with_input_size(facts: ModelFacts, height: int, width: int) -> ModelFacts:
    """Return the facts with another network input size; 0 keeps the model's own."""
    return replace(
        facts,
        input_height=height or facts.input_height,
        input_width=width or facts.input_width,
    )


def _folder(weights: str) -> Path:
    path = Path(weights).expanduser()
    if path.is_dir():
        return path
    shipped = models_folder() / weights
    if path.name == weights and shipped.is_dir():
        return shipped
    names = sorted(folder.name for folder, _ in shipped_models())
    raise ModelError(
        f'weights is {weights!r}: no such folder and no shipped model; expected one of {names}, '
        f'a folder with a model.yaml, or a file ending in {", ".join(CHECKPOINT_SUFFIXES)}'
    )


def _checkpoint(path: Path, wanted: dict[str, str]) -> ModelChoice:
    if not path.is_file():
        raise ModelError(f'weights is {str(path)!r}: no such file; give an existing checkpoint')
    for key, names in (('network', NETWORK_NAMES), ('backbone', BACKBONE_NAMES)):
        if not wanted[key]:
            raise ModelError(
                f'{path.name} is a bare checkpoint, which does not say its {key}; '
                f'set {key} to one of {", ".join(names)}'
            )
    facts = ModelFacts(
        name=path.stem,
        network=wanted['network'],
        backbone=wanted['backbone'],
        taxonomy=wanted['taxonomy'] or 'cityscapes',
        input_height=OFFICIAL_INPUT_SIZE[0],
        input_width=OFFICIAL_INPUT_SIZE[1],
        weights=path.name,
        sha256='',
        parameters=0,
    )
    return ModelChoice(facts, path, verified=False)
