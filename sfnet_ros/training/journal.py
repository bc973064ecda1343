"""What a run tells while it goes on: a log, its curve, sample pictures, TensorBoard on request."""

import csv
import math
import os
from pathlib import Path
import sys
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn, Tensor

from .config import Recipe
from .curve import draw_curve
from .samples import Batch
from .soft_labels import labelled
from .sources import COARSE_OFFSET
from .. import taxonomies
from ..errors import DataError

LOG = 'log.csv'
_SAMPLES = 4
_COARSE_COLOR = (90, 90, 90)


class Journal:
    """
    Writes ``log.csv`` (step, loss, learning rate), ``log.png`` and ``samples.png`` into a folder.

    A run that goes on continues the log at its step, whatever was written after the checkpoint.
    Where the log is gone or cut short it goes on all the same, and says so.
    """

    def __init__(self, folder: Path, recipe: Recipe, start: int, tensorboard: bool) -> None:
        self._folder = folder
        self._recipe = recipe
        path = folder / LOG
        rows = _rows(path, start)
        self._losses = [math.nan] * start
        for step, loss, _ in rows:
            self._losses[int(step)] = float(loss)
        # Whole at any time: a run that is killed again before it writes has its log still.
        temporary = path.with_suffix('.tmp')
        with temporary.open('w', newline='') as file:
            csv.writer(file, lineterminator='\n').writerows(rows)
        os.replace(temporary, path)
        self._file = path.open('a', newline='')
        self._log = csv.writer(self._file, lineterminator='\n')
        self._board = _board(folder, start) if tensorboard else None

    def note(self, step: int, loss: float, rate: float) -> None:
        """Write a step down."""
        self._losses.append(loss)
        self._log.writerow((step, f'{loss:.5f}', f'{rate:.3e}'))
        if self._board:
            self._board.add_scalar('loss', loss, step)
            self._board.add_scalar('learning rate', rate, step)

    def show(self, step: int, network: nn.Module, batch: Batch) -> None:
        """
        Flush the log, draw its curve and the first crops of a batch.

        What is not labelled is shown as soft labels have it, if there are any.

        :param network: in evaluation mode. :param batch: as the loss takes it.
        """
        self._file.flush()
        draw_curve(self._folder / 'log.png', self._losses)
        labels = labelled(batch.labels[:_SAMPLES], batch.soft[:_SAMPLES])
        picture = sample_rows(self._recipe, network, batch.images[:_SAMPLES], labels)
        cv2.imwrite(str(self._folder / 'samples.png'), picture[..., ::-1])
        if self._board:
            self._board.add_image('samples', picture, step, dataformats='HWC')
            self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board:
            self._board.close()


def _rows(path: Path, start: int) -> list[list[str]]:
    """Return what the log of a run has of the steps before one; says on stderr what it lacks."""
    rows: list[list[str]] = []
    if start and path.is_file():
        with path.open(newline='') as file:
            # A run that was killed may have left half a row, after those of its checkpoint.
            rows = [row for row in csv.reader(file) if len(row) == 3 and int(row[0]) < start]
    if len(rows) < start:
        print(
            f'{path} has {len(rows)} of the {start} steps so far; it goes on at step {start}, and '
            'log.png leaves out what is missing',
            file=sys.stderr,
        )
    return rows


@torch.no_grad()
def sample_rows(recipe: Recipe, network: nn.Module, images: Tensor, labels: Tensor) -> np.ndarray:
    """
    Put image, labels and prediction side by side, a row a sample: H x W x 3 uint8 RGB.

    Unlabelled is black, labels of a coarser taxonomy grey.
    """
    taxonomy = taxonomies.get(recipe.taxonomy)
    ids = network(images).argmax(dim=1).to(torch.uint8).cpu().numpy()
    pixels = images.cpu().permute(0, 2, 3, 1).numpy() * recipe.std + np.array(recipe.mean)
    rows = []
    for image, truth, predicted in zip(pixels, labels.cpu().numpy(), ids, strict=True):
        painted = taxonomy.colorize(truth.astype(np.uint8))
        painted[(truth >= COARSE_OFFSET) & (truth != taxonomies.UNLABELLED)] = _COARSE_COLOR
        shown = (image * 255).round().clip(0, 255).astype(np.uint8)
        rows.append(np.hstack((shown, painted, taxonomy.colorize(predicted))))
    return np.vstack(rows)


def _board(folder: Path, start: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DataError(
            f'TensorBoard needs a package: pip install tensorboard ({error})'
        ) from error
    return SummaryWriter(str(folder / 'tensorboard'), purge_step=start)
