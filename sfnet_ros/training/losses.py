"""The terms of the loss: cross-entropy over the hardest pixels, and distance to teachers."""

import math

import torch
from torch import Tensor
import torch.nn.functional as F

from .sources import COARSE_OFFSET
from ..taxonomies import UNLABELLED


def pixel_losses(
    logits: Tensor, labels: Tensor, groups: Tensor, class_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """
    Return the negative log likelihood of every labelled pixel and its weight, as two vectors.

    The likelihood of a coarse label is the sum over the classes it comprises; its weight is 1.

    :param logits: N x C x H x W.
    :param labels: N x H x W int64: classes, 255 to ignore, coarse class k as COARSE_OFFSET + k.
    :param groups: K x C bool, true where coarse class k comprises a class.
    :param class_weights: C float32.
    """
    log_probabilities = F.log_softmax(logits, dim=1)
    fine = labels.where(labels < COARSE_OFFSET, UNLABELLED)
    losses = F.nll_loss(log_probabilities, fine, ignore_index=UNLABELLED, reduction='none')
    coarse = (labels >= COARSE_OFFSET) & (labels != UNLABELLED)
    labelled = fine != UNLABELLED
    selected, weights = losses[labelled], class_weights[fine[labelled]]
    if not coarse.any():
        return selected, weights
    members = groups[labels[coarse] - COARSE_OFFSET]  # P x C
    chosen = log_probabilities.permute(0, 2, 3, 1)[coarse].masked_fill(~members, -math.inf)
    summed = -chosen.logsumexp(dim=1)
    return torch.cat((selected, summed)), torch.cat((weights, torch.ones_like(summed)))


def thinned(labels: Tensor, size: tuple[int, ...]) -> Tensor:
    """Pick from N x H x W labels the pixels nearest to a grid of ``size`` with corners aligned."""
    rows, columns = (
        torch.linspace(0, extent - 1, count).round().long()
        for extent, count in zip(labels.shape[1:], size, strict=True)
    )
    return labels[:, rows[:, None], columns]


def hardest_mean(losses: Tensor, weights: Tensor, probability: float, share: float) -> Tensor:
    """
    Average the losses of hard pixels by their weights (OHEM: Shrivastava et al., CVPR 2016).

    Kept are pixels whose true class has at most ``probability``, and at least the hardest
    ``share`` of all; those without weight are none. Without any pixel the loss is zero.
    """
    if not weights.all():
        losses, weights = losses[weights > 0], weights[weights > 0]
    if losses.numel() == 0:
        return losses.sum()
    hard = torch.nonzero(losses >= -math.log(probability))[:, 0]
    fewest = max(1, round(share * losses.numel()))
    if len(hard) < fewest:
        hard = losses.topk(fewest).indices
    return (losses[hard] * weights[hard]).sum() / weights[hard].sum()


def distillation_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """
    Average over the pixels the divergence of the student from its teachers (Hinton et al., 2015).

    :param logits: N x C x h x w of the student.
    :param taught: N x C x h x w, probabilities of the teachers at this temperature; all zero where
        none says anything, which does not count.
    :param temperature: softens both; its square keeps the size of the gradients.
    """
    log_probabilities = F.log_softmax(logits / temperature, dim=1)
    divergence = F.kl_div(log_probabilities, taught, reduction='none')
    count = (taught.sum(dim=1) > 0).sum().clamp(min=1)
    return divergence.sum() / count * temperature**2
