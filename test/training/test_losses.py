"""The loss against its formula, written out pixel by pixel."""

import math

import pytest
from sfnet_ros.training.losses import hardest_mean, pixel_losses, thinned
from sfnet_ros.training.sources import COARSE_OFFSET
import torch


def test_fine_and_coarse_labels_follow_their_formulas() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 3, 5, requires_grad=True)
    labels = torch.randint(0, 4, (2, 3, 5))
    labels[0, 0] = 255
    labels[1, 1] = COARSE_OFFSET + 1
    groups = torch.tensor([[True, False, False, False], [False, True, True, False]])
    expected = []
    for n, i, j in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(5)):
        label = int(labels[n, i, j])
        chances = torch.exp(logits[n, :, i, j]).detach()
        chances = chances / chances.sum()
        if label == COARSE_OFFSET + 1:
            expected.append(-math.log(chances[1] + chances[2]))
        elif label != 255:
            expected.append(-math.log(chances[label]))
    weights = torch.tensor([1.0, 2.0, 3.0, 0.5])
    losses, weighted = pixel_losses(logits, labels, groups, weights)
    assert sorted(losses.tolist()) == pytest.approx(sorted(expected), abs=1e-5)
    fine = labels[labels < COARSE_OFFSET]
    assert weighted.tolist() == [*weights[fine].tolist(), *[1.0] * (len(losses) - len(fine))]
    losses.mean().backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[0, :, 0].any()


def test_hard_pixels_are_kept() -> None:
    chances = torch.tensor([0.1, 0.5, 0.69, 0.71, 0.9, 0.99])
    losses = -chances.log()
    even = torch.ones(6)
    assert hardest_mean(losses, even, 0.7, 1 / 6) == pytest.approx(losses[:3].mean().item())
    assert hardest_mean(losses, even, 0.7, 5 / 6) == pytest.approx(losses[:5].mean().item())
    assert hardest_mean(losses[3:], even[3:], 0.7, 0.1) == pytest.approx(losses[3].item())
    assert hardest_mean(losses[:0], even[:0], 0.7, 0.1) == 0
    heavy = torch.tensor([3.0, 1.0, 1.0, 9.0, 9.0, 9.0])
    weightless = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    assert hardest_mean(losses, weightless, 0.7, 1 / 3) == pytest.approx(losses[3].item())
    assert hardest_mean(losses, 0 * even, 0.7, 0.1) == 0
    expected = (3 * losses[0] + losses[1] + losses[2]) / 5
    assert hardest_mean(losses, heavy, 0.7, 1 / 6) == pytest.approx(expected.item())


def test_labels_are_thinned_where_the_logits_stand() -> None:
    labels = torch.arange(5 * 7).view(1, 5, 7)
    assert torch.equal(thinned(labels, (5, 7)), labels)
    assert thinned(labels, (3, 4))[0].tolist() == labels[0, ::2, ::2].tolist()
