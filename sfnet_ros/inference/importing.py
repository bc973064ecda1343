"""From the checkpoint of others to a model folder: once, strictly, whole or not at all."""

from pathlib import Path

from safetensors.torch import save_file

from .checkpoints import check_classes, read_state
from .models import file_sha256, ModelFacts, new_folder, write_facts
from .. import taxonomies
from ..errors import CheckpointError, ModelError
from ..networks import class_count, create_network, from_official_names, load_state

WEIGHTS_FILE = 'weights.safetensors'
# Height and width at which the authors evaluate (their scripts; Mapillary: height 1536, 4:3).
_INPUT_SIZES = {'camvid': (720, 960), 'bdd': (720, 1280), 'mapillary': (1536, 2048)}
_CITYSCAPES_SIZE = (1024, 2048)
_IMAGENET_KEYS = ('fc.weight', 'linear.weight')


def import_checkpoint(
    checkpoint: Path, network: str, backbone: str, dataset: str, folder: Path
) -> ModelFacts:
    """
    Convert a published checkpoint into a model folder; nothing is left behind when it fails.

    :param dataset: the taxonomy that the weights were trained for.
    :param folder: is made, and must not exist.
    :raises ModelError: when the folder exists, or the file does not fit network and data set.
    """
    if folder.exists():
        raise ModelError(f'{folder} exists; expected a new folder: remove it or name another')
    if not checkpoint.is_file():
        raise ModelError(f'the checkpoint {checkpoint} does not exist; give an existing file')
    state = from_official_names(read_state(checkpoint))
    if not class_count(state) and any(key in state for key in _IMAGENET_KEYS):
        raise CheckpointError(
            f'{checkpoint} holds a backbone trained on ImageNet and no segmentation head; use it '
            "as 'initial' of a training recipe"
        )
    check_classes(checkpoint, state, dataset)
    model = create_network(network, backbone, len(taxonomies.get(dataset).classes))
    load_state(model, state)
    height, width = _INPUT_SIZES.get(dataset, _CITYSCAPES_SIZE)
    with new_folder(folder) as partial:
        save_file(model.state_dict(), partial / WEIGHTS_FILE)
        facts = ModelFacts(
            name=folder.name,
            network=network,
            backbone=backbone,
            taxonomy=dataset,
            input_height=height,
            input_width=width,
            weights=WEIGHTS_FILE,
            sha256=file_sha256(partial / WEIGHTS_FILE),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            about={'imported_from': checkpoint.name, 'imported_sha256': file_sha256(checkpoint)},
        )
        write_facts(partial, facts)
    return facts
