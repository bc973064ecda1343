"""
Soft labels: what teachers said of an image, kept in a file so that they are asked only once.

A file is ``<name of the image>.npz`` as ``numpy.savez_compressed`` writes it, with one array of
the whole image, h x w x C for the C classes of the recipe: ``logits`` (float16 or float32), or
``probabilities`` (uint8 for 0..1 as 0..255, or float 0..1). It may be much smaller than the image,
as the logits of networks are; its outermost points lie on the outermost pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
import zipfile
import zlib

import numpy as np
import torch
from torch import Tensor
import torch.nn.functional as F

from ..errors import DataError
from ..taxonomies import UNLABELLED

SUFFIX = '.npz'
# The last two: a bare array instead of an archive, as Python 3.10 and later ones say it.
_UNREADABLE = (
    OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, TypeError,
)  # fmt: skip
# Of classes that a file calls impossible; a logarithm needs more than nothing.
_LEAST = {'u': 0.5 / 255, 'f': 1e-6}
# Half a point of rounding at the outermost pixels, in units of half the image.
_MARGIN = 1e-4


class SoftLabels(NamedTuple):
    """
    What teachers said of the image that a crop is from.

    :param logits: one C x h x w float16 of the whole image for each teacher, or none.
    :param view: where in the image the crop looks, see ``crops.view``.
    :param hidden: H x W bool of the crop, true where things of another image lie over it; None
        where none do.
    """

    logits: tuple[Tensor, ...]
    view: Tensor
    hidden: Tensor | None = None


def read_logits(path: Path, classes: int) -> np.ndarray:
    """Read a file of soft labels as C x h x w float16 logits; raises DataError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
    except _UNREADABLE as error:
        raise DataError(f'{path} cannot be read ({error}); expected a whole .npz file') from error
    if len(content) != 1 or not content.keys() <= {'logits', 'probabilities'}:
        raise DataError(
            f'{path} holds {", ".join(content) or "nothing"}; expected one array, logits or '
            'probabilities'
        )
    ((name, values),) = content.items()
    if values.ndim != 3 or not values.size or values.shape[2] != classes:
        raise DataError(
            f'{path} holds {name} of shape {values.shape}; expected height x width x {classes} '
            'classes'
        )
    if values.dtype.kind not in ('f' if name == 'logits' else 'fu'):
        raise DataError(f'{path} holds {name} of type {values.dtype}; expected floats')
    logits = values if name == 'logits' else _logarithms(path, values)
    with np.errstate(over='ignore'):  # found in the next line
        logits = logits.astype(np.float16)
    if not np.isfinite(logits).all():
        raise DataError(f'{path} holds numbers that are not finite; expected {name}')
    return np.ascontiguousarray(logits.transpose(2, 0, 1))


def _logarithms(path: Path, values: np.ndarray) -> np.ndarray:
    """Return what gives these probabilities again under a softmax."""
    if values.dtype.kind == 'u' and values.dtype != np.uint8:
        raise DataError(f'{path} holds probabilities of type {values.dtype}; expected uint8')
    shares = values.astype(np.float32) / (255 if values.dtype == np.uint8 else 1)
    if shares.min() < 0 or shares.max() > 1:
        raise DataError(
            f'{path} holds probabilities from {shares.min():.3g} to {shares.max():.3g}; expected '
            '0..1: call them logits if they are'
        )
    return np.log(shares.clip(_LEAST[values.dtype.kind]))


def softened(soft: SoftLabels, size: tuple[int, ...], temperature: float) -> tuple[Tensor, Tensor]:
    """
    Return the sum of what the teachers say of a crop, and how many of them do.

    :param size: height and width of the result.
    :return: probabilities C x h x w float32, and h x w int64; zero beyond the edges of the image,
        and where it is hidden.
    """
    rows, columns = (torch.linspace(-1, 1, count, device=soft.view.device) for count in size)
    y, x = torch.meshgrid(
        soft.view[0] * rows + soft.view[1], soft.view[2] * columns + soft.view[3], indexing='ij'
    )
    inside = torch.maximum(x.abs(), y.abs()) <= 1 + _MARGIN  # h x w
    if soft.hidden is not None:
        down, across = (
            ((line + 1) / 2 * (extent - 1)).round().long()
            for line, extent in zip((rows, columns), soft.hidden.shape, strict=True)
        )
        inside &= ~soft.hidden[down[:, None], across]
    places = torch.stack((x, y), dim=-1)[None]  # 1 x h x w x 2
    total = torch.zeros((), device=inside.device)
    for logits in soft.logits:
        seen = F.grid_sample(
            logits[None].float(), places, padding_mode='border', align_corners=True
        )
        total = total + (seen[0] / temperature).softmax(dim=0) * inside
    return total, len(soft.logits) * inside


def labelled(labels: Tensor, soft: Sequence[SoftLabels]) -> Tensor:
    """
    Return labels that have the likeliest class where none is known, as far as one is taught.

    :param labels: N x H x W int64, 255 where unlabelled. :param soft: those of each image.
    """
    labels = labels.clone()
    for own, kept in zip(labels, soft, strict=True):
        if kept.logits:
            shares, known = softened(kept, own.shape, 1.0)
            unknown = (own == UNLABELLED) & (known > 0)
            own[unknown] = shares.argmax(dim=0)[unknown]
    return labels
