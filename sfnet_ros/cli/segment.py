"""``sfnet segment``: image files and videos through the node's inference, without a ROS graph."""

import argparse
from pathlib import Path
from typing import cast, TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from .. import inference, taxonomies
from ..errors import DataError
from ..evaluation.frames import open_frames
from ..inference.flow import flow_picture

if TYPE_CHECKING:
    from ..inference.backends.torch import TorchBackend

KINDS = ('label', 'color', 'overlay')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet segment``."""
    parser.add_argument('source', help='image, folder of images, video or rosbag2')
    parser.add_argument('--output', type=Path, default=Path('segmented'), help='folder to write')
    parser.add_argument('--kind', choices=KINDS, nargs='+', default=['overlay'])
    parser.add_argument(
        '--flow',
        action='store_true',
        help='write the learned flow of every alignment module as well (torch backend)',
    )
    parser.add_argument('--alpha', type=float, default=0.5, help='strength of the overlay, 0..1')
    add_model_arguments(parser)


def add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what selects a model, named as the parameters of the node."""
    parser.add_argument('--weights', default='', help='model name, model folder or checkpoint')
    parser.add_argument('--network', default='', choices=('', *inference.NETWORK_NAMES))
    parser.add_argument('--backbone', default='', choices=('', *inference.BACKBONE_NAMES))
    parser.add_argument('--dataset', default='', help='taxonomy of the weights')
    parser.add_argument('--input-height', type=int, default=0, metavar='PIXELS')
    parser.add_argument('--input-width', type=int, default=0, metavar='PIXELS')


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what selects and loads a model, named as the parameters of the node."""
    add_choice_arguments(parser)
    parser.add_argument('--backend', default='auto', choices=inference.BACKENDS)
    parser.add_argument('--precision', default='auto', choices=inference.PRECISIONS)


def load_model(options: argparse.Namespace) -> inference.Backend:
    """Load the model that the arguments name."""
    return inference.load(
        options.weights,
        options.network,
        options.backbone,
        options.dataset,
        options.input_height,
        options.input_width,
        options.backend,
        options.precision,
    )


def run(options: argparse.Namespace) -> int:
    """Write one file for every frame and kind: ``<output>/<kind>/<frame>.png``."""
    if options.flow:
        options.backend = 'torch'
    backend = load_model(options)
    taxonomy = taxonomies.get(backend.facts.taxonomy)
    count = 0
    for count, frame in enumerate(tqdm(open_frames(options.source), unit='frame'), 1):
        image = frame.rgb()
        ids = backend.infer(image[None])[0]
        pictures = {}
        if 'label' in options.kind:
            pictures['label'] = ids
        if 'color' in options.kind:
            pictures['color'] = taxonomy.colorize(ids)
        if 'overlay' in options.kind:
            pictures['overlay'] = taxonomy.overlay(ids, image, options.alpha)
        if options.flow:
            for name, flow in cast('TorchBackend', backend).flows(image).items():
                size = image.shape[1::-1]
                picture = cv2.resize(flow_picture(flow), size, interpolation=cv2.INTER_NEAREST)
                pictures[f'flow_{name}'] = picture
        for kind, picture in pictures.items():
            _write(options.output / kind / f'{count - 1:06d}.png', picture)
    print(f'{count} frames in {options.output}')
    return 0


def _write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), picture):
        raise DataError(f'{path} cannot be written; expected a writable folder')
