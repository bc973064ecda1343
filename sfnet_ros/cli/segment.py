"""``sfnet segment``: images, videos and bags through the node's inference, without a ROS graph."""

import argparse
from collections.abc import Set
from contextlib import ExitStack
from pathlib import Path
import sys
from typing import cast, TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from .build_bar import BuildBar
from .segment_outputs import opened_bag, opened_video, Output, PictureFiles, SoftFiles
from .. import inference, taxonomies
from ..errors import DataError, ImageError
from ..evaluation.frames import Frames, open_frames
from ..inference.flow import flow_picture

if TYPE_CHECKING:
    from ..inference.backends.torch import TorchBackend

KINDS = ('label', 'color', 'overlay')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet segment``."""
    parser.add_argument('source', help='image, folder of images, video or rosbag2')
    parser.add_argument('--topic', default='', help='images of a bag (default: most messages)')
    parser.add_argument('--output', type=Path, help='folder for files (default: segmented)')
    parser.add_argument('--video', type=Path, metavar='MP4', help='write a video')
    parser.add_argument(
        '--bag', type=Path, metavar='FOLDER', help='write the bag again with the labels added'
    )
    parser.add_argument(
        '--kind', choices=KINDS, nargs='+', help='default: overlay; of a bag: label'
    )
    parser.add_argument(
        '--flow',
        action='store_true',
        help='write the learned flow of every alignment module as well (torch backend)',
    )
    parser.add_argument(
        '--soft',
        action='store_true',
        help='write the logits of every class as well, for a student of sfnet train to learn from '
        '(torch backend)',
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


def model_arguments(options: argparse.Namespace) -> tuple[str, str, str, str, int, int]:
    """Return what ``inference.choose_model`` takes, and ``inference.load`` takes first."""
    return (
        options.weights,
        options.network,
        options.backbone,
        options.dataset,
        options.input_height,
        options.input_width,
    )


def load_model(options: argparse.Namespace, batch: int = 1) -> inference.Backend:
    """Load the model that the arguments name; an engine that is built meanwhile shows a bar."""
    with BuildBar() as progress:
        return inference.load(
            *model_arguments(options),
            options.backend,
            options.precision,
            progress=progress,
            batch=batch,
        )


def run(options: argparse.Namespace) -> int:
    """Write files, a video, a bag; returns 1 when frames were broken, which are left out."""
    if options.flow or options.soft:
        options.backend = 'torch'
    frames = open_frames(options.source, options.topic)
    with ExitStack() as stack:
        outputs = _open_outputs(options, frames, stack)
        backend = load_model(options)
        kinds = set().union(*(output.kinds for output in outputs))
        count = broken = 0
        for frame in tqdm(frames, unit='frame'):
            try:
                pictures = _pictures(backend, frame.rgb(), kinds, options.alpha)
            except ImageError as error:
                tqdm.write(f'frame {count} is left out: {error}', file=sys.stderr)
                pictures, broken = {}, broken + 1
            for output in outputs:
                output.add(frame, pictures)
            count += 1
    written = filter(None, (_folder(options), options.video, options.bag))
    print(f'{count - broken} frames in {", ".join(map(str, written))}')
    return int(broken > 0)


def _folder(options: argparse.Namespace) -> Path | None:
    """Return where files go: nowhere, if only a video or a bag was asked for."""
    if options.output or options.flow or options.soft or not (options.video or options.bag):
        return options.output or Path('segmented')
    return None


def _open_outputs(options: argparse.Namespace, frames: Frames, stack: ExitStack) -> list[Output]:
    outputs: list[Output] = []
    kinds, folder = options.kind or ['overlay'], _folder(options)
    if folder:
        outputs.append(PictureFiles(folder, {*kinds, *(('flow',) if options.flow else ())}))
        if options.soft:
            outputs.append(SoftFiles(folder))
    if options.video:
        shown = [kind for kind in kinds if kind != 'label']
        if not shown:
            raise DataError(
                'a video of labels would not keep the ids; expected --kind color or overlay'
            )
        outputs.append(stack.enter_context(opened_video(options.video, shown[0], frames)))
    if options.bag:
        added = {'label', *(options.kind or ())}
        outputs.append(stack.enter_context(opened_bag(options.bag, frames, added)))
    return outputs


def _pictures(
    backend: inference.Backend, image: np.ndarray, kinds: Set[str], alpha: float
) -> dict[str, np.ndarray]:
    """Return what the outputs want of an image, by kind."""
    ids, taxonomy = backend.infer(image[None])[0], taxonomies.get(backend.facts.taxonomy)
    pictures = {'label': ids}
    if 'color' in kinds:
        pictures['color'] = taxonomy.colorize(ids)
    if 'overlay' in kinds:
        pictures['overlay'] = taxonomy.overlay(ids, image, alpha)
    if 'flow' in kinds:
        size = image.shape[1::-1]
        for name, flow in cast('TorchBackend', backend).flows(image).items():
            picture = cv2.resize(flow_picture(flow), size, interpolation=cv2.INTER_NEAREST)
            pictures[f'flow_{name}'] = picture
    if 'soft' in kinds:
        pictures['soft'] = cast('TorchBackend', backend).logits(image)
    return pictures
