"""What the processes of ``sfnet benchmark`` run: networks without weights, frames of a source."""

from itertools import islice
from pathlib import Path
import sys

import cv2
from safetensors.torch import save_file
import torch
from torch import nn

from ..errors import BackendError, DataError, ImageError
from ..evaluation.frames import open_frames
from ..inference.choice import OFFICIAL_INPUT_SIZE
from ..inference.models import file_sha256, IMAGENET_MEAN, IMAGENET_STD, ModelFacts, write_facts
from ..inference.parity import parity_image
from ..networks import create_network, PAIRS

# Every process makes the reference of each of them in plain PyTorch.
_MOST_FRAMES = 5
_WEIGHTS_FILE = 'weights.safetensors'


def write_random_model(name: str, folder: Path) -> Path:
    """
    Write a network with random weights, always the same ones, as a model folder; returns that.

    :param name: network/backbone.
    :raises BackendError: when there is no such pair.
    """
    network_name, _, backbone = name.partition('/')
    if (network_name, backbone) not in PAIRS:
        raise BackendError(
            f'{name!r} names no network; expected NETWORK/BACKBONE, such as sfnet_lite/resnet18, '
            f'of {", ".join(map("/".join, PAIRS))}'
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create_network(network_name, backbone)
        _set_norms(network)
    path = folder / f'{network_name}_{backbone}'
    path.mkdir()
    save_file(network.state_dict(), path / _WEIGHTS_FILE)
    facts = ModelFacts(
        name=f'{name} with random weights',
        network=network_name,
        backbone=backbone,
        taxonomy='cityscapes',
        input_height=OFFICIAL_INPUT_SIZE[0],
        input_width=OFFICIAL_INPUT_SIZE[1],
        weights=_WEIGHTS_FILE,
        sha256=file_sha256(path / _WEIGHTS_FILE),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )
    write_facts(path, facts)
    return path


def write_frames(source: str, topic: str, folder: Path) -> list[str]:
    """
    Write a few frames, spread over a bag, a video or a folder, as picture files; names them.

    :raises DataError: when none of them is a whole picture.
    """
    frames = open_frames(source, topic)
    step = max(len(frames) // _MOST_FRAMES, 1)
    paths = []
    for number, frame in enumerate(islice(frames, 0, step * _MOST_FRAMES, step)):
        try:
            pixels = frame.rgb()
        except ImageError as error:
            print(f'frame {number * step} is left out: {error}', file=sys.stderr)
            continue
        paths.append(str(folder / f'frame{number}.png'))
        cv2.imwrite(paths[-1], cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not paths:
        raise DataError(f'{source} has no whole image among those tried; expected at least one')
    return paths


def _set_norms(network: nn.Module) -> None:
    """Let the norms see a picture and its mirror, so that numbers stay in range and ids differ."""
    image = torch.from_numpy(parity_image((256, 512))).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            # What is seen is kept as it is, instead of a tenth of it.
            module.momentum = None
    with torch.no_grad():
        network.train()((torch.cat((image, image.flip(-1))) - mean) / std)
